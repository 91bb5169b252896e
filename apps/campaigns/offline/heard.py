"""What somebody did with a message while their device was offline: opened it, or followed a link.

Whose message it was says its token. Judged like any other: a sweep looks whether a machine did it.
"""

from collections.abc import Sequence
from datetime import datetime

from apps.accounts.errors import NotHere
from apps.accounts.permissions import Actor
from apps.campaigns import message_tokens
from apps.campaigns.engagement.recording import Heard, record
from apps.campaigns.models import Engagement, Recipient
from apps.campaigns.offline import payloads
from apps.campaigns.offline.events import OfflineEvent
from apps.campaigns.offline.kinds import ACCEPTED, MARKETING, Verdict, register, rejected

KINDS = (Engagement.Kind.OPENED, Engagement.Kind.CLICKED, Engagement.Kind.REPLIED)
LONGEST_TOKEN, LARGEST_LINK = 64, 32_767


@register("engagement", right="tracking:write", order=MARKETING)
def take(actor: Actor, events: Sequence[OfflineEvent], now: datetime) -> list[Verdict]:
    """payload: token (of the message), kind (opened, clicked, replied), and link: its number there."""
    whose = [_recipient_of(actor, event) for event in events]
    known = set(Recipient.objects.filter(pk__in=[one for one in whose if one]).values_list("pk", flat=True))
    verdicts, heard = [], []
    for event, recipient_id in zip(events, whose, strict=True):
        verdicts.append(_fault(event, recipient_id in known) or Verdict(verdict=ACCEPTED))
        if verdicts[-1].verdict == ACCEPTED:
            heard.append(_heard(event, recipient_id, now))
    record(heard, now=now)
    return verdicts


def _recipient_of(actor: Actor, event: OfflineEvent) -> int:
    """0 for a token that is not of this workspace."""
    try:
        named = message_tokens.read(payloads.text_of(event, "token", longest=LONGEST_TOKEN))
    except NotHere:
        return 0
    return named.recipient_id if named.workspace_id == actor.workspace_id else 0


def _fault(event: OfflineEvent, is_known: bool) -> Verdict | None:
    link = event.payload.get("link")
    if not is_known:
        return rejected("unknown_message", "token: of a message of this workspace.")
    if event.payload.get("kind") not in KINDS:
        return rejected("bad_payload", f"kind: one of {', '.join(KINDS)}.")
    if link is not None and (type(link) is not int or not 0 <= link <= LARGEST_LINK):
        return rejected("bad_payload", "link: its number in the message.")
    return None


def _heard(event: OfflineEvent, recipient_id: int, now: datetime) -> Heard:
    return Heard(
        recipient_id=recipient_id,
        kind=str(event.payload["kind"]),
        event_id=f"device:{event.id}",
        occurred_at=min(event.occurred_at, now),
        link=event.payload.get("link"),
    )
