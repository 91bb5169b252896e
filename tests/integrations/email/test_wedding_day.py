"""What a message of a wedding day may do that others may not, and what it may not do either."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apps.accounts import workspaces
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import system
from apps.integrations import suppressions
from apps.integrations.models import Call, Connection, EmailDelivery, Suppression
from apps.integrations.resilience.lanes import Lane, WeddingDay
from tests.fakes.resend import error
from tests.fakes.server import Answer, Reply
from tests.integrations.email.conftest import call_of

ZONE = ZoneInfo("Pacific/Auckland")


@pytest.fixture
def near(workspace):
    """A message about an event of today at the venue, its template on the list of this workspace."""
    workspaces.change(
        system(workspace.pk), now=timezone.now(), settings={"wedding_day_templates": ["weather"]}
    )
    workspace.refresh_from_db()
    on = timezone.now().astimezone(ZONE).date()
    return {"template": "weather", "wedding_day": WeddingDay(event_on=on, zone=ZONE, template="weather")}


def test_it_takes_the_critical_lane_and_that_is_audited(write, providers, near):
    delivery = write(**near, lane=Lane.MARKETING)

    assert call_of(delivery).lane == Lane.CRITICAL
    [entry] = AuditEntry.objects.filter(deed="mail.wedding_day")
    assert entry.after["template"] == "weather"
    assert entry.after["zone"] == "Pacific/Auckland"


def test_a_template_that_is_not_on_the_workspaces_list_stays_in_its_lane(write, providers, near):
    day = near["wedding_day"]
    other = WeddingDay(event_on=day.event_on, zone=ZONE, template="wedding_day_timeline")

    delivery = write(template="wedding_day_timeline", wedding_day=other)

    assert call_of(delivery).lane == Lane.TRANSACTIONAL
    assert not AuditEntry.objects.filter(deed="mail.wedding_day").exists()


def test_it_may_ask_a_provider_that_fails_early_once_and_that_is_audited(
    write, at_resend, sender, resend, near
):
    resend.misbehave(Answer(Reply(503)), times=30)
    for number in range(6):
        write(dedup_key=f"other-{number}")
    asked = len(resend.seen)

    write(dedup_key="other-7")
    assert len(resend.seen) == asked
    write(dedup_key="near-1", **near)
    write(dedup_key="near-2", **near)

    assert len(resend.seen) == asked + 1
    assert AuditEntry.objects.filter(deed="call.went_early").count() == 1


def test_it_is_not_written_to_an_address_on_the_list(write, providers, resend, workspace, near):
    write()
    index = EmailDelivery.objects.get().address_index
    suppressions.add(index, Suppression.Reason.BOUNCED, told_by="resend", now=timezone.now())

    delivery = write(dedup_key="near-1", **near)

    assert (delivery.state, delivery.call) == (EmailDelivery.State.SUPPRESSED, None)
    assert len(resend.sent) == 1


def test_it_does_not_pass_a_quota_that_is_used_up(write, at_resend, sender, resend, near):
    resend.misbehave(Answer(error(429, "daily_quota_exceeded")), times=5)

    delivery = write(**near)

    assert not resend.sent
    call = call_of(delivery)
    assert call.state == Call.State.WAITING
    assert call.due_at > timezone.now() + timedelta(seconds=60)


def test_it_does_not_pass_a_sender_that_was_paused(write, providers, resend, sender, near):
    Connection.objects.filter(pk=sender.pk).update(state=Connection.State.SWITCHED_OFF)

    delivery = write(**near)

    assert call_of(delivery).state == Call.State.HELD
    assert not resend.sent


def test_it_does_not_pass_a_sign_in_that_ended(write, at_resend, sender, resend, near):
    Connection.objects.filter(pk=at_resend.pk).update(state=Connection.State.NEEDS_SIGN_IN)

    write(**near)

    assert not resend.sent
