"""Who gets what, how a test ends, what a campaign brought."""

from datetime import timedelta
from importlib import import_module

import numpy as np
import pytest
import time_machine
from django.db import connection

from apps.accounts import people, workspaces
from apps.accounts.models import Person
from apps.attribution import experiments
from apps.attribution.models import Experiment, Exposure
from apps.campaigns import (
    arm_figures,
    campaign_reports,
    campaign_wording,
    campaigns,
    delivery,
    splitting,
    winners,
)
from apps.campaigns.content import variants
from apps.campaigns.models import ArmFigures, Campaign, Chunk, Content, Engagement, Recipient, SendRun, Topic
from tests.attribution import many_rows
from tests.campaigns.built import click, convert, launched, launched_evenly, ready, send_all
from tests.factories import NOW, PersonFactory

LATER = NOW + timedelta(hours=1)
STATE = Recipient.State


def _launched(actor, workspace, **chosen):
    return launched(actor, ready(workspace, **chosen))


def _evenly(actor, workspace, **chosen):
    return launched_evenly(actor, lambda: ready(workspace, **chosen))


def _people(campaign):
    rows = Recipient.objects.filter(campaign=campaign).order_by("person_id")
    return np.array(list(rows.values_list("person_id", flat=True)))


def test_one_variant_goes_to_everybody(actor, workspace):
    made = _launched(actor, workspace, many=5, variants=1)

    assert (splitting.arms(made, _people(made), now=NOW) == Content.objects.get().pk).all()
    assert made.experiment is None
    assert made.lift is None


def test_the_shares_are_kept(actor, workspace):
    made = ready(workspace, many=400, hold_out_share=0.25, test_share=0.5)
    variants.change(actor, variants.get(made, "b"), now=NOW, weight=3)
    made = launched(actor, made)

    states = {
        state: Recipient.objects.filter(campaign=made, state=state).count()
        for state in (STATE.HELD_OUT, STATE.WAITING, STATE.TO_SEND)
    }
    of_b = Recipient.objects.filter(campaign=made, content__key="b").count()

    assert states[STATE.HELD_OUT] == pytest.approx(100, abs=35)
    assert states[STATE.WAITING] == pytest.approx(150, abs=40)
    assert of_b == pytest.approx(112, abs=35)
    assert sum(states.values()) == 400


def test_it_is_the_same_at_every_call(actor, workspace):
    made = _launched(actor, workspace, many=60, hold_out_share=0.2, test_share=0.4)
    people = _people(made)

    first, again = (splitting.arms(made, people, now=at) for at in (NOW, LATER))

    assert (first == again).all()
    assert (splitting.arms(made, people[::-1], now=NOW)[::-1] == first).all()


@pytest.mark.parametrize("end", ["stop", "decide for the message", "decide for nothing"])
def test_the_lot_stands_whatever_becomes_of_the_lift(actor, workspace, end):
    made = _launched(actor, workspace, many=60, hold_out_share=0.2)
    people = _people(made)
    before = splitting.arms(made, people, now=NOW)

    experiments.stop(actor, made.lift, now=NOW)
    if end != "stop":
        winner = "message" if end.endswith("message") else "nothing"
        experiments.settle(actor, made.lift, winner=winner, now=NOW, reason="tried")
    made.refresh_from_db()

    assert (splitting.arms(made, people, now=LATER) == before).all()


def test_a_test_that_was_stopped_gives_the_variants_in_equal_shares(actor, workspace):
    made = _launched(actor, workspace, many=60, test_share=0.5)

    experiments.stop(actor, made.experiment, now=NOW)
    made.refresh_from_db()

    found = splitting.arms(made, _people(made), now=LATER)
    assert set(found) == set(Content.objects.values_list("pk", flat=True))


def test_both_arms_are_logged_at_the_snapshot(actor, workspace):
    made = _launched(actor, workspace, many=60, hold_out_share=0.2)

    logged = Exposure.objects.filter(experiment=made.lift)
    held = set(Recipient.objects.filter(state=STATE.HELD_OUT).values_list("person_id", flat=True))

    assert logged.count() == 60
    assert set(logged.filter(variant__key="nothing").values_list("person_id", flat=True)) == held


def test_who_is_held_out_for_good_gets_nothing_and_is_in_no_comparison(actor, workspace):
    workspaces.change(actor, now=NOW, settings={"experiments_holdout_share": 0.3})
    made = _launched(actor, workspace, many=100, hold_out_share=0.2)
    people = _people(made)
    workspace.refresh_from_db()
    for_good = np.array(experiments.is_held_out([str(one) for one in people], workspace=workspace))

    found = splitting.arms(made, people, now=NOW)

    assert for_good.any()
    assert (found[for_good] == 0).all()
    logged = set(Exposure.objects.values_list("person_id", flat=True))
    assert not logged & set(people[for_good].tolist())
    assert (
        splitting.arms(_launched(actor, workspace, audience=made.audience, variants=1), people, now=NOW) == 0
    )[for_good].all()


def test_nobody_is_held_out_of_what_they_wait_for(actor, workspace):
    workspaces.change(actor, now=NOW, settings={"experiments_holdout_share": 0.3})
    Topic.objects.create(workspace=workspace, key="news", name="News", basis="service")
    made = campaigns.launch(actor, ready(workspace, many=60, kind="triggered"), now=NOW)
    people = np.array(list(Person.objects.order_by("pk").values_list("pk", flat=True)))

    assert (splitting.arms(made, people, now=NOW) > 0).all()
    campaign = ready(workspace, audience=made.audience, hold_out_share=0.1)
    told = " ".join(one.words for one in campaigns.check(campaign, now=NOW).errors)
    assert "nobody may be held out" in told


# The end of a test


def _sent(actor, workspace, **chosen):
    made = _evenly(actor, workspace, **{"many": 600, "test_share": 0.8, **chosen})
    send_all(made, at=NOW)
    return made


def _look(campaign, now):
    arm_figures.refresh(campaign, now=now)
    winners.judge(campaign, now=now)
    return campaigns.find(campaign.public_id)


def test_a_clear_winner_goes_to_the_rest_before_the_time_is_up(actor, workspace):
    made = _sent(actor, workspace)
    a, b = splitting.contents_of(made)
    click(made, a, 20, at=NOW)
    click(made, b, 120, at=NOW)

    ended = _look(made, NOW + timedelta(minutes=10))

    assert (ended.winner, ended.winner_at) == ("b", NOW + timedelta(minutes=10))
    assert ended.experiment.state == Experiment.State.DECIDED
    assert ended.experiment.winner.key == "b"
    assert SendRun.objects.get().winner_id == b.pk
    assert not Chunk.objects.filter(state=Chunk.State.WAITING).exists()


def test_without_enough_to_go_by_the_rest_gets_each_alike(actor, workspace):
    made = _sent(actor, workspace)
    a, b = splitting.contents_of(made)
    click(made, a, 5, at=NOW)
    click(made, b, 9, at=NOW)

    assert _look(made, NOW + timedelta(hours=3)).winner_at is None
    ended = _look(made, NOW + timedelta(hours=4))

    assert (ended.winner, ended.winner_at is not None) == ("", True)
    assert "without enough to go by" in ended.winner_reason
    rest = Recipient.objects.filter(state=STATE.WAITING)
    assert SendRun.objects.get().winner_id is None
    assert not Chunk.objects.filter(state=Chunk.State.WAITING).exists()
    shares = [rest.filter(content=one).count() for one in (a, b)]
    assert sum(shares) == rest.count() > 80
    assert min(shares) > 30


def test_the_time_runs_from_the_last_message_of_the_test(actor, workspace):
    made = _sent(actor, workspace)
    Recipient.objects.filter(pk=Recipient.objects.filter(state=STATE.SENT)[0].pk).update(state=STATE.TO_SEND)

    assert _look(made, NOW + timedelta(hours=9)).winner_at is None


def test_equals_are_not_told_apart(actor, workspace):
    made = _sent(actor, workspace)
    for one in splitting.contents_of(made):
        sent = Recipient.objects.filter(content=one, state=STATE.SENT).count()
        click(made, one, round(0.2 * sent), at=NOW)

    ended = _look(made, NOW + timedelta(hours=4))

    assert ended.winner == ""


def test_a_test_ends_once(actor, workspace):
    made = _sent(actor, workspace)
    _look(made, NOW + timedelta(hours=4))

    assert not winners.judge(campaigns.find(made.public_id), now=NOW + timedelta(hours=5))


def test_a_goal_is_judged_by_its_conversions(actor, workspace):
    made = _sent(actor, workspace, goal="purchase")
    b = splitting.contents_of(made)[1]
    buyers = list(Recipient.objects.filter(content=b, state=STATE.SENT).values_list("person_id", flat=True))
    for person_id in buyers[:110]:
        convert(person_id, made, at=NOW + timedelta(minutes=1))

    ended = _look(made, NOW + timedelta(minutes=10))

    assert ended.winner == "b"
    assert made.experiment.metric == "conversion"


def test_the_experiments_page_says_the_same(actor, workspace):
    """Clicks of people, in this campaign, after their message: not those of machines."""
    made = _sent(actor, workspace, test_share=1.0, test_hours=1)
    a, b = splitting.contents_of(made)
    arm_figures.refresh(made, now=NOW)
    for content, is_machine in ((a, True), (b, False)):
        row = Recipient.objects.filter(content=content, state=STATE.SENT)[0]
        Engagement.objects.create(
            workspace=workspace,
            campaign=made,
            recipient_id=row.pk,
            person_id=row.person_id,
            content_id=content.pk,
            kind="clicked",
            event_id=f"click-{row.pk}",
            is_machine=is_machine,
            is_first=True,
            occurred_at=NOW + timedelta(minutes=5),
        )

    shown = experiments.read(made.experiment, now=NOW + timedelta(hours=2))

    assert shown.fault == ""
    assert [(arm["name"], arm["events"]) for arm in shown.reading["arms"]] == [("a", 0), ("b", 1)]


# What it brought


def test_what_it_brought_is_the_difference_to_those_who_got_nothing(actor, workspace):
    made = _evenly(actor, workspace, many=400, variants=1, hold_out_share=0.5)
    send_all(made, at=NOW)
    messaged = list(Recipient.objects.filter(state=STATE.SENT).values_list("person_id", flat=True))
    held = list(Recipient.objects.filter(state=STATE.HELD_OUT).values_list("person_id", flat=True))
    for person_id in [*messaged[:60], *held[:20]]:
        convert(person_id, made, at=NOW + timedelta(days=1))
    convert(messaged[70], made, at=NOW + timedelta(days=8))

    arm_figures.refresh(made, now=NOW + timedelta(days=2))
    report = campaign_reports.read(made, now=NOW + timedelta(days=2))

    found = report.brought_conversions
    assert (report.converted, report.revenue) == (60, 6_000)
    assert found.total == pytest.approx(60 - 20 * len(messaged) / len(held))
    assert found.low < found.total < found.high
    assert (found.people, found.held_out, found.is_final) == (len(messaged), len(held), False)
    assert report.brought_revenue.total == pytest.approx(100 * found.total)


def test_a_campaign_that_takes_long_to_leave_has_its_whole_windows(actor, workspace):
    """A ramp or a pause: messages leave ten days after the lot, with seven days to buy."""
    made = _evenly(actor, workspace, many=400, variants=1, hold_out_share=0.5)
    late = NOW + timedelta(days=10)
    send_all(made, at=late)
    messaged = list(Recipient.objects.filter(state=STATE.SENT).values_list("person_id", flat=True))
    held = list(Recipient.objects.filter(state=STATE.HELD_OUT).values_list("person_id", flat=True))
    for person_id in [*messaged[:60], *held[:20]]:
        convert(person_id, made, at=late + timedelta(days=1))
    for person_id in held[20:40]:
        convert(person_id, made, at=late + timedelta(days=8))

    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=late)
    made, over = campaigns.find(made.public_id), late + timedelta(days=9)
    arm_figures.refresh(made, now=over)

    found = campaign_reports.read(made, now=over).brought_conversions
    assert found.is_final
    assert found.total == pytest.approx(60 - 20 * len(messaged) / len(held))


def test_a_triggered_message_that_waits_takes_nothing_from_what_it_brought(actor, workspace):
    """It leaves three days after whoever was led to it was: more than the two days that they have to buy."""
    draft = ready(workspace, variants=1, kind="triggered", hold_out_share=0.5, goal_days=2)
    made = campaigns.launch(actor, draft, now=NOW)
    crowd = PersonFactory.create_batch(300, workspace=workspace)
    asked = [delivery.Asked(campaign=made, person_id=one.pk, occurrence="1") for one in crowd]
    delivery.enqueue_many(asked, now=NOW)
    late = NOW + timedelta(days=3)
    send_all(made, at=late)
    told, held = (
        list(Recipient.objects.filter(state=state).values_list("person_id", flat=True))
        for state in (STATE.SENT, STATE.HELD_OUT)
    )
    for person_id in [*told[:60], *held[:20]]:
        convert(person_id, made, at=late + timedelta(days=1))
    for person_id in [*told[60:80], *held[20:80]]:
        convert(person_id, made, at=late + timedelta(days=2, minutes=1))

    arm_figures.refresh(made, now=late + timedelta(days=4))

    found = campaign_reports.read(made, now=late + timedelta(days=4)).brought_conversions
    assert found.total == pytest.approx(60 - 20 * len(told) / len(held))


def test_what_waited_on_one_day_gives_nobody_of_another_day_longer(actor, workspace):
    draft = ready(workspace, variants=1, kind="triggered", hold_out_share=0.5, goal_days=2)
    made = campaigns.launch(actor, draft, now=NOW)
    crowd = PersonFactory.create_batch(200, workspace=workspace)
    for half, day in ((crowd[:100], NOW), (crowd[100:], NOW + timedelta(days=10))):
        asked = [delivery.Asked(campaign=made, person_id=one.pk, occurrence="1") for one in half]
        delivery.enqueue_many(asked, now=day)
        send_all(made, at=day + (timedelta(days=5) if day == NOW else timedelta()))
    for person in crowd:
        convert(person.pk, made, at=NOW + timedelta(days=13))

    arm_figures.refresh(made, now=NOW + timedelta(days=20))

    rows = ArmFigures.objects.filter(campaign=made, kind__in=["message", "held_out"])
    assert sum(one.people for one in rows) == 200
    assert sum(one.converted for one in rows) == 0


def test_the_lift_is_looked_at_once_when_the_last_window_is_over(actor, workspace):
    made = _launched(actor, workspace, many=20, variants=1, hold_out_share=0.5)
    winners.look_after()
    assert Experiment.objects.get(pk=made.lift_id).due_at is None

    late = NOW + timedelta(days=10)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=late)
    with time_machine.travel(late, tick=False):
        winners.look_after()
        winners.look_after()

    lift = Experiment.objects.get(pk=made.lift_id)
    assert lift.outcome_window_days == pytest.approx(17)
    assert late + timedelta(days=7) < lift.due_at < late + timedelta(days=8)


def test_once_all_windows_are_over_the_interval_is_narrower_and_stands(actor, workspace):
    made = _evenly(actor, workspace, many=400, variants=1, hold_out_share=0.5)
    send_all(made, at=NOW)
    for row in Recipient.objects.all()[:90]:
        convert(row.person_id, made, at=NOW + timedelta(days=1))
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made = campaigns.find(made.public_id)
    over = NOW + timedelta(days=8)
    arm_figures.refresh(made, now=over)

    before = campaign_reports.read(made, now=NOW + timedelta(days=2)).brought_conversions
    after = campaign_reports.read(made, now=over).brought_conversions

    assert after.is_final
    assert after.high - after.low < before.high - before.low


def test_what_comes_in_late_is_taken_in_for_a_month_and_then_they_stand(actor, workspace):
    made = _launched(actor, workspace, many=20, variants=1)
    send_all(made, at=NOW)
    order = convert(Recipient.objects.first().person_id, made, at=NOW + timedelta(days=1))
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made = campaigns.find(made.public_id)
    over = NOW + timedelta(days=8)
    arm_figures.refresh(made, now=over)
    closed = campaign_reports.read(made, now=over)
    type(order).objects.filter(pk=order.pk).update(is_counted=False)

    assert (closed.converted, closed.is_closed, closed.is_settled) == (1, True, False)
    assert "taken in each day until" in campaign_wording.settled_words(closed)
    assert not arm_figures.is_due(made, read_at=over, now=over + timedelta(hours=23))
    assert arm_figures.is_due(made, read_at=over, now=over + timedelta(days=1))
    settled = closed.settles_at + timedelta(minutes=1)
    arm_figures.refresh(made, now=settled)
    report = campaign_reports.read(made, now=settled)
    assert (report.converted, report.is_settled) == (0, True)
    assert campaign_wording.settled_words(report).startswith("Final")
    assert not arm_figures.is_due(made, read_at=settled, now=settled + timedelta(days=400))


def test_who_turned_out_to_be_somebody_else_counts_as_the_survivor(actor, workspace):
    made = _launched(actor, workspace, many=20, variants=1, hold_out_share=0.5)
    send_all(made, at=NOW)
    first, second = (
        Person.objects.get(pk=row.person_id) for row in Recipient.objects.filter(state=STATE.SENT)[:2]
    )
    survivor = PersonFactory(workspace=workspace, external_id="eve")
    people.merge(actor, survivor, first, reason="the same", now=NOW)
    people.merge(actor, survivor, second, reason="the same", now=NOW)
    convert(survivor.pk, made, at=NOW + timedelta(days=1))

    arm_figures.refresh(made, now=NOW + timedelta(days=2))

    sent = Recipient.objects.filter(state=STATE.SENT).count()
    [variant] = [one for one in arm_figures.of(made) if one.kind == "variant"]
    assert (variant.people, variant.converted) == (sent - 1, 1)
    [message] = [one for one in arm_figures.of(made) if one.kind == "message"]
    assert message.converted == 1


def test_own_hours_are_compared_among_those_who_drew_one(actor, workspace):
    """Those who wait for the winner got it at the common hour without a lot, and are in no comparison."""
    made = _evenly(actor, workspace, many=600, test_share=0.5, is_time_optimised=True)
    waited = Recipient.objects.filter(campaign=made, state=STATE.WAITING)
    assert set(waited.values_list("is_timed", flat=True)) == {None}
    content = splitting.contents_of(made)[0]
    waited.update(state=STATE.TO_SEND, content=content)
    send_all(made, at=NOW)
    drew = Recipient.objects.filter(campaign=made, is_timed__isnull=False)
    own, common = drew.filter(is_timed=True), drew.filter(is_timed=False)
    who_click = [*own[: own.count() // 2], *common[: common.count() // 4]]
    for row in who_click:
        Engagement.objects.create(
            workspace=workspace,
            campaign=made,
            content_id=row.content_id,
            recipient_id=row.pk,
            person_id=row.person_id,
            kind="clicked",
            event_id=f"click-{row.pk}",
            is_first=True,
            occurred_at=NOW + timedelta(hours=1),
        )
    arm_figures.refresh(made, now=LATER)
    early = campaign_reports.read(made, now=LATER).own_hours
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made = campaigns.find(made.public_id)
    of_hours = ArmFigures.objects.filter(campaign=made, kind__in=["own_hour", "together"])
    arm_figures.refresh(made, now=NOW + timedelta(days=7))
    assert not of_hours.exists()
    over = NOW + timedelta(days=8)
    arm_figures.refresh(made, now=over)

    found = campaign_reports.read(made, now=over).own_hours

    assert early.total is None
    assert "read once" in early.because
    assert {one.kind for one in of_hours} == {"own_hour", "together"}
    assert (found.people, found.held_out) == (own.count(), common.count())
    rates = own.count() // 2 / own.count() - common.count() // 4 / common.count()
    assert found.total == pytest.approx(rates * own.count())
    assert 0 < found.low < found.high
    assert "by lot at the common one" in campaign_wording.own_hours_words(found, splitting.CLICK)


def test_where_nobody_knows_who_drew_an_hour_there_is_no_comparison(actor, workspace):
    """As before it was written down: whoever was held out had no hour of their own."""
    forget = import_module("apps.campaigns.migrations.0009_forget_unknown_hours").FORGET
    held = _launched(actor, workspace, many=60, variants=1, hold_out_share=0.3, is_time_optimised=True)
    plain = _launched(actor, workspace, audience=held.audience, variants=1, is_time_optimised=True)
    Recipient.objects.filter(campaign=held, state=STATE.HELD_OUT).update(is_timed=False)
    send_all(held, at=NOW)

    with connection.cursor() as cursor:
        cursor.execute(forget)

    drew = Recipient.objects.filter(is_timed__isnull=False)
    assert set(drew.values_list("campaign", flat=True)) == {plain.pk}
    Campaign.objects.filter(pk=held.pk).update(state="done", finished_at=LATER)
    held, over = campaigns.find(held.public_id), NOW + timedelta(days=9)
    arm_figures.refresh(held, now=over)
    found = campaign_reports.read(held, now=over).own_hours
    assert found.total is None
    assert "it left before it was written down who drew one" in campaign_wording.own_hours_words(
        found, splitting.CLICK
    )


def test_who_was_merged_is_logged_with_the_variant_that_they_were_sent(actor, workspace):
    made = _launched(actor, workspace, many=40, variants=2)
    send_all(made, at=NOW)
    rows = list(Recipient.objects.filter(campaign=made).order_by("pk"))
    sent = {}
    for number, row in enumerate(rows[:12]):
        survivor = PersonFactory(workspace=workspace, external_id=f"survivor-{number}")
        people.merge(actor, survivor, Person.objects.get(pk=row.person_id), reason="the same", now=NOW)
        sent[survivor.pk] = row.content.key

    arm_figures.refresh(made, now=LATER)

    logged = Exposure.objects.filter(experiment=made.experiment, person_id__in=list(sent))
    assert dict(logged.values_list("person_id", "variant__key")) == sent


def test_two_who_turned_out_to_be_one_are_logged_with_their_first(actor, workspace):
    made = _launched(actor, workspace, many=40, variants=2)
    send_all(made, at=NOW)
    of_a, of_b = (
        list(Recipient.objects.filter(campaign=made, content__key=key).order_by("pk")[:5]) for key in "ab"
    )
    for number, (first, second) in enumerate(zip(of_a, of_b, strict=True)):
        Recipient.objects.filter(pk=second.pk).update(settled_at=NOW + timedelta(minutes=1))
        survivor = PersonFactory(workspace=workspace, external_id=f"both-{number}")
        for row in (second, first):
            people.merge(actor, survivor, Person.objects.get(pk=row.person_id), reason="same", now=NOW)

    arm_figures.refresh(made, now=LATER)

    logged = Exposure.objects.filter(experiment=made.experiment, person__external_id__startswith="both-")
    assert list(logged.values_list("variant__key", flat=True)) == ["a"] * 5


def test_a_campaign_behind_ten_thousand_newer_ones_is_looked_after(actor, workspace):
    made = _launched(actor, workspace, many=2, variants=1)
    many_rows.insert(
        Campaign,
        workspace_id=workspace.pk,
        name=[f"Old {number}" for number in range(10_001)],
        state="done",
        changed_at=NOW,
        launched_at=NOW - timedelta(days=300),
        finished_at=NOW - timedelta(days=200),
    )

    winners.look_after()

    assert arm_figures.of(made)
    assert ArmFigures.objects.exclude(campaign=made).count() == 0


def test_too_little_says_so_and_names_no_figure(actor, workspace):
    made = _launched(actor, workspace, many=20, variants=1, hold_out_share=0.5)
    send_all(made, at=NOW)
    arm_figures.refresh(made, now=LATER)

    found = campaign_reports.read(made, now=LATER).brought_conversions

    assert found.total is None
    assert found.because


def test_a_message_to_the_wrong_half_is_no_difference(actor, workspace):
    """Nobody of the held out converts less for chance alone: the interval holds zero."""
    made = _evenly(actor, workspace, many=400, variants=1, hold_out_share=0.5)
    send_all(made, at=NOW)
    for number, row in enumerate(Recipient.objects.order_by("person_id")):
        if number % 4 == 0:
            convert(row.person_id, made, at=NOW + timedelta(days=1))
    arm_figures.refresh(made, now=NOW + timedelta(days=2))

    found = campaign_reports.read(made, now=NOW + timedelta(days=2)).brought_conversions

    assert found.low < 0 < found.high


def test_the_report_says_each_variant_with_its_odds(actor, workspace):
    made = _sent(actor, workspace, test_share=1.0)
    a, b = splitting.contents_of(made)
    click(made, a, 20, at=NOW)
    click(made, b, 80, at=NOW)
    arm_figures.refresh(made, now=LATER)

    report = campaign_reports.read(made, now=LATER)

    assert report.heard.clicked == 100
    assert report.heard.machine_clicks == 300
    assert report.leader.content == b
    assert report.leader.judged.p_best > 0.9
    assert [one.sent for one in report.variants] == [
        Recipient.objects.filter(content=one).count() for one in (a, b)
    ]
    assert report.hours[0].clicked == {"a": 20, "b": 80}


def test_one_that_is_done_before_its_test_is_judged_all_the_same(actor, workspace):
    made = _sent(actor, workspace, test_share=1.0)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=NOW)
    click(made, splitting.contents_of(made)[0], 150, at=NOW)

    ended = _look(campaigns.find(made.public_id), LATER)

    assert (ended.winner, ended.experiment.state) == ("a", Experiment.State.DECIDED)


def test_one_of_which_nobody_was_left_to_wait_ends_as_well(actor, workspace):
    made = _sent(actor, workspace)
    Recipient.objects.filter(state=STATE.WAITING).delete()
    SendRun.objects.update(is_open=False, finished_at=NOW)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=NOW)

    ended = _look(campaigns.find(made.public_id), NOW + timedelta(hours=4))

    assert ended.experiment.state == Experiment.State.DECIDED


def test_held_out_for_good_stays_so_after_a_test_without_a_winner(actor, workspace):
    workspaces.change(actor, now=NOW, settings={"experiments_holdout_share": 0.3})
    made = _sent(actor, workspace, many=100)
    people = _people(made)
    workspace.refresh_from_db()
    for_good = np.array(experiments.is_held_out([str(one) for one in people], workspace=workspace))

    ended = _look(made, NOW + timedelta(hours=4))

    assert (ended.winner, ended.experiment.state) == ("", Experiment.State.DECIDED)
    assert (splitting.arms(ended, people, now=LATER) == 0).tolist() == for_good.tolist()


def test_figures_are_written_over_and_not_beside(actor, workspace):
    made = _launched(actor, workspace, many=60, hold_out_share=0.3)
    for at in (NOW, LATER):
        arm_figures.refresh(made, now=at)

    assert ArmFigures.objects.count() == 4
    assert set(ArmFigures.objects.values_list("read_at", flat=True)) == {LATER}
