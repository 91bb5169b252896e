"""Campaigns that leave: launched now or at their time, paused, resumed, cancelled.

draft → scheduled → running ⇄ paused; running and paused → cancelled; what is scheduled can be taken back
into a draft. Delivery says when one is done. Nothing is sent without the checks, a limit and an entry in the
audit.
"""

from datetime import datetime

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, events, scoping
from apps.accounts.errors import DomainError
from apps.accounts.figures import number
from apps.accounts.permissions import Actor, require, system
from apps.accounts.tasks_base import workspace_task
from apps.campaigns import campaign_checks, delivery, flags, splitting
from apps.campaigns.campaign_checks import Checked
from apps.campaigns.campaign_drafts import expect, guard, locked, touch
from apps.campaigns.content import blocks
from apps.campaigns.events import CampaignLaunched, CampaignStateChanged
from apps.campaigns.models import Campaign

log = structlog.get_logger(__name__)

State = Campaign.State
SCHEDULE = "The schedule"
SWITCHED_OFF = flags.SENDING_IS_OFF
# An audience that has grown by more than this since somebody said yes is another audience.
GROWTH = 1.2
# What an audience may change by between its number being read and typed in.
STIR = 0.005
SWEEP_BATCH = 1_000


class NotReady(DomainError):
    """The checks found errors."""

    code = "campaign_not_ready"
    status = 409


class NeedsConfirmation(DomainError):
    """It would reach more people than go without saying."""

    code = "campaign_needs_confirmation"
    status = 409


@transaction.atomic
def launch(
    actor: Actor,
    campaign: Campaign,
    *,
    now: datetime,
    confirmed_people: int | None = None,
    version: int | None = None,
) -> Campaign:
    """Let it leave: now, or at starts_at where that is to come. Needs campaigns:send.

    confirmed_people: how many somebody has said yes to, required above the workspace's limit. version: the
    one that was looked at; absent, it leaves as it is now. Raises NotReady, NeedsConfirmation,
    NotInThatState, ChangedMeanwhile, SwitchedOff. Audited with the number of people.
    """
    require(actor, "campaigns:send")
    held = locked(campaign)
    expect(held, State.DRAFT)
    if version is not None:
        guard(held, version)
    flags.require(flags.SENDING, held.workspace_id)
    checked = campaign_checks.check(held, now=now)
    _refuse(checked, confirmed_people)
    held.launched_by, held.state_reason = actor.label, ""
    if held.starts_at is not None and held.starts_at > now:
        return _schedule(actor, held, checked, now=now)
    return _begin(actor, held, checked, now=now)


@transaction.atomic
def pause(actor: Actor, campaign: Campaign, *, now: datetime, reason: str = "") -> Campaign:
    """Send nothing more for now; takes effect within seconds. Needs campaigns:stop. Audited."""
    require(actor, "campaigns:stop")
    held = locked(campaign)
    expect(held, State.RUNNING)
    delivery.pause(held, now=now)
    return _into(actor, held, State.PAUSED, "campaign.paused", now=now, reason=reason)


@transaction.atomic
def resume(actor: Actor, campaign: Campaign, *, now: datetime) -> Campaign:
    """Go on with those who have not got it. Needs campaigns:send. Raises SwitchedOff. Audited."""
    require(actor, "campaigns:send")
    held = locked(campaign)
    expect(held, State.PAUSED)
    flags.require(flags.SENDING, held.workspace_id)
    delivery.resume(held, now=now)
    return _into(actor, held, State.RUNNING, "campaign.resumed", now=now)


@transaction.atomic
def cancel(actor: Actor, campaign: Campaign, *, now: datetime, reason: str = "") -> Campaign:
    """End it: nobody else gets it. What is scheduled becomes a draft again. Needs campaigns:stop. Audited."""
    require(actor, "campaigns:stop")
    held = locked(campaign)
    expect(held, State.SCHEDULED, State.RUNNING, State.PAUSED)
    if held.state == State.SCHEDULED:
        held.recipients = 0
        return _into(actor, held, State.DRAFT, "campaign.unscheduled", now=now, reason=reason)
    delivery.cancel(held, now=now)
    held.finished_at = now
    return _into(actor, held, State.CANCELLED, "campaign.cancelled", now=now, reason=reason)


@shared_task(name="campaigns.campaigns.start_due")
def start_all_due() -> int:
    """Start each scheduled campaign whose time has come."""
    now = timezone.now()
    with scoping.across_workspaces("campaigns.sweep"):
        due = Campaign.objects.filter(state=State.SCHEDULED, starts_at__lte=now).order_by("starts_at")
        found = list(due.values_list("workspace_id", "pk")[:SWEEP_BATCH])
    for workspace_id, campaign_id in found:
        start.delay(workspace_id=workspace_id, campaign_id=campaign_id)
    return len(found)


@workspace_task(name="campaigns.campaigns.start")
def start(*, campaign_id: int) -> None:
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is not None:
        start_due(campaign, now=timezone.now())


@transaction.atomic
def start_due(campaign: Campaign, *, now: datetime) -> Campaign:
    """Begin what was scheduled; delivered twice, it begins once.

    What has turned wrong since, or grown beyond what was said yes to, becomes a draft again and says why.
    While sending is switched off it waits.
    """
    held = locked(campaign)
    if held.state != State.SCHEDULED or held.starts_at is None or held.starts_at > now:
        return held
    if not flags.is_on(flags.SENDING, held.workspace_id):
        return held
    actor, expected = system(held.workspace_id, SCHEDULE), held.recipients
    checked = campaign_checks.check(held, now=now)
    if why := _turned_wrong(checked, expected):
        held.recipients = 0
        return _into(actor, held, State.DRAFT, "campaign.unscheduled", now=now, reason=why)
    return _begin(actor, held, checked, now=now)


def _refuse(checked: Checked, confirmed_people: int | None) -> None:
    if checked.errors:
        errors: dict[str, list[str]] = {}
        for one in checked.errors:
            errors.setdefault(one.where, []).append(one.words)
        raise NotReady(checked.errors[0].words, errors=errors)
    if checked.is_above_limit and not _was_meant(checked.people or 0, confirmed_people):
        raise NeedsConfirmation(
            f"It would reach {number(checked.people)} people, more than the {number(checked.limit)} that go "
            f"without saying. Confirm that number to launch it.",
            errors={"confirmed_people": [f"Type {checked.people} to confirm."]},
        )


def _was_meant(people: int, confirmed: int | None) -> bool:
    """Whether that many were said yes to: people come and go while somebody types the number."""
    return confirmed is not None and abs(people - confirmed) <= people * STIR


def _turned_wrong(checked: Checked, expected: int) -> str:
    if checked.errors:
        return f"It did not start: {checked.errors[0].words}"
    people = checked.people or 0
    if checked.is_above_limit and people > GROWTH * expected:
        return (
            f"It did not start: the audience has grown from {number(expected)} to {number(people)} people. "
            "Launch it again if that is meant."
        )
    return ""


def _schedule(actor: Actor, held: Campaign, checked: Checked, *, now: datetime) -> Campaign:
    held.recipients = checked.people or 0
    return _into(actor, held, State.SCHEDULED, "campaign.scheduled", now=now, people=held.recipients)


def _begin(actor: Actor, held: Campaign, checked: Checked, *, now: datetime) -> Campaign:
    people = checked.people or 0
    contents = splitting.contents_of(held)
    blocks.mark(held, contents)
    # Whoever may send may ask what it does; the experiments are the product's own.
    splitting.open_experiments(system(held.workspace_id, actor.label), held, contents, people=people, now=now)
    held.recipients, held.launched_at = 0, now
    launched = _into(actor, held, State.RUNNING, "campaign.launched", now=now, people=people)
    events.publish(CampaignLaunched(workspace_id=held.workspace_id, campaign_id=held.pk, people=people))
    delivery.start(launched, now=now)
    return launched


def _into(
    actor: Actor,
    held: Campaign,
    state: str,
    deed: str,
    *,
    now: datetime,
    reason: str = "",
    people: int | None = None,
) -> Campaign:
    """Save it in its new state, with the audit and the event."""
    before = held.state
    held.state, held.state_reason = state, reason[:300]
    touch(held, now=now)
    held.save()
    after: dict[str, object] = {"state": state} | ({} if people is None else {"people": people})
    audit.record(actor, deed, held, now=now, before={"state": before}, after=after, reason=reason)
    events.publish(CampaignStateChanged(workspace_id=held.workspace_id, campaign_id=held.pk, state=state))
    log.info("campaign.state_changed", campaign_id=held.pk, state=state)
    return held
