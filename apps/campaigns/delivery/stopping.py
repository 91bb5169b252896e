"""A run stops itself where only a person can help, and says why."""

from datetime import datetime

from django.db import transaction

from apps.accounts import audit
from apps.accounts.permissions import system
from apps.campaigns.models import Campaign, SendRun


@transaction.atomic
def pause(campaign: Campaign, *, reason: str, now: datetime) -> None:
    """Take it out of the queue until somebody resumes it. Audited."""
    # Before its run, as people's deeds lock them.
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    going = SendRun.objects.filter(campaign=campaign, is_paused=False, finished_at__isnull=True)
    if not going.update(is_paused=True, is_open=False, due_at=None):
        return
    running = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.RUNNING)
    running.update(state=Campaign.State.PAUSED, state_reason=reason[:300], changed_at=now)
    audit.record(
        system(campaign.workspace_id),
        "campaign.paused",
        campaign,
        now=now,
        after={"state": Campaign.State.PAUSED},
        reason=reason,
    )
