"""Campaigns, for pages, the API and journeys: write one down, check it, let it leave, stop it.

made = campaigns.create(actor, name="Spring", audience=brides, now=now)
variants.add(actor, made, subject="Spring is near", body="...", now=now)
campaigns.check(made, now=now).errors
campaigns.launch(actor, made, now=now)
campaigns.pause(actor, made, now=now)
"""

from apps.campaigns.campaign_checks import Checked, Finding, check, limit_of, people_of, some_of
from apps.campaigns.campaign_drafts import (
    ChangedMeanwhile,
    NotInThatState,
    archive,
    change,
    create,
    duplicate,
    find,
)
from apps.campaigns.campaign_runs import (
    SWITCHED_OFF,
    NeedsConfirmation,
    NotReady,
    cancel,
    launch,
    pause,
    resume,
    start,
    start_all_due,
    start_due,
)

__all__ = [
    "SWITCHED_OFF",
    "ChangedMeanwhile",
    "Checked",
    "Finding",
    "NeedsConfirmation",
    "NotInThatState",
    "NotReady",
    "archive",
    "cancel",
    "change",
    "check",
    "create",
    "duplicate",
    "find",
    "launch",
    "limit_of",
    "pause",
    "people_of",
    "resume",
    "some_of",
    "start",
    "start_all_due",
    "start_due",
]
