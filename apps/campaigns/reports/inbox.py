"""Recommendations as people decide on them: what each waits for, who said yes, and which are left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet

from apps.accounts.figures import DASH, count, sure, when
from apps.accounts.models import Workspace
from apps.campaigns import wording
from apps.campaigns.models import Approval, Kind, Outcome, Policy, Recommendation
from apps.campaigns.optimization import decisions, outcomes

State = Recommendation.State
# As people ask for them; the order is that of the filter.
GROUPS: dict[str, tuple[str, ...]] = {
    "to_decide": (State.PROPOSED,),
    "on_the_way": (State.APPROVED, *Recommendation.IN_FLIGHT),
    "in_force": Recommendation.IN_FORCE,
    "over": (State.REJECTED, State.EXPIRED, State.FAILED, State.ROLLED_BACK),
}
# So many are read and ticked at once; the rest come as these are decided.
MOST_TO_DECIDE = 100


@dataclass(frozen=True, kw_only=True)
class Item:
    """A recommendation in the list. waits_for: what must happen next, in a sentence. is_open: to a yes.
    is_for_hands: to be made by a person, who then says so.
    """

    found: Recommendation
    before: str
    after: str
    waits_for: str
    said_yes: Sequence[str]
    is_open: bool
    is_for_hands: bool
    can_be_rejected: bool
    outcome: Outcome | None

    @property
    def sure(self) -> str:
        """How sure it is that it pays; nothing for a test, which is there to find out."""
        return DASH if self.found.kind == Kind.BUDGET_TEST else sure(self.found.confidence)

    @property
    def first_reason(self) -> str:
        return self.found.reasons[0] if self.found.reasons else ""


def listed(*, group: str = "", kind: str = "") -> QuerySet[Recommendation]:
    """Rows of the group and kind; all of them without. Rows to decide on are left to `to_decide`."""
    rows = Recommendation.objects.select_related("campaign__connection", "run")
    rows = rows.filter(state__in=GROUPS[group]) if group else rows.exclude(state=State.PROPOSED)
    return rows.filter(kind=kind) if kind else rows


def to_decide(*, kind: str = "") -> list[Recommendation]:
    """What waits for a yes or a no, surest first."""
    return list(listed(group="to_decide", kind=kind).order_by("-confidence", "-pk")[:MOST_TO_DECIDE])


def counts() -> dict[str, int]:
    """How many there are in each group."""
    rows = Recommendation.objects.order_by().values_list("state").annotate(Count("pk"))
    by_state = dict(rows)
    return {name: sum(by_state.get(state, 0) for state in states) for name, states in GROUPS.items()}


def kinds() -> list[tuple[str, str]]:
    return [(kind, wording.KIND_WORDS[Kind(kind)]) for kind in Kind.values]


def items(
    rows: Iterable[Recommendation], policy: Policy, workspace: Workspace, *, now: datetime
) -> list[Item]:
    """The rows with what belongs to them, in one query for all of each."""
    shown = list(rows)
    said: dict[int, list[str]] = {}
    for approval in Approval.objects.filter(recommendation__in=shown).order_by("pk"):
        said.setdefault(approval.recommendation_id, []).append(approval.actor_label)
    measured = {
        one.recommendation_id: one
        for one in Outcome.objects.filter(recommendation__in=shown).order_by("after_days")
    }
    return [
        Item(
            found=one,
            before=wording.value_of(one, one.before),
            after=wording.value_of(one, one.after),
            waits_for=_waits_for(one, policy, said.get(one.pk, []), measured.get(one.pk), workspace, now),
            said_yes=said.get(one.pk, []),
            is_open=one.state == State.PROPOSED and one.expires_at > now and one.is_doable,
            is_for_hands=one.state == State.PROPOSED and not one.is_doable,
            can_be_rejected=one.state in {State.PROPOSED, State.APPROVED},
            outcome=measured.get(one.pk),
        )
        for one in shown
    ]


def _waits_for(
    one: Recommendation,
    policy: Policy,
    said_yes: Sequence[str],
    outcome: Outcome | None,
    workspace: Workspace,
    now: datetime,
) -> str:
    if one.state == State.PROPOSED:
        return _before_a_yes(one, policy, said_yes, now)
    if one.state == State.APPROVED:
        return _before_it_leaves(one, policy)
    if one.state in Recommendation.IN_FORCE:
        return _before_it_is_measured(one, outcome, workspace.zone)
    if one.kind == Kind.BUDGET_TEST and one.state == State.EXECUTING:
        return one.state_reason or "The test is running."
    flying = {
        State.EXECUTING: "It is on its way to the platform.",
        State.UNKNOWN: "The answer was lost. The platform is read again before anything else is done.",
        State.ROLLING_BACK: "What was there before is being restored.",
    }
    return one.state_reason or flying.get(State(one.state), "")


def _before_a_yes(one: Recommendation, policy: Policy, said_yes: Sequence[str], now: datetime) -> str:
    if one.expires_at <= now:
        return "It has expired. The next run looks at it anew."
    if not one.is_doable:
        return (
            "It cannot be done from here: make it in the platform's own app, and say so, and it is measured."
        )
    if decisions.eyes_needed(policy, one) > 1:
        others = f"; {wording.names(said_yes)} said yes" if said_yes else ""
        return f"It is above the amount for one: two people must say yes{others}."
    return "It waits for a yes."


def _before_it_leaves(one: Recommendation, policy: Policy) -> str:
    if policy.stopped_at is not None:
        return "Everything is stopped. It leaves once somebody starts again."
    return one.state_reason or "It is approved and leaves within minutes."


def _before_it_is_measured(one: Recommendation, outcome: Outcome | None, zone: ZoneInfo) -> str:
    if outcome is not None:
        return f"After {count(outcome.after_days, 'day')}: {outcome.get_verdict_display()}."
    if one.kind == Kind.BUDGET_TEST or one.done_at is None:
        return one.state_reason or "It is in force."
    first = one.done_at + timedelta(days=outcomes.SPANS[0]) + outcomes.SETTLES_AFTER
    return f"It is in force, and measured for the first time after {when(first, zone)}."
