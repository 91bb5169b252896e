"""Who of a campaign gets which variant, who waits for the winner, who gets nothing: by lot, before it begins.

Two experiments of attribution stand behind it. The test: one variant each, on test_share of the people; the
others wait for the winner. The lift: a message or nothing, for whoever is in the audience, whatever becomes
of the message afterwards; what it brought is the difference. Whoever the workspace holds out for good gets
nothing either, and is in neither. Who was held out stays so when somebody stops or decides the lift on the
page of experiments; a test that is stopped there gives the variants in equal shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import experiment_plans, experiments
from apps.attribution.experiment_metrics import DAY_SECONDS, Asked, Floats
from apps.attribution.maths.experiments import assignment
from apps.attribution.maths.experiments.assignment import HELD_OUT, OUTSIDE
from apps.attribution.models import Experiment
from apps.campaigns.maths.arm_sums import Sums
from apps.campaigns.models import ArmFigures, Campaign, Content, Recipient, Topic

Integers = NDArray[np.int64]

# What stands in the answer of `arms` beside a content's key.
HELD, WAITS = 0, -1
NOTHING, MESSAGE = "nothing", "message"
CLICK, CONVERSION = "campaign_click", "conversion"
# Attribution's least outcome window, in days.
LEAST_WINDOW = 0.01
CLICKED = """
    SELECT e.place
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[]) WITH ORDINALITY AS e(person, since, until, place)
    JOIN campaigns_engagement AS c
      ON c.workspace_id = (SELECT %s::bigint) AND c.person_id = e.person
     AND c.occurred_at >= to_timestamp(e.since + %s) AND c.occurred_at < to_timestamp(e.until)
    WHERE c.kind = 'clicked' AND NOT c.is_machine AND c.campaign_id = %s
    GROUP BY e.place
"""
SPREAD = """
    UPDATE campaigns_recipient AS r SET content_id = (%s::bigint[])[1 + n.place]
    FROM unnest(%s::bigint[], %s::int[]) AS n (person, place)
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.campaign_id = %s AND r.person_id = n.person
      AND r.state = 'waiting'
"""
ROWS_PER_STATEMENT = 50_000


def contents_of(campaign: Campaign) -> list[Content]:
    """The variants of a campaign, the first of them the one that others are compared with."""
    return list(Content.objects.filter(campaign=campaign).order_by("position", "pk"))


def open_experiments(
    actor: Actor, campaign: Campaign, contents: Sequence[Content], *, people: int, now: datetime
) -> None:
    """Ask the questions that the campaign asks, and let people in. Sets its experiment and lift, unsaved.

    people: how many the audience holds now.
    """
    if campaign.hold_out_share > 0:
        campaign.lift = _started(actor, campaign, _lift(actor, campaign, people=people, now=now), now=now)
    if len(contents) > 1:
        made = _test(actor, campaign, contents, now=now)
        campaign.experiment = _started(actor, campaign, made, now=now)
        if campaign.kind == Campaign.Kind.BROADCAST:
            # It is judged by the campaign's own clock (winners.py), which is finer than the sweep's.
            Experiment.objects.filter(pk=made.pk).update(due_at=None)


def time_lift(campaign: Campaign, *, closes_at: datetime | None) -> None:
    """Have the lift's one look taken when the last window is over, however long it takes to send; None: it is
    still being sent. Of a triggered campaign, which has no end, everybody's window is their own.
    """
    lift = campaign.lift
    if lift is None or campaign.kind != Campaign.Kind.BROADCAST or lift.state != Experiment.State.RUNNING:
        return
    window, due_at = lift.outcome_window_days, lift.due_at
    if closes_at is None or lift.started_at is None:
        lift.due_at = None
    elif (days := (closes_at - lift.started_at).total_seconds() / DAY_SECONDS) != window:
        lift.outcome_window_days = days
        lift.due_at = experiment_plans.first_due(lift)
    if (window, due_at) != (lift.outcome_window_days, lift.due_at):
        lift.save(update_fields=["outcome_window_days", "due_at"])


def arms(campaign: Campaign, person_ids: Integers, *, now: datetime) -> Integers:
    """For each of the people the key of their content, HELD (0) for nothing, WAITS (-1) for the winner.

    Aligned with person_ids. The same at every call, for what was seen is kept.
    """
    people = np.asarray(person_ids, dtype=np.int64)
    found = _variants(campaign, people, now=now)
    if campaign.lift is not None:
        drawn = experiments.lot_of_crowd(campaign.lift, people, now=now)
        nothing = drawn.keys.index(NOTHING)
        found[(drawn.places == nothing) | (drawn.places == HELD_OUT)] = HELD
    return found


def expose(campaign: Campaign, person_ids: Integers, arms: Integers, *, now: datetime) -> None:
    """Log who is to get a message and who is not, at the snapshot and whatever becomes of it after that.

    A triggered campaign's variants are logged here as well; a broadcast's when its messages have left.
    """
    people, moments = np.asarray(person_ids, dtype=np.int64), [now] * len(person_ids)
    if campaign.lift is not None:
        drawn = experiments.lot_of_crowd(campaign.lift, people, now=now)
        experiments.log_crowd(campaign.lift, people, drawn, moments)
    if campaign.experiment is not None and campaign.kind == Campaign.Kind.TRIGGERED:
        log_variants(campaign, people[arms > HELD], moments[: int((arms > HELD).sum())], now=now)


def log_variants(campaign: Campaign, people: Integers, moments: Sequence[datetime], *, now: datetime) -> None:
    """Log who was sent which variant, while the test lets people in."""
    test = campaign.experiment
    if test is not None and test.state == Experiment.State.RUNNING and len(people):
        drawn = experiments.draw_crowd(test, people, now=now)
        experiments.log_crowd(test, people, drawn, moments)


def log_sent(
    campaign: Campaign,
    people: Integers,
    content_ids: Integers,
    moments: Sequence[datetime],
    *,
    now: datetime,
) -> None:
    """Log who was sent which variant, as the messages went: whoever was merged since got that of the person
    they were. moments: in order; of several messages to one the first counts.
    """
    test = campaign.experiment
    if test is None or test.state != Experiment.State.RUNNING or not len(people):
        return
    _, first = np.unique(people, return_index=True)
    once = people[first]
    drawn = experiments.draw_crowd(test, once, now=now)
    places = np.full(len(once), OUTSIDE, dtype=np.int64)
    for one in contents_of(campaign):
        places[(content_ids[first] == one.pk) & (drawn.places >= 0)] = drawn.keys.index(one.key)
    experiments.log_crowd(test, once, replace(drawn, places=places), [moments[row] for row in first])


def spread_waiting(campaign: Campaign, contents: Sequence[Content]) -> int:
    """Give those who wait the variants in equal shares, by lot; answers how many they are."""
    waiting = Recipient.objects.filter(campaign=campaign, state=Recipient.State.WAITING)
    people = np.fromiter(waiting.values_list("person_id", flat=True).iterator(), dtype=np.int64)
    places, keys = _evenly(campaign, people, len(contents)), [one.pk for one in contents]
    with connection.cursor() as cursor:
        for first in range(0, len(people), ROWS_PER_STATEMENT):
            part = slice(first, first + ROWS_PER_STATEMENT)
            columns = [people[part].tolist(), places[part].tolist()]
            cursor.execute(SPREAD, [keys, *columns, scoping.current_id(), campaign.pk])
    return len(people)


def sums(
    campaign: Campaign,
    contents: Sequence[Content],
    figures: Mapping[int, ArmFigures],
    clickers: Mapping[int, int],
) -> list[Sums]:
    """What the variants are judged by, in their order; nothing of one whose figures are not there yet.

    figures, clickers: by content.
    """
    by_click = judged_by(campaign) == CLICK
    return [
        Sums(
            name=one.key,
            people=row.people,
            total=min(clickers.get(one.pk, 0), row.people) if by_click else row.converted,
            is_rate=True,
            # Once the test is over the winner gets more, as it should.
            share=float(max(row.people, 1)) if campaign.winner_at is not None else one.weight,
        )
        for one in contents
        if (row := figures.get(one.pk)) is not None
    ]


def judged_by(campaign: Campaign) -> str:
    """The metric of the test: what the campaign is for, or else clicks by people."""
    return CONVERSION if campaign.goal else CLICK


def is_service(campaign: Campaign) -> bool:
    """Whether people wait for the message: nobody is held out of it."""
    return campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE


def _variants(campaign: Campaign, people: Integers, *, now: datetime) -> Integers:
    contents, test = contents_of(campaign), campaign.experiment
    if test is None:
        found = np.full(len(people), contents[0].pk, dtype=np.int64)
        found[_held_for_good(campaign, people)] = HELD
        return found
    if test.state == Experiment.State.STOPPED or (
        test.state == Experiment.State.DECIDED and test.winner_id is None
    ):
        keys = np.array([one.pk for one in contents], dtype=np.int64)
        spread = np.asarray(keys[_evenly(campaign, people, len(contents))])
        spread[_held_for_good(campaign, people)] = HELD
        return spread
    drawn = experiments.draw_crowd(test, people, now=now)
    by_key = {one.key: one.pk for one in contents}
    # Of the places -2 and -1 the last two are meant, which is how numpy counts.
    answers = np.array([*(by_key[key] for key in drawn.keys), HELD, WAITS], dtype=np.int64)
    return np.asarray(answers[drawn.places])


def _held_for_good(campaign: Campaign, people: Integers) -> NDArray[np.bool_]:
    if is_service(campaign):
        return np.zeros(len(people), dtype=np.bool_)
    return experiments.held_out_crowd(people, Workspace.objects.get())


def _evenly(campaign: Campaign, people: Integers, variants: int) -> Integers:
    stands = assignment.points([b"%d" % one for one in people.tolist()], f"rest:{campaign.public_id}")
    return np.asarray((stands * variants).astype(np.int64))


def _lift(actor: Actor, campaign: Campaign, *, people: int, now: datetime) -> Experiment:
    """One look, when everybody's window is over."""
    share = campaign.hold_out_share
    return experiments.create(
        actor,
        key=f"campaign-{campaign.pk}-lift",
        name=f"{campaign.name[:90]}: message or nothing",
        hypothesis="The campaign brings more than sending nothing.",
        variants=[
            experiments.Arm(key=NOTHING, name="Nothing", share=share, is_control=True),
            experiments.Arm(key=MESSAGE, name="The message", share=1 - share),
        ],
        now=now,
        reading=Experiment.Reading.PROVE_LIFT,
        metric=CONVERSION,
        goal=campaign.goal,
        outcome_window_days=campaign.goal_days,
        planned_units=max(2, people),
        planned_looks=1,
        duration_days=max(LEAST_WINDOW, campaign.goal_days / 100),
    )


def _test(actor: Actor, campaign: Campaign, contents: Sequence[Content], *, now: datetime) -> Experiment:
    metric, is_broadcast = judged_by(campaign), campaign.kind == Campaign.Kind.BROADCAST
    window = campaign.test_hours / 24 if is_broadcast else campaign.goal_days
    return experiments.create(
        actor,
        key=f"campaign-{campaign.pk}-variants",
        name=f"{campaign.name[:90]}: which variant",
        variants=[
            experiments.Arm(
                key=one.key, name=one.subject[:120], share=one.weight, is_control=one is contents[0]
            )
            for one in contents
        ],
        now=now,
        reading=Experiment.Reading.SEND_WINNER,
        metric=metric,
        goal=campaign.goal if metric == CONVERSION else f"campaign {campaign.pk}",
        outcome_window_days=max(LEAST_WINDOW, window),
        traffic_share=campaign.test_share if is_broadcast else 1.0,
    )


def _started(actor: Actor, campaign: Campaign, made: Experiment, *, now: datetime) -> Experiment:
    """From a message that people wait for nobody is held out, not for good either."""
    started = experiments.start(actor, made, now=now)
    if is_service(campaign):
        Experiment.objects.filter(pk=started.pk).update(holdout_share=0.0)
        started.holdout_share = 0.0
    return started


def _clicked(asked: Asked) -> Floats:
    """1 for whoever clicked in a message of the campaign that `goal` names, and is no machine."""
    answer = np.zeros(len(asked.since))
    rows = [asked.people.tolist(), asked.since.tolist(), asked.until.tolist()]
    campaign_id = int(asked.goal.rpartition(" ")[2])
    with connection.cursor() as cursor:
        begins = asked.from_day * DAY_SECONDS
        cursor.execute(CLICKED, [*rows, scoping.current_id(), begins, campaign_id])
        places = [place - 1 for (place,) in cursor.fetchall()]
    answer[places] = 1.0
    return answer


experiments.register_metric(
    CLICK, label="Click in a campaign", read=_clicked, is_rate=True, of_people=True, is_offered=False
)
