"""A sender and its three providers, each at its fake."""

import pytest
from django.utils import timezone

from apps.integrations import mail, outbox, sealed_json
from apps.integrations.models import Call, Connection, EmailDelivery
from apps.integrations.resilience.lanes import Lane
from tests.factories import NOW
from tests.fakes import mailgun as mailgun_fake
from tests.fakes import resend as resend_fake
from tests.fakes import smtp as smtp_fake


def connected(workspace, service, account, credentials=None, **options):
    made = Connection(
        workspace=workspace,
        service=service,
        account=account,
        label=service.capitalize(),
        state_changed_at=NOW,
        options=options,
    )
    sealed_json.put(made, "credentials_sealed", credentials or {})
    made.save()
    return made


@pytest.fixture
def fakes(settings):
    with (
        resend_fake.Resend(per_second=1_000) as resend,
        mailgun_fake.Mailgun() as mailgun,
        smtp_fake.Smtp() as smtp,
    ):
        settings.INTEGRATION_URLS = {"resend": resend.url, "mailgun": mailgun.url, "smtp": smtp.url}
        yield resend, mailgun, smtp


@pytest.fixture
def resend(fakes):
    return fakes[0]


@pytest.fixture
def mailgun(fakes):
    return fakes[1]


@pytest.fixture
def smtp(fakes):
    return fakes[2]


@pytest.fixture
def sender(workspace):
    return connected(workspace, "mail", "hello@studio.example", from_name="The Studio")


@pytest.fixture
def at_resend(workspace, fakes):
    keys = {"api_key": resend_fake.KEY, "webhook_secret": resend_fake.SECRET}
    return connected(workspace, "resend", "studio.example", keys)


@pytest.fixture
def at_mailgun(workspace, fakes):
    keys = {"api_key": mailgun_fake.KEY, "webhook_signing_key": mailgun_fake.SIGNING_KEY}
    return connected(workspace, "mailgun", mailgun_fake.DOMAIN, keys, region="us")


@pytest.fixture
def at_smtp(workspace, fakes):
    password = {"password": smtp_fake.PASSWORD}
    return connected(workspace, "smtp", "smtp.studio.example", password, username=smtp_fake.USER)


@pytest.fixture
def providers(sender, at_resend, at_mailgun, at_smtp):
    """All of them, connected."""
    return at_resend, at_mailgun, at_smtp


@pytest.fixture
def write(workspace):
    """Write a message down and send what is due."""

    def write(to="ada@example.com", *, is_sent=True, lane=Lane.TRANSACTIONAL, **options):
        [made] = mail.send(
            workspace,
            to=to,
            **{
                "subject": "Your gallery",
                "text": "It is ready.",
                "html": "<p>It is ready.</p>",
                "template": "gallery",
                "dedup_key": "gallery-1",
                "now": timezone.now(),
                "lane": lane,
                **options,
            },
        )
        if is_sent and made.call is not None:
            outbox.relay(lane=made.call.lane)
        return EmailDelivery.objects.get(pk=made.pk)

    return write


def call_of(delivery):
    return Call.objects.get(pk=delivery.call_id)
