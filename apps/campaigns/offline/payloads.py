"""What payloads of several kinds have in common: who is meant, and a moment as the parsers read it."""

from collections.abc import Sequence
from datetime import datetime

from apps.accounts import people
from apps.accounts.permissions import Actor
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import Verdict, rejected

LONGEST_ID = 200


def stranger(event: OfflineEvent) -> Verdict | None:
    """What stands against an event that does not say who is meant."""
    if any(_id_of(event)):
        return None
    return rejected("no_person", "payload: user_id or anonymous_id, in 1 to 200 characters.")


def people_of(actor: Actor, events: Sequence[OfflineEvent], *, now: datetime) -> list[int]:
    """Keys of the people meant, made where they were not known; locked, in one order. Once a transaction."""
    pairs = [_id_of(event) for event in events]
    seen = [min(event.occurred_at, now) for event in events]
    found = people.resolve_many(pairs, workspace_id=actor.workspace_id, seen_at=seen)
    return [int(one) for one in found]


def text_of(event: OfflineEvent, name: str, *, longest: int) -> str:
    """The text, or empty for what is none, too long, or cannot be stored."""
    value = event.payload.get(name)
    is_good = isinstance(value, str) and len(value) <= longest and "\0" not in value and _is_whole(value)
    return str(value).strip() if is_good else ""


def _id_of(event: OfflineEvent) -> tuple[str | None, str | None]:
    user = text_of(event, "user_id", longest=LONGEST_ID) or None
    return user, text_of(event, "anonymous_id", longest=LONGEST_ID) or None


def _is_whole(text: str) -> bool:
    """No half characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
