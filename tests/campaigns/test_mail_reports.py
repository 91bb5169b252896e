"""The report of a scheduled run, at the provider that takes it."""

from decimal import Decimal

import pytest

from apps.campaigns.optimization import policies, runs
from apps.integrations import outbox
from apps.integrations.models import EmailDelivery
from apps.integrations.resilience.lanes import Lane
from tests.campaigns.conftest import person, with_history
from tests.factories import NOW
from tests.fakes.resend import KEY, SECRET, Resend
from tests.integrations.email.conftest import connected

TO = ["ada@example.com", "bob@example.com"]


@pytest.fixture
def resend(settings, workspace, account):
    """A sender whose messages Resend takes, and a policy that names two readers."""
    with Resend(per_second=1_000) as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "resend": fake.url}
        connected(workspace, "mail", "hello@studio.example", from_name="The Studio")
        connected(workspace, "resend", "studio.example", {"api_key": KEY, "webhook_secret": SECRET})
        policies.change(person(workspace), {"report_to": TO}, now=NOW)
        yield fake


def send() -> None:
    outbox.relay(lane=int(Lane.TRANSACTIONAL))


def test_a_weekly_run_is_told_to_everybody_named_once(resend, account):
    with_history(account)

    runs.make("weekly", now=NOW)
    send()
    send()

    assert sorted(one["to"][0] for one in resend.sent.values()) == TO
    told = next(iter(resend.sent.values()))
    assert "changes proposed" in told["subject"]
    assert "Spring brides" in told["text"]
    assert "/optimization/recommendations/" in told["text"]
    assert EmailDelivery.objects.count() == 2


def test_a_day_on_which_nothing_is_proposed_is_not_told(resend, account):
    runs.make("daily", now=NOW)
    send()

    assert not resend.sent


def test_a_run_that_somebody_asked_for_is_not_mailed(resend, account):
    with_history(account)

    runs.make("asked", now=NOW)
    send()

    assert not resend.sent


def test_without_a_sender_the_run_stands(account, workspace):
    policies.change(person(workspace), {"report_to": TO}, now=NOW)
    with_history(account)

    run = runs.make("weekly", now=NOW)

    assert run.total_budget == Decimal(120)
    assert not EmailDelivery.objects.exists()
