"""The end of a campaign's test: the winner goes to those who wait, or each variant to a part of them."""

from datetime import datetime, timedelta

import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.errors import DomainError
from apps.accounts.figures import number
from apps.accounts.models import Workspace
from apps.accounts.permissions import system
from apps.accounts.tasks_base import workspace_task
from apps.attribution import experiments
from apps.attribution.maths.experiments.readings import Reading, Verdict
from apps.attribution.models import Experiment
from apps.campaigns import arm_figures, delivery, splitting, switches
from apps.campaigns.campaign_drafts import locked, touch
from apps.campaigns.events import WinnerNamed
from apps.campaigns.maths import arm_sums
from apps.campaigns.models import ArmFigures, Campaign, Content

log = structlog.get_logger(__name__)

State = Campaign.State
JUDGE = "The test of variants"
# Where everybody tries the variants it may be done before the test is.
JUDGED = (State.RUNNING, State.DONE)


@shared_task(name="campaigns.campaigns.sweep")
def sweep() -> int:
    """Look after the campaigns of each workspace that has any at work, or whose figures still change."""
    now = timezone.now()
    at_work = [State.RUNNING, State.PAUSED]
    with scoping.across_workspaces("campaigns.sweep"):
        rows = Campaign.objects.exclude(state=State.DRAFT).filter(launched_at__isnull=False)
        young = rows.filter(
            state__in=[State.DONE, State.CANCELLED], finished_at__gt=now - arm_figures.LONGEST
        )
        found = set(rows.filter(state__in=at_work).values_list("workspace_id", flat=True).distinct())
        found |= set(young.values_list("workspace_id", flat=True).distinct())
    for workspace_id in sorted(found):
        look_after.delay(workspace_id=workspace_id)
    return len(found)


@workspace_task(name="campaigns.campaigns.look_after")
def look_after() -> None:
    """Obey the switches; sum up what is due, the longest due first; end tests whose time has come."""
    now = timezone.now()
    switches.obey(Workspace.objects.get(), now=now)
    for campaign, due_at in _that_may_change(now):
        try:
            _look_after(campaign, is_due=due_at <= now, now=now)
        except DomainError as refusal:  # one that cannot be judged now keeps nobody else waiting
            log.warning("campaign.not_looked_after", campaign_id=campaign.pk, code=refusal.code)


def _that_may_change(now: datetime) -> list[tuple[Campaign, datetime]]:
    """Each campaign whose figures do not stand yet, with when they are due, in that order."""
    known = Campaign.objects.filter(launched_at__isnull=False).select_related("experiment", "lift", "topic")
    young = Q(finished_at__isnull=True) | Q(finished_at__gt=now - arm_figures.LONGEST)
    rows = list(known.filter(young).order_by("pk"))
    ages = arm_figures.read_at(rows)
    due = [(one, arm_figures.due_at(one, read_at=ages.get(one.pk), now=now)) for one in rows]
    return sorted([(one, at) for one, at in due if at is not None], key=lambda pair: pair[1])


def _look_after(campaign: Campaign, *, is_due: bool, now: datetime) -> None:
    splitting.time_lift(campaign, closes_at=arm_figures.closes_at(campaign))
    if is_due:
        arm_figures.refresh(campaign, now=now)
    if campaign.state in JUDGED and campaign.kind == Campaign.Kind.BROADCAST:
        judge(campaign, now=now)


def judge(campaign: Campaign, *, now: datetime) -> bool:
    """Name the winner once choosing it costs little, or at the end of the test; True where the test is over.

    At the end without enough to go by none is named, and those who wait get each variant alike.
    """
    test = campaign.experiment
    if test is None or test.state != Experiment.State.RUNNING:
        return False
    found, figures = read(campaign), _variant_figures(campaign)
    if found is not None and found.verdict is Verdict.WINNER and found.winner is not None:
        return _end(campaign, found.winner, found.because, now=now)
    if not _is_time_up(campaign, figures, now=now):
        return False
    winner = arm_sums.winner_at_the_end(found)
    return _end(campaign, winner, _because(campaign, winner, found), now=now)


def read(campaign: Campaign) -> Reading | None:
    """How the variants do by what the campaign is judged by: clicks of people, or conversions of its goal."""
    contents, clickers = splitting.contents_of(campaign), arm_figures.clickers(campaign)
    return arm_sums.read_variants(splitting.sums(campaign, contents, _variant_figures(campaign), clickers))


def _variant_figures(campaign: Campaign) -> dict[int, ArmFigures]:
    return {one.content_id: one for one in arm_figures.of(campaign) if one.kind == ArmFigures.Kind.VARIANT}


def _is_time_up(campaign: Campaign, figures: dict[int, ArmFigures], *, now: datetime) -> bool:
    """So many hours after the last message of the test has left; those who wait have no content yet."""
    if not figures or any(one.to_come for one in figures.values()):
        return False
    left = [one.last_sent_at for one in figures.values() if one.last_sent_at is not None]
    last = max(left, default=campaign.launched_at)
    return last is not None and now >= last + timedelta(hours=campaign.test_hours)


@transaction.atomic
def _end(campaign: Campaign, winner: str | None, because: str, *, now: datetime) -> bool:
    """Settle the experiment, and let those who wait go."""
    held = locked(campaign)
    if held.winner_at is not None or held.experiment is None or held.state not in JUDGED:
        return False
    actor, contents = system(held.workspace_id, JUDGE), splitting.contents_of(held)
    experiments.settle(actor, held.experiment, winner=winner, now=now, reason=because, by_itself=True)
    held.winner, held.winner_reason, held.winner_at = winner or "", because[:300], now
    touch(held, now=now)
    held.save(update_fields=["winner", "winner_reason", "winner_at", "version", "changed_at"])
    _release(held, winner, contents, now=now)
    audit.record(actor, "campaign.winner_named", held, now=now, after={"winner": winner}, reason=because)
    events.publish(WinnerNamed(workspace_id=held.workspace_id, campaign_id=held.pk, winner=winner or ""))
    log.info("campaign.test_ended", campaign_id=held.pk, winner=winner)
    return True


def _release(held: Campaign, winner: str | None, contents: list[Content], *, now: datetime) -> None:
    if held.test_share >= 1 or held.state == State.DONE:
        return  # nobody waits; of a small audience all may have been drawn into the test
    if winner is None:
        splitting.spread_waiting(held, contents)
        delivery.release_waiting(held, None, now=now)
    else:
        [key] = [one.pk for one in contents if one.key == winner]
        delivery.release_waiting(held, key, now=now)


def _because(campaign: Campaign, winner: str | None, found: Reading | None) -> str:
    if winner is not None:
        return f"The time of the test was up, and {winner} costs least: {_loss(winner, found)}."
    why = found.because if found is not None else "Too few were sent it."
    rest = "" if campaign.test_share >= 1 else " The rest gets each variant alike."
    return f"The time of the test was up without enough to go by: {why}{rest}"


def _loss(winner: str, found: Reading | None) -> str:
    arm = next(one for one in found.arms if one.name == winner) if found is not None else None
    if arm is None or arm.expected_loss is None or not arm.mean:
        return "no other does better"
    return f"at most {number(100 * arm.expected_loss / arm.mean, 1)} % of its rate on average"
