"""Wedding days and emergencies: they begin and end by the clock, and what waits for them is done after."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.urls import reverse

from apps.accounts import jobs, scoping, workspaces
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Job, OutboxEvent
from apps.accounts.permissions import system
from apps.attribution import accuracy, conversion_training
from apps.attribution.models import AccuracyNight
from apps.integrations import metrics, modes, outbox
from apps.integrations.client import Client
from apps.integrations.http import Request
from apps.integrations.metrics import Reading
from apps.integrations.models import AlertRule, Call, Incident, ModeSpell
from apps.integrations.monitoring import rules
from apps.integrations.resilience.lanes import Lane, WeddingDay, is_wedding_day
from apps.integrations.resilience.outcomes import Kind
from tests import factories

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
SATURDAY = FRIDAY + timedelta(days=1)
SUNDAY = FRIDAY + timedelta(days=2)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _saturdays(settings):
    settings.WEDDING_DAYS = ["saturday"]


@pytest.fixture
def clock():
    with time_machine.travel(FRIDAY, tick=False) as traveller:
        yield traveller


def set_days(workspace, *days, zone="UTC"):
    fields = {"settings": {"wedding_days": list(days)}, "time_zone": zone}
    return workspaces.change(system(workspace.pk), now=FRIDAY, **fields)


# By the clock


@pytest.mark.parametrize(("at", "is_on"), [(FRIDAY, False), (SATURDAY, True), (SUNDAY, False)])
def test_saturday_is_on_by_the_clock(workspace, at, is_on):
    assert (modes.active(at) is not None) is is_on


@pytest.mark.parametrize(
    ("zone", "at", "is_on"),
    [
        ("Pacific/Auckland", datetime(2026, 11, 20, 11, tzinfo=UTC), True),
        ("Pacific/Auckland", datetime(2026, 11, 21, 11, tzinfo=UTC), False),
        ("America/Los_Angeles", datetime(2026, 11, 21, 7, tzinfo=UTC), False),
        ("America/Los_Angeles", datetime(2026, 11, 22, 7, tzinfo=UTC), True),
    ],
)
def test_the_day_is_that_of_the_workspaces_clock(workspace, zone, at, is_on):
    workspace.time_zone = zone
    workspace.save()

    assert (modes.active(at) is not None) is is_on


def test_days_in_a_row_end_together(workspace):
    set_days(workspace, "friday", "saturday", "sunday")

    assert modes.active(FRIDAY).until == datetime(2026, 11, 23, tzinfo=UTC)


def test_a_day_ends_at_midnight_also_when_clocks_change(workspace):
    set_days(workspace, "sunday", zone="Europe/London")
    change = datetime(2026, 10, 25, 12, tzinfo=UTC)

    assert modes.active(change).until == datetime(2026, 10, 26, tzinfo=UTC)


def test_a_workspace_may_have_no_such_days(workspace):
    set_days(workspace)

    assert modes.active(SATURDAY) is None


@pytest.mark.parametrize("value", ["saturday", ["someday"], [6], {"saturday": True}])
def test_days_that_are_none_are_refused(workspace, value):
    with pytest.raises(Invalid):
        workspaces.change(system(workspace.pk), now=FRIDAY, settings={"wedding_days": value})


def test_beat_switches_by_itself_and_writes_it_down(workspace, clock, django_capture_on_commit_callbacks):
    def minute(at):
        clock.move_to(at)
        with django_capture_on_commit_callbacks(execute=True):
            return modes.sweep()

    assert minute(FRIDAY) == 0
    assert minute(SATURDAY) == 1
    assert minute(SATURDAY + timedelta(minutes=1)) == 0
    assert ModeSpell.objects.get().until == MIDNIGHT
    assert minute(SUNDAY) == 1
    assert minute(SUNDAY + timedelta(minutes=1)) == 0

    spell = ModeSpell.objects.get()
    assert (spell.began_at, spell.ended_at) == (SATURDAY, SUNDAY)
    deeds = AuditEntry.objects.filter(deed__startswith="mode.").order_by("pk").values_list("deed", flat=True)
    assert list(deeds) == ["mode.began", "mode.ended"]
    told = OutboxEvent.objects.filter(name="integrations.mode.changed").order_by("pk")
    assert [one.payload["is_on"] for one in told] == [True, False]


def test_each_workspace_switches_by_its_own_clock(workspace, other_workspace, clock):
    with scoping.workspace(other_workspace):
        set_days(other_workspace, "saturday", zone="Pacific/Auckland")
    clock.move_to(FRIDAY)

    assert modes.sweep() == 1
    assert not ModeSpell.objects.exists()
    with scoping.workspace(other_workspace):
        assert ModeSpell.objects.exists()


def test_a_day_that_a_person_ended_stays_ended(workspace, actor):
    modes.keep_up(now=SATURDAY)

    modes.end(actor, reason="nothing on today", now=SATURDAY)
    modes.keep_up(now=SATURDAY + timedelta(minutes=1))

    assert modes.active(SATURDAY + timedelta(hours=1)) is None
    assert modes.active(SATURDAY + timedelta(days=7)) is not None
    assert ModeSpell.objects.count() == 1


def test_days_taken_off_the_list_end_what_is_on(workspace):
    modes.keep_up(now=SATURDAY)
    set_days(workspace, "sunday")

    modes.keep_up(now=SATURDAY)

    assert ModeSpell.objects.get().ended_at == SATURDAY


# By hand


def test_an_emergency_ends_by_itself(workspace, actor):
    modes.begin_emergency(actor, reason="fire", hours=2, now=FRIDAY)

    assert modes.active(FRIDAY).reason == "fire"
    later = FRIDAY + timedelta(hours=2)
    assert modes.active(later) is None
    modes.keep_up(now=later)
    assert ModeSpell.objects.get().ended_by == "Bellwether"


def test_an_emergency_on_a_wedding_day_ends_before_it_does(workspace, actor):
    modes.keep_up(now=SATURDAY)
    modes.begin_emergency(actor, reason="fire", hours=2, now=SATURDAY)

    assert modes.active(SATURDAY).kind == "emergency"
    modes.end(actor, now=SATURDAY)
    assert modes.active(SATURDAY).kind == "scheduled"


def test_one_emergency_at_a_time(workspace, actor):
    modes.begin_emergency(actor, reason="fire", hours=2, now=FRIDAY)

    with pytest.raises(modes.AlreadyOn):
        modes.begin_emergency(actor, reason="water", hours=2, now=FRIDAY)
    assert ModeSpell.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "field"), [({"reason": " "}, "reason"), ({"hours": 0}, "hours"), ({"hours": 200}, "hours")]
)
def test_an_emergency_has_a_reason_and_an_end(workspace, actor, given, field):
    with pytest.raises(Invalid) as refused:
        modes.begin_emergency(actor, **{"reason": "fire", "hours": 2, **given}, now=FRIDAY)

    assert list(refused.value.errors) == [field]
    assert not ModeSpell.objects.exists()


def test_what_is_not_on_cannot_be_ended(workspace, actor):
    with pytest.raises(NotHere):
        modes.end(actor, now=FRIDAY)


def test_the_command_switches_every_workspace_and_holds_up_a_deployment(workspace, other_workspace, clock):
    call_command("modes", "check")
    call_command("modes", "emergency", reason="the bank is down", hours=1)

    assert modes.active(FRIDAY).reason == "the bank is down"
    with pytest.raises(CommandError, match=workspace.slug):
        call_command("modes", "check")
    call_command("modes", "end")
    call_command("modes", "check")


# What it does


def test_backfill_waits_until_it_is_over_and_goes_out_then(connection, post, clock):
    clock.move_to(SATURDAY)
    call = outbox.enqueue(connection, "parcels.send", {}, dedup_key="1", now=SATURDAY, lane=Lane.BACKFILL)
    other = outbox.enqueue(connection, "parcels.send", {}, dedup_key="2", now=SATURDAY, lane=Lane.MARKETING)

    assert outbox.relay(lane=Lane.BACKFILL) == 0
    assert outbox.relay(lane=Lane.MARKETING) == 1

    call.refresh_from_db()
    assert (call.state, call.due_at) == (Call.State.WAITING, MIDNIGHT)
    assert list(post.parcels) == ["2"]
    clock.move_to(MIDNIGHT)
    assert outbox.relay(lane=Lane.BACKFILL) == 1
    assert set(post.parcels) == {"1", "2"}
    assert set(Call.objects.values_list("state", flat=True)) == {Call.State.DONE}
    assert other.pk != call.pk


def test_backfill_goes_on_when_a_person_ends_it(connection, post, actor, clock):
    outbox.enqueue(connection, "parcels.send", {}, dedup_key="1", now=FRIDAY, lane=Lane.BACKFILL)
    modes.begin_emergency(actor, reason="fire", hours=10, now=FRIDAY)
    outbox.relay(lane=Lane.BACKFILL)

    modes.end(actor, now=FRIDAY)

    assert Call.objects.get().due_at == FRIDAY
    assert outbox.relay(lane=Lane.BACKFILL) == 1


def test_a_direct_call_of_the_backfill_lane_is_not_made(connection, post, clock):
    clock.move_to(SATURDAY)

    answer = Client(connection, lane=Lane.BACKFILL).ask(
        "parcels.find", Request(method="GET", url="/parcels/1")
    )

    assert answer.outcome.kind == Kind.RATE_LIMITED
    assert answer.outcome.retry_after_seconds == 12 * 3_600
    assert post.seen == []


def test_training_waits_and_is_done_after(workspace, actor, clock, django_capture_on_commit_callbacks):
    clock.move_to(SATURDAY)
    with django_capture_on_commit_callbacks(execute=True):
        job = conversion_training.start(actor)

    job.refresh_from_db()
    assert job.state == Job.State.QUEUED
    assert job.message == "Waits until Sunday 00:00: only what cannot wait is done (wedding day)."
    clock.move_to(SUNDAY)
    jobs.run(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "Waits" not in job.message


def test_a_night_of_a_wedding_day_is_not_measured(workspace, clock):
    clock.move_to(SATURDAY)
    accuracy.measure_night()
    assert not AccuracyNight.objects.exists()

    clock.move_to(SUNDAY)
    accuracy.measure_night()
    assert AccuracyNight.objects.exists()


@pytest.fixture
def failing(workspace, monkeypatch):
    """A rule whose figure is beyond its bound whenever it is read."""
    monkeypatch.setattr(metrics, "_gauges", {"x.depth": lambda: [Reading(9.0)]})
    monkeypatch.setattr(rules, "DEFAULTS", [])
    return AlertRule.objects.create(
        workspace=workspace,
        key="deep",
        title="Too deep",
        metric="x.depth",
        figure="last",
        comparison="above",
        bound=1,
        severity="error",
        for_seconds=400,
    )


def looked_for(seconds, *, since, clock):
    for minute in range(0, seconds + 1, 50):
        clock.move_to(since + timedelta(seconds=minute))
        metrics.collect()
        rules.look(now=since + timedelta(seconds=minute))


def test_a_rule_speaks_after_a_quarter_of_its_time_and_louder(failing, clock):
    looked_for(100, since=SATURDAY, clock=clock)

    assert Incident.objects.get().severity == "critical"


def test_on_another_day_it_takes_its_time(failing, clock):
    looked_for(350, since=FRIDAY, clock=clock)
    assert not Incident.objects.exists()

    looked_for(400, since=FRIDAY, clock=clock)
    assert Incident.objects.get().severity == "error"


# Pages and API


def test_the_api_switches_and_says_what_is_on(api, clock):
    url = "/api/v1/integrations/mode"
    assert api.get(url).json()["active"] is None

    begun = api.post(f"{url}/emergency", {"reason": "fire", "hours": 2}, format="json")
    assert begun.status_code == 201
    assert begun.json()["active"]["until"] == "2026-11-20T14:00:00Z"
    assert api.post(f"{url}/emergency", {"reason": "fire", "hours": 2}, format="json").status_code == 409
    assert api.post(f"{url}/end", {}, format="json").json()["active"] is None
    assert api.post(f"{url}/end", {}, format="json").status_code == 404


def test_the_status_page_has_a_banner(page, workspace, clock):
    clock.move_to(SATURDAY)

    text = page.get(reverse("integrations:status")).content.decode()

    assert "<strong>Wedding day</strong>" in text
    assert reverse("integrations:wedding-days") in text


def test_a_person_begins_and_ends_an_emergency_on_the_page(page, owner, workspace, clock):
    page.post(reverse("integrations:emergency"), {"reason": "fire", "hours": "2"})
    assert modes.active(FRIDAY).kind == "emergency"
    assert "fire" in page.get(reverse("integrations:wedding-days")).content.decode()

    page.post(reverse("integrations:mode-end"), {"reason": "out"})

    assert modes.active(FRIDAY) is None
    assert AuditEntry.objects.get(deed="mode.ended").reason == "out"
    assert ModeSpell.objects.get().begun_by == str(owner)


def test_a_form_that_says_too_little_is_shown_again(page, clock):
    answer = page.post(reverse("integrations:emergency"), {"reason": "", "hours": "2"})

    assert answer.status_code == 400
    assert not ModeSpell.objects.exists()


def test_an_administrator_changes_days_and_messages(page, workspace, clock):
    url = reverse("integrations:wedding-days")
    page.post(url, {"days": ["friday"], "templates": "timeline\n\n timeline \nweather\n"})

    workspace.refresh_from_db()
    assert modes.days_of(workspace) == ["friday"]
    assert modes.templates_of(workspace) == {"timeline", "weather"}
    assert modes.active(FRIDAY) is not None


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_only_reads_changes_nothing(client, workspace, role, clock):
    client.force_login(factories.member(workspace, role))

    assert client.get(reverse("integrations:wedding-days")).status_code == 200
    for name, body in [
        ("wedding-days", {"days": []}),
        ("emergency", {"reason": "x", "hours": 1}),
        ("mode-end", {}),
    ]:
        assert client.post(reverse(f"integrations:{name}"), body).status_code == 403
    workspace.refresh_from_db()
    assert workspace.settings == {}
    assert not ModeSpell.objects.exists()


# Messages of a wedding day


@pytest.mark.parametrize(
    ("event_on", "is_near"),
    [
        (date(2026, 11, 19), False),
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), True),
        (date(2026, 11, 23), False),
    ],
)
def test_a_message_is_of_a_wedding_day_by_the_venues_clock(event_on, is_near):
    day = WeddingDay(event_on=event_on, zone=ZoneInfo("Europe/London"), template="timeline")
    noon = FRIDAY + timedelta(minutes=1)

    assert is_wedding_day(day, now=noon, allowed_templates=frozenset({"timeline"})) is is_near
    assert not is_wedding_day(day, now=noon, allowed_templates=frozenset())
