"""An answer that drips is cut off at the deadline, and one that ends in the middle is none: for each family's
connectors, at the verb that changes something there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.integrations import errors
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import Change, Status
from apps.integrations.connectors.alerts import pagerduty, slack, twilio, webhook
from apps.integrations.connectors.email.mailgun import Mailgun
from apps.integrations.connectors.email.provider import Message
from apps.integrations.connectors.email.resend import Resend
from apps.integrations.connectors.llm.chat import Prompt, complete
from apps.integrations.resilience.outcomes import Kind
from tests.fakes import google_ads, linkedin, mailgun, meta, resend, tiktok, x
from tests.fakes import llm as llm_fake
from tests.fakes import pagerduty as pagerduty_fake
from tests.fakes import slack as slack_fake
from tests.fakes import twilio as twilio_fake
from tests.fakes.receiver import WebhookReceiver
from tests.fakes.server import Drip, Slow, Truncated
from tests.integrations.alerts.conftest import alert
from tests.integrations.connected import Hasty, connection_to

MESSAGE = Message(
    key="k1",
    message_id="<k1@studio.example>",
    sender="The Studio <hello@studio.example>",
    to="ada@example.com",
    subject="Hello",
    text="Hello",
)
OAUTH1 = {name: value for name, value in x.SECRETS.items() if name != "consumer_key"}
PHONES = {"to_number": "+447700900123", "from_number": "+15005550006"}


def pause(client, fake):
    return platforms.of(client).change(fake.add("Spring"), Change(status=Status.PAUSED)).kinds


def say(tell):
    return lambda client, fake: tell(client, alert(), None).kinds


def write(provider):
    return lambda client, fake: provider(client).send(MESSAGE).kinds


def ask(client, fake):
    with pytest.raises(errors.ServiceError) as caught:
        complete(client, Prompt(messages=[("user", "Write a subject")]))
    return (caught.value.outcome.kind,)


@dataclass
class Case:
    """A connection, and something that is done over it. deed: answers what became of each try."""

    service: str
    fake: Callable[[], Any]
    deed: Callable[[Any, Any], Any]
    account: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


CASES = [
    Case(
        "google_ads",
        google_ads.GoogleAds,
        pause,
        "123-456-7890",
        {"access_token": google_ads.TOKEN},
        {"login_customer_id": "111-222-3333"},
    ),
    Case("linkedin_ads", linkedin.LinkedInAds, pause, "1", {"access_token": linkedin.TOKEN}),
    Case("meta_ads", meta.Meta, pause, "act_1234", {"access_token": meta.TOKEN}),
    Case("tiktok_ads", tiktok.TikTokAds, pause, "6900", {"access_token": tiktok.TOKEN}),
    Case("x_ads", x.XAds, pause, "18ce", OAUTH1, {"consumer_key": "ck"}),
    Case(
        "slack",
        slack_fake.Slack,
        say(slack.tell),
        secrets={"bot_token": slack_fake.BOT},
        options={"channel": "C0001"},
    ),
    Case(
        "pagerduty",
        pagerduty_fake.PagerDuty,
        say(pagerduty.tell),
        secrets={"routing_key": pagerduty_fake.ROUTING_KEY},
    ),
    Case(
        "twilio_sms",
        twilio_fake.Twilio,
        say(twilio.tell_by_sms),
        twilio_fake.ACCOUNT,
        {"auth_token": twilio_fake.TOKEN},
        PHONES,
    ),
    Case(
        "twilio_call",
        twilio_fake.Twilio,
        say(twilio.tell_by_call),
        twilio_fake.ACCOUNT,
        {"auth_token": twilio_fake.TOKEN},
        PHONES,
    ),
    Case(
        "alert_webhook",
        WebhookReceiver,
        say(webhook.tell),
        secrets={"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        options={"url": "https://studio.example/a"},
    ),
    Case("resend", resend.Resend, write(Resend), "studio.example", {"api_key": resend.KEY}),
    Case(
        "mailgun", mailgun.Mailgun, write(Mailgun), mailgun.DOMAIN, {"api_key": mailgun.KEY}, {"region": "us"}
    ),
    Case(
        "llm", llm_fake.LanguageModel, ask, secrets={"api_key": llm_fake.API_KEY}, options={"model": "fake-1"}
    ),
]


# Their answers have no body that could end early.
WORDLESS = {"alert_webhook", "linkedin_ads"}


@pytest.fixture(params=CASES, ids=lambda case: case.service)
def case(request):
    return request.param


@pytest.fixture
def fake(case, settings):
    with case.fake() as one:
        settings.INTEGRATION_URLS = {case.service: one.url}
        yield one


@pytest.fixture
def connection(case, workspace):
    return connection_to(workspace, case.service, account=case.account, secrets=case.secrets, **case.options)


@pytest.mark.parametrize("fault", [Drip(0.05), Slow(1.0)], ids=["drip", "slow"])
def test_what_drips_is_cut_off(case, fake, connection, fault):
    fake.misbehave(fault, times=10)
    began = time.monotonic()

    kinds = case.deed(Hasty(connection), fake)

    assert Kind.UNKNOWN in kinds
    assert Kind.OK not in kinds
    assert time.monotonic() - began < 7  # a drop each 0.05 s takes longer


@pytest.mark.parametrize("case", [one for one in CASES if one.service not in WORDLESS], indirect=True)
def test_what_ends_in_the_middle_leaves_the_fate_open(case, fake, connection):
    fake.misbehave(Truncated(), times=10)

    kinds = case.deed(Client(connection), fake)

    assert Kind.UNKNOWN in kinds
    assert Kind.OK not in kinds
