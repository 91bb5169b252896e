"""What steps do: each for all who stand at it, in the transaction of their moves.

Each answers by which way everybody leaves. What goes out is written to a ledger or an outbox that drops the
same visit told twice; nothing is sent from here.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from apps.accounts import events, people, scoping
from apps.campaigns import audiences, delivery, reach
from apps.campaigns.events import JourneyStepReached
from apps.campaigns.journeys import splits, wheres
from apps.campaigns.journeys.steps import ARM, THEN
from apps.campaigns.journeys.travellers import Outcome, Traveller
from apps.campaigns.models import Audience, Campaign, JourneyTask

Ways = dict[int, str]
# Reasons not to write to somebody that end the journey for them; for others the ledger says why.
ENDS = {"unsubscribed": Outcome.UNSUBSCRIBED, "complained": Outcome.UNSUBSCRIBED, "gone": Outcome.ERASED}
OF_THESE = "SELECT id FROM ({fitting}) AS fitting WHERE id = ANY(%s)"
SENDS = (Campaign.State.RUNNING, Campaign.State.PAUSED)


def carry_out(step: dict[str, Any], group: Sequence[Traveller], *, now: datetime) -> Ways:
    """Run → the way out; none for who left."""
    return _EFFECTS[step["kind"]](step, group, now)


def _message(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    campaign = Campaign.objects.select_related("topic").get(public_id=step["campaign"])
    against = reach.against(campaign, [one.person.pk for one in group], now=now)
    ways = {}
    for one in group:
        if outcome := ENDS.get(against.get(one.person.pk, "")):
            one.leave(outcome, at=one.run.clock)
            continue
        ways[one.run.pk] = THEN
        if campaign.state in SENDS:
            one.asked.append(delivery.Asked(campaign=campaign, person_id=one.person.pk, occurrence=one.visit))
        else:
            one.because = f"Nothing was sent: the campaign is {campaign.state}."
    return ways


def _condition(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    if step.get("where"):
        return {one.run.pk: _yes(wheres.holds(step["where"], one.run.facts)) for one in group}
    fitting = who_fits(step["rules"], [one.person.pk for one in group], now=now)
    return {one.run.pk: _yes(one.person.pk in fitting) for one in group}


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def who_fits(rules: dict[str, Any], person_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Those of the people whom the rules describe. Raises Invalid for a tree that is none."""
    asked = Audience(workspace_id=scoping.current_id(), kind=Audience.Kind.RULES, rules=rules)
    sql, params = audiences.people_sql(asked, now=now)
    with connection.cursor() as cursor:
        cursor.execute(OF_THESE.format(fitting=sql), [*params, list(person_ids)])
        return {person for (person,) in cursor.fetchall()}


def _split(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    arms = splits.draw(step, [one.person.pk for one in group], now=now)
    return {one.run.pk: ARM + arms[one.person.pk] for one in group}


def _task(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    JourneyTask.objects.bulk_create(
        JourneyTask(
            workspace_id=one.run.workspace_id,
            run=one.run,
            journey_id=one.run.journey_id,
            person=one.person,
            number=one.run.moves,
            step=one.run.step,
            title=step["title"],
            note=step.get("note", ""),
            due_at=one.run.clock + timedelta(days=step.get("due_days", 1)),
            created_at=now,
        )
        for one in group
    )
    return _all_on(group)


def _tag(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    kept = people.describe_many([one.person.pk for one in group], {step["trait"]: step.get("value")})
    for one in group:
        if one.person.pk not in kept:
            one.because = "Nothing was written down: there is no room for more traits."
        elif step.get("value") is None:
            one.person.traits.pop(step["trait"], None)
        else:
            one.person.traits[step["trait"]] = step["value"]
    return _all_on(group)


def _webhook(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    events.publish_many(
        [
            JourneyStepReached(
                workspace_id=one.run.workspace_id,
                journey_id=str(one.run.journey.public_id),
                step=one.run.step,
                label=step.get("label", ""),
                person=str(one.person.public_id),
                visit=one.visit,
            )
            for one in group
        ]
    )
    return _all_on(group)


def _exit(step: dict[str, Any], group: Sequence[Traveller], now: datetime) -> Ways:
    for one in group:
        one.leave(Outcome.EXIT, at=one.run.clock)
    return {}


def _all_on(group: Sequence[Traveller]) -> Ways:
    return {one.run.pk: THEN for one in group}


_EFFECTS: dict[str, Callable[[dict[str, Any], Sequence[Traveller], datetime], Ways]] = {
    "message": _message,
    "condition": _condition,
    "split": _split,
    "task": _task,
    "tag": _tag,
    "webhook": _webhook,
    "exit": _exit,
}
