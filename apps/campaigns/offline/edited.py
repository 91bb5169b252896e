"""Texts of campaigns edited offline: taken where nobody changed the campaign since, else a person decides."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.permissions import Actor, require
from apps.campaigns.content import sandbox, variants
from apps.campaigns.models import Campaign, Content, Device, EditConflict
from apps.campaigns.offline import payloads
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import ACCEPTED, CONFLICT, MARKETING, Verdict, register, rejected

FIELDS = ("subject", "preheader", "body", "cta_label", "cta_url")
State = EditConflict.State
LARGEST_VERSION = 2**31 - 1


class AlreadyDecided(DomainError):
    code = "already_decided"
    status = 409


@register("content_edit", right="campaigns:write", order=MARKETING)
def take(actor: Actor, events: Sequence[OfflineEvent], now: datetime) -> list[Verdict]:
    """payload: campaign (its id), key (of the variant), fields; base_version: of the campaign as it was."""
    return [_edited(actor, event, now) for event in events]


def _edited(actor: Actor, event: OfflineEvent, now: datetime) -> Verdict:
    content = _content_of(event)
    fields = event.payload.get("fields")
    if content is None:
        return rejected("unknown_text", "campaign and key: of a variant of this workspace.")
    if event.base_version is None or event.base_version > LARGEST_VERSION or not _are_words(fields):
        return rejected("bad_payload", f"base_version, and fields: texts of {', '.join(FIELDS)}.")
    held: Campaign = Campaign.objects.select_for_update().get(pk=content.campaign_id)
    if held.version != event.base_version:
        return _conflict(actor, event, content)
    try:
        with transaction.atomic():
            seen = variants.get(held, content.key)
            variants.change(actor, seen, now=now, **event.payload["fields"])
    except variants.NotADraft:
        return _conflict(actor, event, content)
    except DomainError as error:
        return rejected(error.code, error.detail)
    return Verdict(verdict=ACCEPTED)


def _content_of(event: OfflineEvent) -> Content | None:
    try:
        campaign = UUID(payloads.text_of(event, "campaign", longest=36))
    except ValueError:
        return None
    key = payloads.text_of(event, "key", longest=20)
    found: Content | None = Content.objects.filter(campaign__public_id=campaign, key=key).first()
    return found


def _are_words(fields: Any) -> bool:
    if not isinstance(fields, dict) or not fields:
        return False
    return all(name in FIELDS and isinstance(text, str) for name, text in fields.items())


def _conflict(actor: Actor, event: OfflineEvent, content: Content) -> Verdict:
    EditConflict.objects.get_or_create(
        workspace_id=actor.workspace_id,
        event_id=event.id,
        defaults={
            "content": content,
            "device": Device.objects.get(device_id=event.device_id),
            "base_version": event.base_version,
            # As they would be written: without what no database keeps.
            "fields": {name: sandbox.cleaned(text) for name, text in event.payload["fields"].items()},
        },
    )
    return Verdict(
        verdict=CONFLICT, reason="changed_since", detail="Somebody changed it since: a person decides."
    )


def waiting() -> list[EditConflict]:
    """Those that nobody has decided, oldest first."""
    found = EditConflict.objects.filter(state=State.OPEN).select_related("content__campaign", "device")
    return list(found.order_by("created_at")[:100])


@transaction.atomic
def decide(
    actor: Actor, public_id: UUID, *, take_it: bool, now: datetime, version: int | None = None
) -> EditConflict:
    """Take the device's text, or leave the present one. Audited.

    version: of the present text that was seen beside it. Raises NotHere, AlreadyDecided, NotADraft or
    ChangedMeanwhile.
    """
    require(actor, "campaigns:write")
    found = EditConflict.objects.select_for_update().filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such conflict in this workspace.")
    if found.state != State.OPEN:
        raise AlreadyDecided(f"{found.decided_by} has decided this already.")
    if take_it:
        variants.change(actor, found.content, version=version, now=now, **found.fields)
    found.state = State.TAKEN if take_it else State.DROPPED
    found.decided_at, found.decided_by = now, actor.label[:200]
    found.save(update_fields=["state", "decided_at", "decided_by"])
    audit.record(actor, "content.conflict_decided", found.content, now=now, after={"took": take_it})
    return found
