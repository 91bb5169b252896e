"""The two forms of file that can be attributed, told by their column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class Refused(ValueError):
    """The file cannot be used. The message says where and what to do, in characters that are safe to show."""

    def __init__(self, message: str) -> None:
        shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        super().__init__("".join(shown))


@dataclass(frozen=True, kw_only=True)
class Form:
    """The columns a file of this form must have, may have, and may have without their being used."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    unused: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        return self.required + self.optional


EVENTS = Form(
    name="an event log",
    required=("user_id", "occurred_at", "kind", "channel"),
    optional=("value", "event_id", "order_id", "currency"),
    unused=(
        *("campaign", "campaign_id", "creative", "creative_id", "platform", "event_type", "conversion_type"),
        *("url", "referrer", "cost", "properties"),
        *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    ),
)
PATHS = Form(
    name="aggregated paths",
    required=("path", "total_conversions"),
    optional=("total_conversion_value", "total_null"),
)
_ALSO_CALLED = {
    "timestamp": "occurred_at",
    "time": "occurred_at",
    "date": "occurred_at",
    "event_time": "occurred_at",
    "revenue": "value",
    "amount": "value",
    "type": "kind",
    "customer_id": "user_id",
    "conversions": "total_conversions",
    "total_conversion": "total_conversions",
    "null": "total_null",
    "nulls": "total_null",
}


def form_of(names: Sequence[str]) -> Form:
    """The form of file that has columns like these; Refused where neither has."""
    form = PATHS if "path" in names else EVENTS
    if not set(names) & set(form.required):
        raise Refused(
            f"the columns {_listed(names)} are neither {EVENTS.name} ({', '.join(EVENTS.required)} and"
            f" perhaps campaign, value) nor {PATHS.name} ({', '.join(PATHS.used)})"
        )
    return form


def check(names: Sequence[str], form: Form, *, ignored: Collection[str]) -> None:
    """Refuse a name that stands twice, is missing, or is not known.

    A misspelt "valeu" would otherwise be revenue lost in silence.
    """
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Refused(f'the column "{twice[0]}" stands there twice: rename or remove one')
    for name in names:
        if name not in (*form.used, *form.unused, *ignored):
            raise Refused(unknown(name, form))
    missing = [name for name in form.required if name not in names]
    if missing:
        raise Refused(f"{form.name} needs the column {' and '.join(missing)}; there are {_listed(names)}")


def unknown(name: str, form: Form) -> str:
    """What to say of a column that the form does not have."""
    near = [_ALSO_CALLED[name]] if name in _ALSO_CALLED else get_close_matches(name, form.used, n=1)
    hint = f'call it "{near[0]}" if that is what it holds, or ' if near and near[0] in form.used else ""
    return f'the column "{name[:80]}" is not known: {hint}leave it out with --ignore-column "{name[:80]}"'


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"
