"""A campaign's variants as people write them: added, changed, taken away, approved.

An approval is of the words as they are: changing one withdraws it. Each change counts up the campaign's
version, so that nobody sends what was compiled before it.
"""

from datetime import datetime
from string import ascii_lowercase
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import AuditEntry
from apps.accounts.permissions import Actor, require
from apps.campaigns.content import checks, links, predictions, sandbox
from apps.campaigns.content.faults import ERROR
from apps.campaigns.models import Campaign, Content

MOST = 10
WORDS = ("subject", "preheader", "body", "cta_label", "cta_url")
LONGEST = {
    "subject": 300,
    "preheader": 300,
    "body": sandbox.LONGEST_SOURCE,
    "cta_label": 120,
    "cta_url": links.LONGEST,
    "angle": 60,
    "tone": 60,
    "rationale": 600,
}


class NotADraft(DomainError):
    code = "not_a_draft"
    status = 409


class WordsChangedMeanwhile(DomainError):
    """Somebody else has written something else since they were read."""

    code = "words_changed_meanwhile"
    status = 409


@transaction.atomic
def add(actor: Actor, campaign: Campaign, *, now: datetime, **words: Any) -> Content:
    """Another variant, under the next free letter. Audited. Raises Invalid or NotADraft."""
    require(actor, "campaigns:write")
    held = _open(campaign)
    taken = list(Content.objects.filter(campaign=held).order_by("position").values_list("key", "position"))
    if len(taken) >= MOST:
        raise Invalid({"variants": [f"A campaign has {MOST} variants at most. Take one away first."]})
    key = next(one for one in ascii_lowercase if one not in {key for key, _ in taken})
    position = max((place for _, place in taken), default=0) + 1
    made = Content(workspace_id=held.workspace_id, campaign=held, key=key, position=position, changed_at=now)
    made.made_by = words.pop("made_by", Content.MadeBy.PERSON)
    _say(made, words)
    made.save()
    _changed(actor, campaign, made, "content.added", now=now)
    return made


@transaction.atomic
def change(
    actor: Actor, content: Content, *, now: datetime, read_at: datetime | None = None, **words: Any
) -> Content:
    """Say it otherwise. Words that differ withdraw the approval. Audited.

    read_at: the changed_at of the words that were read; who passes it overwrites nobody else's.
    Raises Invalid, NotADraft, WordsChangedMeanwhile.
    """
    require(actor, "campaigns:write")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    before = {name: getattr(kept, name) for name in WORDS}
    _say(kept, words)
    if differing := [name for name in WORDS if before[name] != getattr(kept, name)]:
        if read_at not in (None, kept.changed_at):
            raise WordsChangedMeanwhile(
                f"Somebody changed variant {kept.key} meanwhile. Yours is not kept: take a copy of it, "
                "load the page again, and make your change on top."
            )
        kept.approved_at, kept.approved_by, kept.prediction = None, "", {}
        kept.changed_at = now
    kept.save()
    _changed(actor, content.campaign, kept, "content.changed", now=now, fields=differing)
    return kept


@transaction.atomic
def remove(actor: Actor, content: Content, *, now: datetime) -> None:
    """Audited. Raises NotADraft."""
    require(actor, "campaigns:write")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    _changed(actor, content.campaign, kept, "content.removed", now=now)
    kept.delete()


@transaction.atomic
def approve(actor: Actor, content: Content, *, now: datetime) -> Content:
    """Let it be sent as it is; what it may come to is foretold and kept. A person answers for that. Audited.
    Raises Invalid with what the checks hold against it.
    """
    require(actor, "campaigns:send")
    if actor.kind != AuditEntry.ActorKind.USER:
        raise PermissionDenied("A person must approve what is sent.")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    errors = [one for one in checks.of_content(content.campaign, kept) if one.severity == ERROR]
    if errors:
        raise Invalid({"content": [f"{one.where}: {one.words}" for one in errors]}, errors[0].words)
    [foretold] = predictions.foretell(content.campaign, [kept], now=now)
    kept.prediction, kept.approved_at, kept.approved_by = foretold, now, actor.label[:200]
    kept.save(update_fields=["prediction", "approved_at", "approved_by"])
    audit.record(actor, "content.approved", kept, now=now, after={"key": kept.key})
    return kept


@transaction.atomic
def unapprove(actor: Actor, content: Content, *, now: datetime, reason: str = "") -> Content:
    """Take the approval back. Audited. Raises NotADraft."""
    require(actor, "campaigns:write")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    kept.approved_at, kept.approved_by, kept.prediction = None, "", {}
    kept.save(update_fields=["prediction", "approved_at", "approved_by"])
    audit.record(actor, "content.unapproved", kept, now=now, reason=reason, after={"key": kept.key})
    return kept


def of(campaign: Campaign) -> list[Content]:
    """In their order."""
    return list(Content.objects.filter(campaign=campaign).order_by("position", "pk"))


def get(campaign: Campaign, key: str) -> Content:
    """Raises NotHere."""
    found: Content | None = (
        Content.objects.select_related("campaign").filter(campaign=campaign, key=key).first()
    )
    if found is None:
        raise NotHere("There is no such variant.")
    return found


def _open(campaign: Campaign) -> Campaign:
    """The campaign, locked, while its words may still change."""
    held: Campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if held.state != Campaign.State.DRAFT:
        raise NotADraft(
            f"It is {held.get_state_display().lower()}: its words stay. Duplicate it to change them."
        )
    return held


def _say(content: Content, words: dict[str, Any]) -> None:
    """Set what is given. Raises Invalid."""
    wrong: dict[str, list[str]] = {}
    for name, value in words.items():
        text = sandbox.cleaned(str(value))
        if len(text) > LONGEST[name]:
            wrong[name] = [f"At most {LONGEST[name]:,} characters."]
        setattr(content, name, text)
    if not content.subject.strip():
        wrong["subject"] = ["Give it a subject."]
    if wrong:
        raise Invalid(wrong)


def _changed(
    actor: Actor, campaign: Campaign, content: Content, deed: str, *, now: datetime, **more: Any
) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(version=F("version") + 1, changed_at=now)
    campaign.refresh_from_db(fields=["version", "changed_at"])
    audit.record(actor, deed, content, now=now, after={"campaign": campaign.pk, "key": content.key, **more})
