import pytest
from django.conf import settings
from redis import Redis

from apps.accounts import personal_fields
from apps.accounts.models import Person
from apps.accounts.permissions import system
from apps.campaigns import delivery, splitting
from apps.campaigns.delivery import snapshotting, working
from apps.campaigns.models import Audience, Campaign, Content, SendRun, Topic
from apps.integrations.connectors.bulk_email.smtp import sessions
from tests.factories import NOW
from tests.fakes import mailgun as mailgun_fake
from tests.fakes import resend as resend_fake
from tests.fakes.mail_sink import Sink
from tests.integrations.connected import connection_to

EVERYBODY = {"field": "person.has_email", "value": True}
BODY = "Hello {{ first_name }}, the season opens. [See the venues](https://venues.example/spring)"


@pytest.fixture
def sink(settings):
    with Sink() as made:
        settings.INTEGRATION_URLS = {"smtp": made.url}
        yield made
        sessions.close()


@pytest.fixture
def sender(workspace):
    return connection_to(
        workspace, "mail", account="hello@studio.example", secrets={}, from_name="The Studio"
    )


@pytest.fixture
def at_smtp(workspace, sink):
    return connection_to(workspace, "smtp", account="smtp.studio.example", secrets={})


@pytest.fixture
def resend(settings):
    with resend_fake.Resend(per_second=1_000) as made:
        settings.INTEGRATION_URLS = {"resend": made.url}
        yield made


@pytest.fixture
def at_resend(workspace, resend):
    return connection_to(workspace, "resend", account="studio.example", secrets={"api_key": resend_fake.KEY})


@pytest.fixture
def mailgun(settings):
    with mailgun_fake.Mailgun() as made:
        settings.INTEGRATION_URLS = {"mailgun": made.url}
        yield made


@pytest.fixture
def at_mailgun(workspace, mailgun):
    keys = {"api_key": mailgun_fake.KEY}
    return connection_to(workspace, "mailgun", account=mailgun_fake.DOMAIN, secrets=keys, region="us")


@pytest.fixture
def topic(workspace):
    return Topic.objects.create(workspace=workspace, key="news", name="News", basis=Topic.Basis.CUSTOMER)


def person(workspace, number, **traits):
    made = Person(workspace=workspace, external_id=f"p{number}", traits=traits)
    personal_fields.set_personal(made, {"email": f"p{number}@example.com"})
    made.save()
    return made


@pytest.fixture
def people(workspace):
    """Make so many."""

    def make(count, first=0, **traits):
        return [person(workspace, first + number, **traits) for number in range(count)]

    return make


@pytest.fixture
def campaign(workspace, topic, sender):
    """Make one, running."""
    workspace.settings |= {"postal_address": "1 Barn Lane, Bath"}
    workspace.save(update_fields=["settings"])

    def make(contents=1, **given):
        name = f"All {Audience.objects.count()}"
        audience = Audience.objects.create(workspace=workspace, name=name, rules=EVERYBODY, changed_at=NOW)
        fields = {"state": "running", "send_from_hour": 0, "send_until_hour": 24, "sender": sender, **given}
        made = Campaign.objects.create(
            workspace=workspace, name="News", audience=audience, topic=topic, changed_at=NOW, **fields
        )
        for position in range(contents):
            Content.objects.create(
                workspace=workspace,
                campaign=made,
                key="abcde"[position],
                position=position,
                subject=f"Subject {'abcde'[position]}",
                body=BODY,
                changed_at=NOW,
            )
        return made

    return make


def launch(campaign, *, now):
    """As a launch does it once nothing stands against it; and everybody is written down."""
    contents, people = splitting.contents_of(campaign), Person.objects.count()
    splitting.open_experiments(system(campaign.workspace_id), campaign, contents, people=people, now=now)
    campaign.save()
    run = delivery.start(campaign, now=now)
    snapshotting.take(run_id=run.pk)
    return SendRun.objects.get(pk=run.pk)


def work(seconds=5.0):
    """What a worker does, in this process."""
    return working.deliver(seconds=seconds)


def two_seconds_pass():
    """For the limits on calls, which Redis counts by its own clock: what was taken was taken earlier."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        for key in redis.scan_iter("*{limit:*}"):
            taken = redis.zrange(key, 0, -1, withscores=True)
            redis.zadd(key, {one: at_ms - 2_100 for one, at_ms in taken})
