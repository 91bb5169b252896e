"""Campaigns, for pages, the API and journeys: write one down, check it, let it leave, stop it.

made = campaigns.create(actor, name="Spring", audience=brides, now=now)
campaigns.add_content(actor, made, Text(subject="Spring is near", body="..."), now=now)
campaigns.check(made, now=now).errors
campaigns.launch(actor, made, now=now)
campaigns.pause(actor, made, now=now)
"""

from apps.campaigns.campaign_checks import Checked, Finding, check, limit_of, people_of
from apps.campaigns.campaign_drafts import (
    ChangedMeanwhile,
    NotInThatState,
    Text,
    add_content,
    approve_content,
    archive,
    change,
    change_content,
    content,
    create,
    duplicate,
    find,
    remove_content,
)
from apps.campaigns.campaign_runs import (
    SWITCHED_OFF,
    NeedsConfirmation,
    NotReady,
    cancel,
    finish,
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
    "Text",
    "add_content",
    "approve_content",
    "archive",
    "cancel",
    "change",
    "change_content",
    "check",
    "content",
    "create",
    "duplicate",
    "find",
    "finish",
    "launch",
    "limit_of",
    "pause",
    "people_of",
    "remove_content",
    "resume",
    "start",
    "start_all_due",
    "start_due",
]
