"""What holds a message back: hours, rates, ramps, caps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import one_trip, personal_fields, workspaces
from apps.accounts.errors import Invalid
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import system
from apps.campaigns import delivery
from apps.campaigns.delivery import journal, leftovers, paces, reading, sending
from apps.campaigns.delivery.queueing import Queue
from apps.campaigns.maths import pace, send_times
from apps.campaigns.maths.send_windows import opens_at
from apps.campaigns.models import Campaign, Chunk, LedgerEntry, Pace, PersonDay, Recipient, SendRun
from tests.campaigns.delivery.conftest import launch, work
from tests.fakes.server import Answer, json_reply

LONDON, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("America/New_York")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-20T12:00", "2026-11-20T12:00"),
        ("2026-11-20T22:00", "2026-11-21T08:00"),
        ("2026-03-28T22:00", "2026-03-29T07:00"),  # the clocks go forward that night
        ("2026-10-24T22:00", "2026-10-25T08:00"),  # and back
    ],
)
def test_hours_are_those_of_the_local_clock(now, opens):
    assert opens_at(at(now), LONDON, from_hour=8, until_hour=20) == at(opens)


def test_an_hour_that_is_skipped_opens_when_the_clock_has_jumped():
    assert opens_at(at("2026-03-29T00:30"), LONDON, from_hour=1, until_hour=3) == at("2026-03-29T01:00")


GAP_AT_MIDNIGHT, GAP_BEFORE_MIDNIGHT = ZoneInfo("America/Santiago"), ZoneInfo("America/Scoresbysund")


@pytest.mark.parametrize(
    ("now", "zone", "from_hour", "opens"),
    [
        ("2026-03-28T22:00", LONDON, 1, "2026-03-29T01:00"),  # 1 to 2 does not come that night
        ("2026-03-29T00:59", LONDON, 1, "2026-03-29T01:00"),
        ("2026-03-29T01:20", LONDON, 1, "2026-03-29T01:20"),  # open as long as it would have been
        ("2026-03-29T02:00", LONDON, 1, "2026-03-30T00:00"),
        ("2026-09-05T20:00", GAP_AT_MIDNIGHT, 0, "2026-09-06T04:00"),
        ("2026-09-06T04:30", GAP_AT_MIDNIGHT, 0, "2026-09-06T04:30"),
        ("2026-03-28T20:00", GAP_BEFORE_MIDNIGHT, 23, "2026-03-29T01:00"),
        ("2026-03-29T01:30", GAP_BEFORE_MIDNIGHT, 23, "2026-03-29T01:30"),
        ("2026-03-29T02:00", GAP_BEFORE_MIDNIGHT, 23, "2026-03-30T00:00"),
    ],
)
def test_a_window_wholly_within_a_skipped_hour_opens_right_after_it(now, zone, from_hour, opens):
    assert opens_at(at(now), zone, from_hour=from_hour, until_hour=from_hour + 1) == at(opens)


def test_what_became_due_then_may_still_leave_a_moment_later():
    due = opens_at(at("2026-03-28T22:00"), LONDON, from_hour=1, until_hour=2)

    later = due + timedelta(minutes=10)
    assert opens_at(later, LONDON, from_hour=1, until_hour=2) == later


@given(
    st.floats(0, 1_000).map(lambda days: at("2025-01-01") + timedelta(days=days)),
    st.sampled_from([LONDON, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kathmandu")]),
    st.integers(0, 22),
)
def test_a_window_is_open_when_it_says_so_and_within_a_day(now, zone, hour):
    opens = opens_at(now, zone, from_hour=hour, until_hour=hour + 2)
    assert now <= opens <= now + timedelta(hours=25)
    assert hour <= opens.astimezone(zone).hour < hour + 2


@given(
    st.floats(0, 1_000).map(lambda days: at("2025-01-01") + timedelta(days=days)),
    st.sampled_from([LONDON, GAP_AT_MIDNIGHT, GAP_BEFORE_MIDNIGHT, ZoneInfo("Australia/Lord_Howe")]),
    st.integers(0, 23),
)
def test_no_window_however_short_waits_longer_than_a_day_and_stays_open_when_it_opens(now, zone, hour):
    opens = opens_at(now, zone, from_hour=hour, until_hour=hour + 1)

    assert now <= opens <= now + timedelta(hours=25)
    assert opens_at(opens, zone, from_hour=hour, until_hour=hour + 1) == opens


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 60)), max_size=60), st.integers(60, 7_200))
def test_no_hour_sees_more_than_the_rate_and_one_burst(steps, per_hour):
    now, full_at, let_through = at("2026-11-20T12:00"), None, []
    for wait, wanted in steps:
        now += timedelta(seconds=wait)
        number, full_at, _ = pace.grant(
            full_at, now=now, wanted=wanted, per_hour=per_hour, burst_seconds=60.0
        )
        let_through += [now] * number
    for place, first in enumerate(let_through):
        within = [one for one in let_through[place:] if one <= first + timedelta(hours=1)]
        assert len(within) <= per_hour + per_hour / 60 + 1


def test_what_waits_is_let_through_when_it_was_told():
    now = at("2026-11-20T12:00")
    number, full_at, more_at = pace.grant(None, now=now, wanted=100, per_hour=60, burst_seconds=60.0)
    assert number == 2
    again, *_ = pace.grant(full_at, now=more_at, wanted=1, per_hour=60, burst_seconds=60.0)
    assert again == 1


def test_the_ramp_begins_at_fifty():
    assert [pace.warm_up_limit(day, first=50, growth=1.5) for day in range(4)] == [50, 75, 112, 168]


def test_own_clicks_outweigh_the_crowd_when_there_are_enough():
    clicks = np.zeros((101, 24))
    clicks[:100, 10] = 1
    clicks[100, 19] = 8
    hours = send_times.best_hours(clicks, strength=3.0, from_hour=8, until_hour=20)
    assert hours[100] == 19
    assert set(hours[:100]) == {10}


def test_who_is_asleep_gets_it_in_the_morning(workspace, campaign, people, sink, at_smtp):
    now = timezone.now()
    local = now.astimezone(LONDON).hour
    people(2)
    people(1, first=10, time_zone="Pacific/Kiritimati")
    hours = {"send_from_hour": local, "send_until_hour": local + 1}
    made = campaign(**hours)

    launch(made, now=now)
    work()

    states = dict(Recipient.objects.values_list("person__external_id", "state"))
    assert states == {"p0": "sent", "p1": "sent", "p10": "to_send"}
    later = Recipient.objects.get(state="to_send")
    assert later.due_at.astimezone(ZoneInfo("Pacific/Kiritimati")).hour == local
    assert made.workspace.zone == LONDON


def test_what_is_no_zone_is_written_to_on_the_workspaces_clock(workspace, campaign, people, sink, at_smtp):
    now = timezone.now()
    local = now.astimezone(LONDON).hour
    for number, odd in enumerate(("", "Mars/Olympus", "../../etc/passwd", "UTC+25", ",", "é\n")):
        people(1, first=number, time_zone=odd)
    made = campaign(send_from_hour=local, send_until_hour=local + 1)

    launch(made, now=now)
    work()

    assert delivery.progress(made) == delivery.Progress(sent=6)


def test_either_spelling_of_the_trait_names_the_zone(workspace, campaign, people, sink, at_smtp):
    now = timezone.now()
    local = now.astimezone(LONDON).hour
    people(1, first=0, timezone="Pacific/Apia")
    people(1, first=1, time_zone="nowhere", timezone="America/St_Johns")
    people(1, first=2, time_zone="Europe/London", timezone="Pacific/Apia")
    made = campaign(send_from_hour=local, send_until_hour=local + 1)

    launch(made, now=now)
    work()

    waiting = Recipient.objects.filter(state="to_send").select_related("person")
    zones = {"p0": ZoneInfo("Pacific/Apia"), "p1": ZoneInfo("America/St_Johns")}
    assert {one.person.external_id for one in waiting} == set(zones)
    assert {one.due_at.astimezone(zones[one.person.external_id]).hour for one in waiting} == {local}


def test_a_rate_lets_some_through_and_the_rest_later(workspace, campaign, people, sink, at_smtp):
    people(30)
    made = campaign(rate_per_hour=600)

    launch(made, now=timezone.now())
    work()

    assert len(sink.stored) == 11
    assert delivery.progress(made) == delivery.Progress(sent=11, to_send=19)


def test_a_new_sender_warms_up(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"warm_up": True}}
    workspace.save(update_fields=["settings"])
    people(70)

    launch(campaign(), now=timezone.now())
    work()

    assert len(sink.stored) == 50


def test_a_domain_is_not_flooded(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"domains_per_hour": {"example.com": 60}}}
    workspace.save(update_fields=["settings"])
    people(10)
    made = campaign()

    launch(made, now=timezone.now())
    work()

    assert delivery.progress(made) == delivery.Progress(sent=2, to_send=8)


def test_a_cap_holds_over_campaigns_and_spares_what_is_waited_for(
    workspace, campaign, people, sink, at_smtp, topic
):
    workspace.settings |= {"delivery": {"cap": {"messages": 2, "days": 7}}}
    workspace.save(update_fields=["settings"])
    people(2)

    made = [campaign() for _ in range(3)]
    for one in made:
        launch(one, now=timezone.now())
        work()
    assert delivery.progress(made[2]) == delivery.Progress(skipped={"capped": 2})

    topic.basis = "service"
    topic.save()
    receipt = campaign()
    launch(receipt, now=timezone.now())
    work()
    assert delivery.progress(receipt) == delivery.Progress(sent=2)


def test_who_is_put_off_is_counted_once(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"cap": {"messages": 1, "days": 1}}}
    workspace.save(update_fields=["settings"])
    people(3)
    made = campaign(rate_per_hour=1)
    launch(made, now=timezone.now())
    work()
    assert delivery.progress(made) == delivery.Progress(sent=1, to_send=2)

    type(made).objects.filter(pk=made.pk).update(rate_per_hour=None)
    Chunk.objects.update(due_at=None)
    SendRun.objects.update(is_open=True, due_at=None)
    work()

    assert delivery.progress(made) == delivery.Progress(sent=3)


def put_off(workspace, campaign, people):
    """A campaign under a cap, of which two of six messages left: the receiving server takes no more."""
    limits = {"cap": {"messages": 1, "days": 7}, "domains_per_hour": {"example.com": 60}}
    workspace.settings |= {"delivery": limits}
    workspace.save(update_fields=["settings"])
    people(6)
    made = campaign()
    launch(made, now=timezone.now())
    work()
    assert delivery.progress(made) == delivery.Progress(sent=2, to_send=4)
    assert counted() == 6
    return made


def counted():
    return sum(PersonDay.objects.values_list("messages", flat=True))


def test_who_got_nothing_of_a_cancelled_campaign_may_have_the_next(
    workspace, campaign, people, sink, at_smtp
):
    made = put_off(workspace, campaign, people)

    delivery.cancel(made, now=timezone.now())
    for _ in range(2):
        leftovers.skip(campaign_id=made.pk)

    assert delivery.progress(made) == delivery.Progress(sent=2, skipped={"cancelled": 4})
    assert counted() == 2
    workspace.settings["delivery"].pop("domains_per_hour")
    workspace.save(update_fields=["settings"])
    again = campaign()
    launch(again, now=timezone.now())
    work()
    assert delivery.progress(again) == delivery.Progress(sent=4, skipped={"capped": 2})


def test_who_is_skipped_after_being_put_off_is_not_counted(workspace, campaign, people, sink, at_smtp):
    made = put_off(workspace, campaign, people)
    for one in Person.objects.all():
        ConsentRecord.objects.create(
            workspace=workspace,
            person=one,
            purpose="news",
            is_granted=False,
            source="page",
            occurred_at=timezone.now(),
        )

    Recipient.objects.filter(state="to_send").update(due_at=timezone.now())
    SendRun.objects.update(is_open=True, due_at=None)
    work()

    assert delivery.progress(made) == delivery.Progress(sent=2, skipped={"unsubscribed": 4})
    assert counted() == 2


def goes_on():
    Recipient.objects.filter(state="to_send").update(due_at=timezone.now())
    SendRun.objects.update(is_open=True, due_at=None)
    work()


def test_nor_who_has_no_address_any_more(workspace, campaign, people, sink, at_smtp):
    made = put_off(workspace, campaign, people)
    for one, address in zip(
        Recipient.objects.filter(state="to_send"), [None, f"{'p' * 65}@example.com"], strict=False
    ):
        personal_fields.set_personal(one.person, {"email": address})
        one.person.save()
    workspace.settings["delivery"].pop("domains_per_hour")
    workspace.save(update_fields=["settings"])

    goes_on()

    assert delivery.progress(made) == delivery.Progress(sent=4, skipped={"no_address": 1, "invalid": 1})
    assert counted() == 4


def test_nor_whom_the_server_refuses(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"cap": {"messages": 1, "days": 7}}}
    workspace.save(update_fields=["settings"])
    people(3)
    sink.answers = {"p1@example.com": "552 5.2.2 Full."}
    made = campaign()
    launch(made, now=timezone.now())

    work()

    assert delivery.progress(made) == delivery.Progress(sent=2, refused=1)
    assert counted() == 2
    sink.answers = {}
    again = campaign()
    launch(again, now=timezone.now())
    work()
    assert delivery.progress(again) == delivery.Progress(sent=1, skipped={"capped": 2})


def test_who_may_have_got_it_stays_counted(workspace, campaign, people, sink, at_smtp):
    """Its worker died with it, so it was to go again; and then the campaign was cancelled."""
    made = put_off(workspace, campaign, people)
    doubtful, *others = Recipient.objects.filter(state="to_send")
    LedgerEntry.objects.create(
        workspace=workspace, campaign=made, recipient_id=doubtful.pk, fate="uncertain", provider="smtp"
    )

    delivery.cancel(made, now=timezone.now())
    leftovers.skip(campaign_id=made.pk)

    assert PersonDay.objects.get(person=doubtful.person_id).messages == 1
    assert not PersonDay.objects.filter(person__in=[one.person_id for one in others], messages=1).exists()


def test_who_was_merged_is_counted_as_the_survivor(workspace, campaign, people, sink, at_smtp):
    made = put_off(workspace, campaign, people)
    [survivor] = people(1, first=9)
    PersonDay.objects.create(
        workspace=workspace, person=survivor, day=PersonDay.objects.first().day, messages=0
    )
    moved = Recipient.objects.filter(state="to_send").first()
    Person.objects.filter(pk=moved.person_id).update(merged_into=survivor)
    workspace.settings["delivery"].pop("domains_per_hour")
    workspace.save(update_fields=["settings"])

    goes_on()
    goes_on()

    assert delivery.progress(made) == delivery.Progress(sent=6)
    assert PersonDay.objects.get(person=survivor).messages == 1


def test_and_what_the_survivor_had_stays(workspace, campaign, people, sink, at_smtp):
    made = put_off(workspace, campaign, people)
    [survivor] = people(1, first=9)
    PersonDay.objects.create(
        workspace=workspace, person=survivor, day=PersonDay.objects.first().day, messages=1
    )
    moved = Recipient.objects.filter(state="to_send").first()
    Person.objects.filter(pk=moved.person_id).update(merged_into=survivor)

    goes_on()
    delivery.cancel(made, now=timezone.now())
    leftovers.skip(campaign_id=made.pk)

    assert PersonDay.objects.get(person=survivor).messages == 1


def test_two_messages_of_one_person_take_turns_under_a_cap(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"cap": {"messages": 1, "days": 1}}}
    workspace.save(update_fields=["settings"])
    [one] = people(1)
    made, now = campaign(kind="triggered"), timezone.now()
    launch(made, now=now)
    asked = [delivery.Asked(campaign=made, person_id=one.pk, occurrence=visit) for visit in ("a", "b")]
    delivery.enqueue_many(asked, now=now)

    work()

    assert delivery.progress(made) == delivery.Progress(sent=1, skipped={"capped": 1})


def test_a_fifth_keeps_the_default_hour(workspace, campaign, people):
    people(100)
    now = timezone.now()

    launch(campaign(is_time_optimised=True), now=now)

    timed = Recipient.objects.filter(is_timed=True)
    assert 65 <= timed.count() <= 92
    assert not timed.filter(due_at__isnull=True).exists()
    assert not Recipient.objects.filter(is_timed=False, due_at__isnull=False).exists()


def test_campaigns_share_by_weight(workspace, campaign, people):

    light, heavy = campaign(weight=1), campaign(weight=3)
    for one in (light, heavy):
        run = delivery.start(one, now=timezone.now())
        Chunk.objects.bulk_create([Chunk(workspace=workspace, campaign=one, number=n + 1) for n in range(30)])
        SendRun.objects.filter(pk=run.pk).update(is_open=True, is_snapshotted=True)

    queue, taken = Queue(), []
    for _ in range(20):
        claimed = queue.claim(now=timezone.now())
        taken.append(claimed.campaign_id)
        one_trip.fetch_all([journal.end(claimed, state="done")])

    assert taken.count(light.pk) == 5
    assert taken.count(heavy.pk) == 15


def test_what_a_provider_did_not_take_counts_in_no_allowance(workspace, campaign, people, resend, at_resend):
    workspace.settings |= {
        "delivery": {"warm_up": True, "sender_per_hour": 600, "domains_per_hour": {"example.com": 6_000}}
    }
    workspace.save(update_fields=["settings"])
    people(30)
    refusal = {"statusCode": 403, "name": "invalid_api_key", "message": "No."}
    resend.misbehave(Answer(json_reply(refusal, status=403)), times=3)
    made, now = campaign(), timezone.now()
    launch(made, now=now)
    work()

    assert Campaign.objects.get().state == "paused"
    assert Pace.objects.get(key__startswith="warm-up").used == 0
    assert all(one.full_at <= timezone.now() for one in Pace.objects.exclude(key__startswith="warm-up"))


def test_what_is_given_back_is_given_once(workspace):
    now = timezone.now()
    ramp, rate = paces.WarmUp("warm-up:1", now.date()), paces.Rate("sender:1", 600)
    with transaction.atomic():
        assert paces.take({ramp: 10, rate: 10}, now=now)
    text, params = paces.give_back({ramp: 4, rate: 4}, now.date())
    one_trip.fetch_all([(text, params)])
    once = list(Pace.objects.order_by("key").values_list("full_at", "used"))
    assert [used for _, used in once] == [0, 6]

    one_trip.fetch_all([(text, params | {"is_again": True})])  # as whoever lost the answer does

    assert list(Pace.objects.order_by("key").values_list("full_at", "used")) == once


def test_one_allowance_counts_no_more_than_another_lets_through(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"warm_up": True}}
    workspace.save(update_fields=["settings"])
    people(40)

    launch(campaign(rate_per_hour=600), now=timezone.now())
    work()

    assert len(sink.stored) == 11
    assert Pace.objects.get(key__startswith="warm-up").used == 11


def test_a_pause_right_before_a_batch_takes_nothing(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"warm_up": True}}
    workspace.save(update_fields=["settings"])
    people(5)
    made, now = campaign(), timezone.now()
    launch(made, now=now)
    claimed = Queue().claim(now=now)

    delivery.pause(made, now=now)
    sending.send(claimed)

    assert sink.stored == []
    assert not Pace.objects.filter(used__gt=0).exists()


def test_a_slow_rate_reads_no_more_people_than_may_leave_and_rests(
    workspace, campaign, people, sink, at_smtp
):
    people(30)
    made, now = campaign(rate_per_hour=60), timezone.now()
    launch(made, now=now)
    claimed = Queue().claim(now=now)
    assert len(reading.rows_of(claimed, after=0, most=2, now=now).here) == 2

    sending.send(claimed)

    run = SendRun.objects.get()
    assert (len(sink.stored), run.is_open, Chunk.objects.get().state) == (2, False, "open")
    assert now + timedelta(seconds=50) < run.due_at < now + timedelta(seconds=70)
    SendRun.objects.update(is_open=True, due_at=None)
    with CaptureQueriesContext(connection) as taken:
        sending.send(Queue().claim(now=now))
    assert not [one for one in taken if "accounts_person" in one["sql"]]
    assert len(sink.stored) == 2


def test_who_is_put_off_for_a_domain_comes_back_one_by_one(workspace, campaign, people, sink, at_smtp):
    workspace.settings |= {"delivery": {"domains_per_hour": {"example.com": 60}}}
    workspace.save(update_fields=["settings"])
    people(60)

    launch(campaign(), now=timezone.now())
    work()

    dues = sorted(Recipient.objects.exclude(due_at=None).values_list("due_at", flat=True))
    assert len(dues) == 58
    assert dues[-1] - dues[0] > timedelta(minutes=55)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("Gmail.com", "is 'gmail.com' in addresses"),
        ("b\u00fccher.example", "is 'xn--bcher-kva.example'"),
        ("", "no domain"),
        ("ann@gmail.com", "no domain"),
        ("gmail", "no domain"),
    ],
)
def test_a_limit_of_a_domain_that_would_never_hold_is_refused(workspace, domain, said):
    with pytest.raises(Invalid) as refusal:
        workspaces.change(
            system(workspace.pk),
            now=timezone.now(),
            settings={"delivery": {"domains_per_hour": {domain: 10}}},
        )

    assert said in refusal.value.errors["settings.delivery"][0]
