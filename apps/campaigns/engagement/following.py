"""The door of links and pictures in messages: no sign-in, a token instead.

A link leads only where its campaign's own row says, and it is kept that it was followed before the answer
leaves: what a recipient saw happen is there, whatever dies afterwards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from django.db import connection, transaction

from apps.accounts import scoping
from apps.accounts.errors import NotHere
from apps.campaigns import flags, message_tokens
from apps.campaigns.engagement.recording import Heard, Kind, record
from apps.campaigns.maths import machines
from apps.campaigns.maths.machines import HONEYPOT, Signs

WHERE = """
    SELECT l.url, c.name, c.public_id::text, COALESCE(v.key, '')
    FROM campaigns_recipient AS r
    JOIN campaigns_campaign AS c ON c.workspace_id = r.workspace_id AND c.id = r.campaign_id
    JOIN campaigns_link AS l ON l.workspace_id = r.workspace_id AND l.campaign_id = r.campaign_id
        AND l.number = %s
    LEFT JOIN campaigns_content AS v ON v.workspace_id = r.workspace_id AND v.id = r.content_id
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.id = %s
"""
LARGEST_NUMBER = 32_767
UTM_SOURCE, UTM_MEDIUM = "bellwether", "email"
_OWN_UTM = re.compile(r"[?&]utm_\w+=", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a link leads. campaign_id: as attribution knows it; variant: empty where there is one alone."""

    url: str
    campaign: str
    campaign_id: str
    variant: str

    @property
    def address(self) -> str:
        """With the campaign's utm_* parameters, unless the link has some of its own."""
        if _OWN_UTM.search(self.url):
            return self.url
        named = {
            "utm_source": UTM_SOURCE,
            "utm_medium": UTM_MEDIUM,
            "utm_campaign": _slug(self.campaign),
            "utm_id": self.campaign_id,
            "utm_content": self.variant,
        }
        rest, hash_, fragment = self.url.partition("#")
        join = "&" if "?" in rest else "?"
        return (
            f"{rest}{join}{urlencode({name: text for name, text in named.items() if text})}{hash_}{fragment}"
        )


def follow(token: str, number: int, signs: Signs, *, now: datetime) -> str:
    """Keep that a link was followed, and answer where it leads. Raises NotHere.

    Nothing is kept where tracking is switched off.
    """
    named = message_tokens.read(token)
    with scoping.workspace(named.workspace_id), transaction.atomic():
        machine = machines.HONEYPOT_FOLLOWED if number == HONEYPOT else machines.by_signs(signs)
        place = None if number == HONEYPOT else _place(named.recipient_id, number)
        is_counted = flags.is_on(flags.TRACKING, named.workspace_id)
        if is_counted and (place is not None or number == HONEYPOT):
            event_id = f"clicked:{named.recipient_id}:{number}:{_microseconds(now)}"
            heard = Heard(named.recipient_id, Kind.CLICKED, event_id, now, number, machine)
            record([heard], now=now)
    if place is None or not _is_web(place.url):
        raise NotHere("This link leads nowhere. The message that it was in may have been taken back.")
    return place.address


def opened(token: str, signs: Signs, *, now: datetime) -> None:
    """Keep that the picture of a message was loaded. Raises NotHere for what we did not make."""
    named = message_tokens.read(token)
    with scoping.workspace(named.workspace_id):
        if not flags.is_on(flags.TRACKING, named.workspace_id):
            return
        event_id = f"opened:{named.recipient_id}:{_microseconds(now)}"
        machine = machines.by_signs(signs)
        record([Heard(named.recipient_id, Kind.OPENED, event_id, now, None, machine)], now=now)


def signs_of(method: str, headers: Mapping[str, str]) -> Signs:
    """headers: by their names in any case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Signs(method=method, user_agent=lower.get("user-agent", ""), headers=lower)


def _place(recipient_id: int, number: int) -> Place | None:
    if number > LARGEST_NUMBER:
        return None
    with connection.cursor() as cursor:
        cursor.execute(WHERE, [number, scoping.current_id(), recipient_id])
        row = cursor.fetchone()
    return None if row is None else Place(*row)


def _is_web(url: str) -> bool:
    return urlsplit(url).scheme.lower() in {"http", "https"}


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _slug(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-")[:60]
