"""Conversions in the plain values in which platforms are told of them: what each is worth now, who bought,
which clicks led there, and what the person allows.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from apps.accounts import consent, personal_fields, scoping
from apps.accounts.models import Person, Workspace
from apps.accounts.sealing import KeyMissing, SealBroken
from apps.attribution import addresses
from apps.attribution.models import Conversion, ConversionRecord, Touchpoint
from apps.integrations.conversion_events import ANALYTICS, PURPOSES, Click, ConversionEvent

# An older click says nothing to its platform any more.
CLICK_DAYS = 90
# Of a larger load (an import of years) the rest is not news.
STEPS_AT_ONCE = 5_000
# Properties of a conversion, or else of the newest touch, that a browser knows; its page is its `url`.
BROWSER = (
    "url",
    "client_ip_address",
    "client_user_agent",
    "fbc",
    "fbp",
    "ttp",
    "ga_client_id",
    "ga_session_id",
)
PLACES = ("city", "postal_code", "country")
Clicks = dict[str, Click]


def events_of(conversion_ids: list[int]) -> list[ConversionEvent]:
    """The conversions, as they are now; those of people who were erased are left out."""
    rows = Conversion.objects.filter(pk__in=conversion_ids, person__erased_at=None)
    conversions = list(rows.select_related("person").order_by("pk"))
    first = _first_records(conversions)
    people = {one.person_id: one.person for one in conversions}
    allows = _allowed(list(people))
    touches = _touches({one for one in people if allows[one]}, conversions)
    currency = Workspace.objects.get(pk=scoping.current_id()).currency
    return [
        _event(one, first[one.pk], currency, allows[one.person_id], touches.get(one.person_id, []))
        for one in conversions
        if one.pk in first
    ]


def steps_of(first_id: int, last_id: int) -> list[ConversionEvent]:
    """The touches between two keys, of people who allow product analytics, as events worth nothing."""
    rows = Touchpoint.objects.filter(pk__gte=first_id, pk__lte=last_id, person__erased_at=None)
    touches = list(rows.select_related("person").order_by("pk")[:STEPS_AT_ONCE])
    allows = _allowed(list({one.person_id for one in touches}))
    currency = Workspace.objects.get(pk=scoping.current_id()).currency
    return [
        ConversionEvent(
            event_id=one.event_id,
            kind=one.event_type,
            at=one.occurred_at,
            value=Decimal(0),
            currency=currency,
            person_id=one.person_id,
            person_key=str(one.person.public_id),
            external_id=one.person.external_id or "",
            browser={"url": one.url} if one.url else {},
            allows=allows[one.person_id],
            is_step=True,
        )
        for one in touches
        if ANALYTICS in allows[one.person_id]
    ]


def _first_records(conversions: Iterable[Conversion]) -> dict[int, ConversionRecord]:
    """The first that was heard of each as a conversion: its event id is the one that the browser used too."""
    found = ConversionRecord.objects.filter(
        conversion__in=[one.pk for one in conversions], kind=ConversionRecord.Kind.CONVERSION
    )
    return {one.conversion_id: one for one in found.order_by("-pk")}


def _allowed(person_ids: list[int]) -> dict[int, frozenset[str]]:
    by_purpose = {purpose: consent.given_by(person_ids, purpose) for purpose in PURPOSES}
    return {one: frozenset(name for name in PURPOSES if one in by_purpose[name]) for one in person_ids}


def _touches(person_ids: set[int], conversions: list[Conversion]) -> dict[int, list[Touchpoint]]:
    """The touches of people who allow something, newest first."""
    if not person_ids:
        return {}
    earliest = min(one.occurred_at for one in conversions) - timedelta(days=CLICK_DAYS)
    rows = Touchpoint.objects.filter(person__in=person_ids, occurred_at__gte=earliest)
    found: dict[int, list[Touchpoint]] = defaultdict(list)
    rows = rows.only("person_id", "occurred_at", "url", "properties")
    for touch in rows.order_by("-occurred_at", "-pk").iterator(chunk_size=5_000):
        found[touch.person_id].append(touch)
    return found


def _event(
    conversion: Conversion,
    record: ConversionRecord,
    currency: str,
    allows: frozenset[str],
    touches: list[Touchpoint],
) -> ConversionEvent:
    person, at = conversion.person, conversion.occurred_at
    before = [one for one in touches if at - timedelta(days=CLICK_DAYS) <= one.occurred_at <= at]
    return ConversionEvent(
        event_id=record.event_id,
        kind=conversion.conversion_type,
        at=at,
        value=conversion.value,
        currency=currency,
        order_id=conversion.order_id or "",
        is_void=not conversion.is_counted,
        person_id=person.pk,
        person_key=str(person.public_id),
        clicks=_clicks(before),
        browser=_browser(record, before),
        allows=allows,
        **(_identity(person) if allows else {}),
    )


def _identity(person: Person) -> dict[str, Any]:
    known: dict[str, str | None] = {}
    with suppress(KeyMissing, SealBroken):  # nobody can read it; the rest of the batch is told all the same
        known = personal_fields.personal(person)
    opened = {name: known.get(name) or "" for name in ("email", "phone", "first_name", "last_name")}
    places = {name: person.traits.get(name) for name in PLACES}
    told = {name: value for name, value in places.items() if isinstance(value, str)}
    return {**opened, **told, "external_id": person.external_id or ""}


def _clicks(touches: list[Touchpoint]) -> Clicks:
    """The newest click id of each name, from addresses and from what was sent beside them."""
    found: Clicks = {}
    for touch in touches:
        told = {**addresses.read(touch.url).hints, **(touch.properties or {})}
        for name in addresses.CLICK_IDS & told.keys():
            if isinstance(told[name], str):
                found.setdefault(name, Click(value=told[name], at=touch.occurred_at))
    return found


def _browser(record: ConversionRecord, touches: list[Touchpoint]) -> dict[str, str]:
    """What the conversion said of its browser, or else the newest touch."""
    sources: list[dict[str, Any]] = [record.properties or {}]
    sources += [{**(one.properties or {}), "url": one.url} for one in touches[:1]]
    return {
        name: str(value)
        for name in BROWSER
        if (value := next((one[name] for one in sources if one.get(name)), None)) is not None
    }
