"""All kinds of condition, with what the workspace has to fill them with."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from apps.accounts import scoping
from apps.accounts.models import ConsentRecord
from apps.attribution.models import Channel, Conversion, Source
from apps.campaigns.audiences import belonging, deeds, fields, traits
from apps.campaigns.audiences.conditions import Condition, Entry
from apps.campaigns.audiences.reading import Given
from apps.campaigns.models import Audience, Campaign, Topic

MOST_SUGGESTIONS = 100
LOOKED_AT = 2_000
# Of the people who were made last: all of a large workspace would take seconds.
TRAIT_KEYS = """
    SELECT key FROM (
        SELECT traits FROM accounts_person
        WHERE workspace_id = (SELECT %s::bigint) AND merged_into_id IS NULL AND traits <> '{}'
        ORDER BY id DESC LIMIT %s
    ) AS latest CROSS JOIN LATERAL jsonb_object_keys(traits) AS key GROUP BY key ORDER BY key LIMIT %s
"""
# To find all that there are, every touch would have to be read.
EVENT_TYPES = ("click", "impression", "open", "view", "visit")
PLAIN_READERS: dict[str, Callable[[Given], Condition]] = {
    traits.KEY: traits.read,
    deeds.TOUCH: deeds.TouchCondition.read,
    deeds.CONVERSION: deeds.ConversionCondition.read,
    deeds.ENGAGEMENT: deeds.EngagementCondition.read,
    belonging.LIST: belonging.ListCondition.read,
    belonging.CONSENT: belonging.ConsentCondition.read,
}


def entries() -> list[Entry]:
    """Every kind, those without a source too, with suggestions."""
    campaigns = _some(Campaign.objects.order_by("-pk").values_list("public_id", "name"))
    lists = Audience.objects.filter(kind=Audience.Kind.LIST, archived_at=None).order_by("name")
    return [
        *fields.entries(),
        traits.entry(_trait_keys()),
        belonging.consent_entry(_purposes()),
        belonging.list_entry(_choices(_some(lists.values_list("public_id", "name")))),
        deeds.touch_entry(
            _texts(Channel.objects.order_by("position").values_list("key", flat=True)),
            _distinct(Source.objects, "platform"),
            EVENT_TYPES,
            _distinct(Source.objects.exclude(campaign_id=""), "campaign_id"),
        ),
        deeds.conversion_entry(_distinct(Conversion.objects.order_by("-pk")[:LOOKED_AT], "conversion_type")),
        deeds.engagement_entry(_choices(campaigns)),
    ]


def read(given: Given) -> Condition | None:
    """The condition that the object says; None where it says none, which is noted as its fault."""
    known = fields.registered()
    key = given.choice("field", [*PLAIN_READERS, *known])
    if "field" in given.raw and f"{given.path}.field" in given.faults:
        return None
    if key in PLAIN_READERS:
        found = PLAIN_READERS[key](given)
    elif because := known[key].because:
        given.fault("field", f"{known[key].label} cannot be asked for yet. {because}")
        return None
    else:
        found = fields.read(known[key], given)
    given.end()
    return found


def _trait_keys() -> tuple[str, ...]:
    with connection.cursor() as cursor:
        cursor.execute(TRAIT_KEYS, [scoping.current_id(), LOOKED_AT, MOST_SUGGESTIONS])
        return tuple(key for (key,) in cursor.fetchall())


def _purposes() -> tuple[str, ...]:
    of_topics = Topic.objects.order_by("key").values_list("key", flat=True)[:MOST_SUGGESTIONS]
    said = ConsentRecord.objects.order_by("-pk").values_list("purpose", flat=True)[:LOOKED_AT]
    return tuple(dict.fromkeys([*of_topics, *said]))[:MOST_SUGGESTIONS]


def _distinct(rows: Any, column: str) -> tuple[str, ...]:
    found = dict.fromkeys(rows.values_list(column, flat=True)[:LOOKED_AT])
    return tuple(sorted(found))[:MOST_SUGGESTIONS]


def _some(rows: QuerySet[Any, Any]) -> list[Any]:
    return list(rows[:MOST_SUGGESTIONS])


def _texts(rows: QuerySet[Any, Any]) -> tuple[str, ...]:
    return tuple(_some(rows))


def _choices(rows: list[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(public_id), name) for public_id, name in rows)
