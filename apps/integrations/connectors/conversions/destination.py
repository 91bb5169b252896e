"""What every destination of conversions says of itself; each module beside this one describes its own.

Payloads are pure functions of events and the connection's options: no clock, no database, no network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from apps.integrations.client import Client
from apps.integrations.conversion_events import AD_USER_DATA, ConversionEvent
from apps.integrations.http import Request
from apps.integrations.services import Classify, Field, by_status

# A clock that is a little ahead is forgiven.
AHEAD = timedelta(minutes=10)
OPERATION = "conversions.send"
Options = Mapping[str, Any]
# Why not, in words; empty when nothing stands against it.
Refusal = Callable[[ConversionEvent, Options], str]
Build = Callable[[Sequence[ConversionEvent], Options], Request]


def always(event: ConversionEvent) -> bool:
    return True


def never_back(event: ConversionEvent, options: Options) -> str:
    return "It was told already, and this service has no way to take it back."


def nobody(words: str) -> set[int]:
    return set()


def nothing_against(event: ConversionEvent, options: Options) -> str:
    return ""


def never_too_large(events: Sequence[ConversionEvent], options: Options) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A service that is told of conversions.

    purpose: what a person must have allowed. oldest: how old an event it takes. batch: how many at once.
    refusal: what in the event it would refuse. build: the request for some events. classify: a good outcome
    may say in `items` what became of each. judges: classify for those events that are sent; an item of None
    was not taken, through no fault of its own, and is sent again. named: of a batch that was refused whole,
    which of it the words name. is_too_large: whether some events are more than one request may hold.
    repeats_for: how long it drops the same event; is_repeatable: whether it does for this one at all.
    retraction: why a change of the value cannot be told. reference: its own id of a batch, read from the
    answer; after: what follows once it took one.
    """

    service: str
    build: Build
    oldest: timedelta
    purpose: str = AD_USER_DATA
    batch: int = 50
    refusal: Refusal = nothing_against
    classify: Classify = by_status
    judges: Callable[[Sequence[ConversionEvent], Options], Classify] | None = None
    is_too_large: Callable[[Sequence[ConversionEvent], Options], bool] = never_too_large
    named: Callable[[str], set[int]] = nobody
    repeats_for: timedelta = timedelta(hours=48)
    is_repeatable: Callable[[ConversionEvent], bool] = always
    retraction: Refusal = never_back
    reference: Callable[[Any], str] | None = None
    after: Callable[[Client, str, datetime], None] | None = None

    @property
    def age_limit(self) -> timedelta:
        days = settings.CONVERSION_AGE_DAYS.get(self.service)
        return self.oldest if days is None else timedelta(days=days)


def obstacle(destination: Destination, event: ConversionEvent, options: Options, *, now: datetime) -> str:
    """Why the event is not sent there, or empty: consent first, then age, then what the service refuses."""
    if destination.purpose not in event.allows:
        return f"The person has not allowed {destination.purpose}."
    if event.at < now - destination.age_limit:
        return f"It is older than the {_span(destination.age_limit)} that are taken."
    if event.at > now + AHEAD:
        return "It lies in the future."
    if event.taken_back is not None and (reason := destination.retraction(event, options)):
        return reason
    return destination.refusal(event, options)


def wants(options: Options, kind: str) -> bool:
    """Whether the connection is for conversions of this type; with none named it is for all."""
    named = {word.strip().lower() for word in str(options.get("kinds") or "").split(",") if word.strip()}
    return not named or kind.lower() in named


KINDS = Field(
    key="kinds",
    label="Types of conversions",
    help="Separated by commas, such as purchase, lead. Empty: all.",
    is_required=False,
)
REGION = Field(
    key="region",
    label="Country of phone numbers",
    help="Two letters, for numbers written without their country. Empty: those are left out.",
    is_required=False,
)


def word(kind: str) -> str:
    """A type of conversion as an identifier: lower case, words joined by underscores."""
    return "_".join("".join(one if one.isalnum() else " " for one in kind.lower()).split())


def filled(**values: Any) -> dict[str, Any]:
    """The values that are there."""
    return {name: value for name, value in values.items() if value not in ("", None, [], {})}


def _span(limit: timedelta) -> str:
    return f"{limit.days} days" if limit.days > 3 else f"{int(limit.total_seconds() // 3_600)} hours"
