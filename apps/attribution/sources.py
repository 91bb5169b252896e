"""Where touches and spend come from: each distinct (channel, platform, campaign, creative) is a row.

Made on sight. A process remembers the keys of sources it has seen committed; they never change.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction

from apps.accounts import scoping
from apps.attribution import channels
from apps.attribution.channel_input import key_of
from apps.attribution.channel_rules import OTHER, Origin
from apps.attribution.records import Touch

REMEMBERED = 200_000

FIND = """
    SELECT c.key, s.platform, s.campaign_id, s.creative_id, s.id
    FROM json_to_recordset(%s::json) AS r(channel text, platform text, campaign_id text, creative_id text)
    JOIN attribution_channel c ON c.workspace_id = (SELECT %s::bigint) AND c.key = r.channel
    JOIN attribution_source s ON s.workspace_id = c.workspace_id AND s.channel_id = c.id
        AND s.platform = r.platform AND s.campaign_id = r.campaign_id AND s.creative_id = r.creative_id
"""
ADD = """
    INSERT INTO attribution_source (workspace_id, channel_id, platform, campaign_id, creative_id)
    SELECT c.workspace_id, c.id, r.platform, r.campaign_id, r.creative_id
    FROM json_to_recordset(%s::json) AS r(channel text, platform text, campaign_id text, creative_id text)
    JOIN attribution_channel c ON c.workspace_id = (SELECT %s::bigint) AND c.key = r.channel
    ORDER BY c.id, r.platform, r.campaign_id, r.creative_id
    ON CONFLICT DO NOTHING
"""


class SourceKey(NamedTuple):
    channel: str
    platform: str
    campaign_id: str
    creative_id: str


_remembered: dict[tuple[int, SourceKey], int] = {}
_key_of = lru_cache(maxsize=4_096)(key_of)


def of_touches(touches: Iterable[Touch]) -> list[SourceKey]:
    """The source of each touch: the channel its sender named, else the one that the rules derive."""
    channel_of = channels.book().rules.channel_of
    keys: dict[int, SourceKey] = {}
    found = []
    for touch in touches:
        key = keys.get(touch.mould)
        if key is None:
            key = SourceKey(
                (touch.channel and _key_of(touch.channel)) or channel_of(origin(touch)),
                touch.platform,
                touch.campaign_id,
                touch.creative_id,
            )
            if touch.mould:
                keys[touch.mould] = key
        found.append(key)
    return found


def is_named(record: Any) -> bool:
    """Whether its sender named the channel of a touch or of spend; rules then have no say."""
    return bool(record.channel and _key_of(record.channel))


def origin(touch: Touch) -> Origin:
    """What a touch says of where it came from."""
    return Origin(
        touch.platform,
        touch.event_type,
        touch.campaign_id,
        touch.utm_source,
        touch.utm_medium,
        touch.utm_campaign,
        touch.click_ids,
        touch.page_host,
        touch.referrer_host,
    )


def ids(keys: Iterable[SourceKey], *, labels: Mapping[str, str]) -> dict[SourceKey, int]:
    """The row of each source, made where it is missing. labels: what to call a new channel, by its key.

    A channel beyond the most a workspace may have is "other".
    """
    workspace_id = scoping.current_id()
    found: dict[SourceKey, int] = {}
    missing: set[SourceKey] = set()
    for key in keys:
        known = _remembered.get((workspace_id, key))
        if known is None:
            missing.add(key)
        else:
            found[key] = known
    if missing:
        made = _find_or_add(missing, labels)
        _remember(workspace_id, made)
        found |= made
    return found


def remembered(keys: Iterable[SourceKey]) -> dict[SourceKey, int] | None:
    """The rows of these sources where this process knows each of them, without a question."""
    workspace_id = scoping.current_id()
    found = {key: _remembered.get((workspace_id, key), 0) for key in dict.fromkeys(keys)}
    return found if all(found.values()) else None


def _find_or_add(keys: set[SourceKey], labels: Mapping[str, str]) -> dict[SourceKey, int]:
    names = {key.channel for key in keys}
    known = channels.ensure_channels({name: labels.get(name) or channels.label(name) for name in names})
    if len(known) < len(names):
        channels.ensure_channels({OTHER: channels.label(OTHER)})
    places = {key: key if key.channel in known else key._replace(channel=OTHER) for key in keys}
    rows = msgspec.json.encode([key._asdict() for key in places.values()]).decode()
    found = _find(rows)
    if any(place not in found for place in places.values()):
        with connection.cursor() as cursor:
            cursor.execute(ADD, [rows, scoping.current_id()])
        found = _find(rows)
    return {key: found[place] for key, place in places.items()}


def _find(rows: str) -> dict[SourceKey, int]:
    with connection.cursor() as cursor:
        cursor.execute(FIND, [rows, scoping.current_id()])
        return {SourceKey(*row[:4]): row[4] for row in cursor.fetchall()}


def _remember(workspace_id: int, made: dict[SourceKey, int]) -> None:
    """Only once they are committed: a row that was rolled back has no key."""

    def keep() -> None:
        if len(_remembered) + len(made) > REMEMBERED:
            _remembered.clear()
        _remembered.update({(workspace_id, key): pk for key, pk in made.items()})

    transaction.on_commit(keep)


def labels_of(touches: Iterable[Any]) -> dict[str, str]:
    """Names that senders gave to channels, by the key they come to."""
    return {_key_of(touch.channel): touch.channel for touch in touches if touch.channel}
