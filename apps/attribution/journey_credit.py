"""One conversion explained: which touches led to it, and what each earned under a model."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet

from apps.accounts import people
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import Actor
from apps.attribution.journey_shares import NOTES, Floats, ModelNotTrained, RatesNotReady, kept, shares_of
from apps.attribution.lenses import WHOLE, Lens
from apps.attribution.maths.assembly import MOST_CONVERSIONS, MOST_TOUCHES
from apps.attribution.maths.ledger import round_by_levels
from apps.attribution.maths.models import NONE
from apps.attribution.models import Conversion, ConversionRecord, ModelRun, Touchpoint
from apps.attribution.money import from_minor, to_minor
from apps.attribution.questions import Query, model_names

__all__ = [
    "ChannelCredit",
    "ConversionRefunded",
    "JourneyCredit",
    "ModelNotTrained",
    "NoConversion",
    "PersonNotFound",
    "RatesNotReady",
    "TouchCredit",
    "explain",
    "find_person",
]


class PersonNotFound(NotHere):
    code = "person_not_found"


class NoConversion(NotHere):
    code = "no_conversion"


class ConversionRefunded(DomainError):
    code = "conversion_refunded"
    status = 409


@dataclass(frozen=True, kw_only=True)
class TouchCredit:
    """A touch and its part of the conversion: credit is a share, revenue whole minor units as an amount."""

    event_id: str
    occurred_at: datetime
    channel: str
    platform: str
    campaign_id: str
    creative_id: str
    event_type: str
    credit: float
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class ChannelCredit:
    channel: str
    share: float
    revenue: Decimal


@dataclass(frozen=True, kw_only=True)
class JourneyCredit:
    """A conversion and who earned it. Shares sum to 1; revenue, by touch and by channel, to the value.

    basis: what the shares rest on; note says it in words. model_run: the trained version or the run of
    conversion rates that was used, if any.
    """

    person: Person
    model: str
    conversion: Conversion
    conversion_event_id: str
    value: Decimal
    currency: str
    lookback_days: float
    touchpoints: list[TouchCredit]
    channels: list[ChannelCredit]
    basis: str
    note: str
    model_run: ModelRun | None


def find_person(
    *, user_id: str | None = None, anonymous_id: str | None = None, person_id: UUID | None = None
) -> Person:
    """Whose journey, by the customer's id, a device's, or ours; a merged person is the one they became.

    Raises PersonNotFound, and Invalid without any id.
    """
    if person_id is not None:
        found = Person.objects.filter(public_id=person_id).select_related("merged_into").first()
        if found is None:
            raise PersonNotFound("There is no such person in this workspace.")
        return found.merged_into or found
    if user_id is None and anonymous_id is None:
        raise Invalid({"user_id": ["Say whose journey: user_id, anonymous_id or person_id."]})
    try:
        return people.find(user_id=user_id, anonymous_id=anonymous_id)
    except NotHere as error:
        raise PersonNotFound(f"{error.detail} Track an event of theirs first.") from error


def explain(
    actor: Actor,
    person: Person,
    *,
    model_type: str,
    conversion_id: int | str | None = None,
    lens: Lens = WHOLE,
    now: datetime,
) -> JourneyCredit:
    """Credit one conversion of the person, the latest that the lens counts if none is named, to its touches
    as the lens shows them.

    conversion_id: a row's id, or as a text the event id or the order id that it was tracked with.
    Raises Invalid for an unknown model or a bad lens, NoConversion, ConversionRefunded, ModelNotTrained,
    RatesNotReady.
    """
    workspace: Workspace = Workspace.objects.get()
    query = Query(models=model_names((model_type,)), **vars(lens))
    conversion = _conversion(person, conversion_id, lens)
    touches = _touches(conversion, query.lens)
    shares = shares_of(actor, touches, conversion, query, now=now)
    minor = to_minor(conversion.value, workspace.currency)
    revenue = [from_minor(part, workspace.currency) for part in _divide(touches, shares.of_touches, minor)]
    value = from_minor(minor, workspace.currency)
    return JourneyCredit(
        person=person,
        model=query.models[0],
        conversion=conversion,
        conversion_event_id=_event_id(conversion),
        value=value,
        currency=workspace.currency,
        lookback_days=lens.lookback_days,
        touchpoints=[
            _touch_credit(touch, share, amount)
            for touch, share, amount in zip(touches, shares.of_touches.tolist(), revenue, strict=True)
        ],
        channels=_by_channel(touches, shares.of_touches, revenue)
        or [ChannelCredit(channel=NONE, share=1.0, revenue=value)],
        basis=shares.basis,
        note=NOTES[shares.basis],
        model_run=shares.run,
    )


def _conversion(person: Person, conversion_id: int | str | None, lens: Lens) -> Conversion:
    theirs = Conversion.objects.filter(person=person)
    if conversion_id is not None:
        return _named(theirs, conversion_id)
    counted = theirs.filter(is_counted=True)
    if lens.conversion_types:
        counted = counted.filter(conversion_type__in=lens.conversion_types)
    in_time = counted.order_by("occurred_at", "id")
    latest: Conversion | None = in_time.first() if lens.counting == "once" else in_time.last()
    if latest is None:
        raise NoConversion("This person has not converted yet, so there is nothing to credit.")
    return latest


def _named(theirs: Any, conversion_id: int | str) -> Conversion:
    if isinstance(conversion_id, int):
        found: Conversion | None = theirs.filter(pk=conversion_id).first()
    else:
        records = ConversionRecord.objects.filter(event_id=conversion_id).values("conversion_id")
        found = theirs.filter(pk__in=records).first() or theirs.filter(order_id=conversion_id).first()
    if found is None:
        raise NoConversion("This person has no conversion of that id.")
    if not found.is_counted:
        raise ConversionRefunded("This conversion was refunded whole: there is nothing left to credit.")
    return found


def _event_id(conversion: Conversion) -> str:
    """The handle under which it was tracked: the event id of its first record."""
    records = ConversionRecord.objects.filter(conversion=conversion).order_by("id")
    return records.values_list("event_id", flat=True).first() or ""


def _touches(conversion: Conversion, lens: Lens) -> list[Touchpoint]:
    """As maths.assembly has them."""
    if _is_crowded(conversion, lens):
        return []
    rows = _within_window(Touchpoint.objects.filter(person_id=conversion.person_id), conversion, lens)
    found = list(rows.select_related("source__channel").order_by("-occurred_at", "-id")[:MOST_TOUCHES])[::-1]
    return [found[place] for place in kept([touch.source.channel.key for touch in found], lens)]


def _is_crowded(conversion: Conversion, lens: Lens) -> bool:
    """Is it beyond what one person buys within the look-back?"""
    if lens.counting == "once":
        return False
    theirs = Conversion.objects.filter(person_id=conversion.person_id, is_counted=True)
    if lens.conversion_types:
        theirs = theirs.filter(conversion_type__in=lens.conversion_types)
    before = Q(occurred_at__lt=conversion.occurred_at) | Q(pk__lt=conversion.pk)
    found = _within_window(theirs.filter(before), conversion, lens)
    return found.order_by()[:MOST_CONVERSIONS].count() >= MOST_CONVERSIONS


def _within_window(rows: QuerySet[Any], conversion: Conversion, lens: Lens) -> QuerySet[Any]:
    rows = rows.filter(occurred_at__lte=conversion.occurred_at)
    with suppress(OverflowError):
        return rows.filter(occurred_at__gt=conversion.occurred_at - timedelta(days=lens.lookback_days))
    return rows


def _divide(touches: list[Touchpoint], shares: Floats, minor: int) -> list[int]:
    """Whole minor units of each touch, rounded by channel first, so that both tables add up."""
    if not touches:
        return []
    keys = [touch.source.channel.key for touch in touches]
    names = list(dict.fromkeys(keys))
    channel = np.array([names.index(key) for key in keys], dtype=np.int64)
    order = np.argsort(channel, kind="stable")
    parts = np.empty(len(keys), dtype=np.int64)
    levels = [channel[order], np.arange(len(keys))]
    parts[order] = round_by_levels(shares[order] * minor, total=minor, levels=levels)
    return parts.tolist()


def _touch_credit(touch: Touchpoint, share: float, revenue: Decimal) -> TouchCredit:
    return TouchCredit(
        event_id=touch.event_id,
        occurred_at=touch.occurred_at,
        channel=touch.source.channel.key,
        platform=touch.source.platform,
        campaign_id=touch.source.campaign_id,
        creative_id=touch.source.creative_id,
        event_type=touch.event_type,
        credit=share,
        revenue=revenue,
    )


def _by_channel(touches: list[Touchpoint], shares: Floats, revenue: list[Decimal]) -> list[ChannelCredit]:
    """In order of the first touch."""
    keys = [touch.source.channel.key for touch in touches]
    return [
        ChannelCredit(
            channel=name,
            share=float(sum(share for key, share in zip(keys, shares, strict=True) if key == name)),
            revenue=sum((part for key, part in zip(keys, revenue, strict=True) if key == name), Decimal(0)),
        )
        for name in dict.fromkeys(keys)
    ]
