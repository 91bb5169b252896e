"""A campaign's variants as people write them: added, changed, taken away, approved.

An approval is of the words as they are: changing one withdraws it. Each change counts up the campaign's
version, so that nobody sends what was compiled before it, and the text takes that number as its own: who
changes, approves or takes away a text names the version that they saw, and another one by now is a conflict.
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
# Besides its words; who approves those does not approve these.
BESIDES = ("angle", "tone", "rationale", "weight")
WEIGHTS = (1, 100)
# What counts a text's version up.
COUNTED = ("content.added", "content.changed", "content.removed")
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


class ChangedMeanwhile(DomainError):
    """The text is another one than was seen."""

    code = "content_changed_meanwhile"
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
    made.version = _count_up(campaign, now=now)
    made.save()
    _changed(actor, made, "content.added", now=now)
    return made


@transaction.atomic
def change(
    actor: Actor, content: Content, *, version: int | None = None, now: datetime, **words: Any
) -> Content:
    """Say it otherwise, or weigh it otherwise. Words that differ withdraw the approval. Audited.

    version: the one that was seen, absent for that of `content`; where another one stands by now and
    something would change, ChangedMeanwhile is raised. Raises Invalid or NotADraft.
    """
    require(actor, "campaigns:write")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    before = {name: getattr(kept, name) for name in (*WORDS, *BESIDES)}
    _say(kept, words)
    differing = [name for name, was in before.items() if was != getattr(kept, name)]
    if not differing:
        return kept
    _guard(kept, content.version if version is None else version)
    if any(name in WORDS for name in differing):
        kept.approved_at, kept.approved_by, kept.prediction = None, "", {}
        kept.changed_at = now
    kept.version = _count_up(content.campaign, now=now)
    kept.save()
    _changed(actor, kept, "content.changed", now=now, fields=differing)
    return kept


@transaction.atomic
def remove(actor: Actor, content: Content, *, version: int | None = None, now: datetime) -> None:
    """Take the text away that was seen. Audited. Raises NotADraft or ChangedMeanwhile."""
    require(actor, "campaigns:write")
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    _guard(kept, content.version if version is None else version)
    kept.version = _count_up(content.campaign, now=now)
    _changed(actor, kept, "content.removed", now=now)
    kept.delete()


@transaction.atomic
def approve(actor: Actor, content: Content, *, version: int | None = None, now: datetime) -> Content:
    """Let the text that was seen be sent; what it may come to is foretold and kept. A person answers for
    that. Audited. Raises ChangedMeanwhile, or Invalid with what the checks hold against it.
    """
    require_person(actor)
    _open(content.campaign)
    kept = get(content.campaign, content.key)
    _guard(kept, content.version if version is None else version)
    errors = [one for one in checks.of_content(content.campaign, kept) if one.severity == ERROR]
    if errors:
        raise Invalid({"content": [f"{one.where}: {one.words}" for one in errors]}, errors[0].words)
    [foretold] = predictions.foretell(content.campaign, [kept], now=now)
    kept.prediction, kept.approved_at, kept.approved_by = foretold, now, actor.label[:200]
    kept.save(update_fields=["prediction", "approved_at", "approved_by"])
    after = {"key": kept.key, "version": kept.version}
    audit.record(actor, "content.approved", kept, now=now, after=after)
    return kept


def require_person(actor: Actor) -> None:
    """Raise PermissionDenied unless it is a person who may send."""
    require(actor, "campaigns:send")
    if actor.kind != AuditEntry.ActorKind.USER:
        raise PermissionDenied("A person must approve what is sent.")


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
    if (weight := words.pop("weight", None)) is not None:
        content.weight = weight
        if not WEIGHTS[0] <= weight <= WEIGHTS[1]:
            wrong["weight"] = [f"Give a number from {WEIGHTS[0]} to {WEIGHTS[1]}."]
    for name, value in words.items():
        text = sandbox.cleaned(str(value))
        if len(text) > LONGEST[name]:
            wrong[name] = [f"At most {LONGEST[name]:,} characters."]
        setattr(content, name, text)
    if not content.subject.strip():
        wrong["subject"] = ["Give it a subject."]
    if wrong:
        raise Invalid(wrong)


def _guard(kept: Content, seen: int) -> None:
    """Raise ChangedMeanwhile with who changed what since."""
    if kept.version == seen:
        return
    about = {"campaign": kept.campaign_id, "key": kept.key}
    of_it = AuditEntry.objects.filter(
        target_kind="content", deed__in=COUNTED, after__contains=about, after__version__gt=seen
    )
    since = list(of_it.order_by("-pk")[:MOST])
    who = " and ".join(sorted({one.actor_label for one in since})) or "Somebody"
    fields = sorted({name for one in since for name in (one.after or {}).get("fields", ())})
    what = f" ({', '.join(fields).replace('_', ' ')})" if fields else ""
    raise ChangedMeanwhile(
        f"{who} changed variant {kept.key}{what} meanwhile. Read it again, then say what you want.",
        errors={name: [f"{who} changed it meanwhile."] for name in fields},
    )


def _count_up(campaign: Campaign, *, now: datetime) -> int:
    """The campaign's next version."""
    Campaign.objects.filter(pk=campaign.pk).update(version=F("version") + 1, changed_at=now)
    campaign.refresh_from_db(fields=["version", "changed_at"])
    return int(campaign.version)


def _changed(actor: Actor, content: Content, deed: str, *, now: datetime, **more: Any) -> None:
    after = {"campaign": content.campaign_id, "key": content.key, "version": content.version}
    audit.record(actor, deed, content, now=now, after={**after, **more})
