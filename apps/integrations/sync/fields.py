"""The canonical fields of records: of what kind each is, what may stand in it, and how two sides are merged
unless a person chose otherwise.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from apps.accounts.errors import Invalid
from apps.integrations.connectors.crm.system import Entity

LONGEST_TEXT = 1_000
MOST_TAGS = 200


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DAY = "day"
    TRUTH = "truth"
    TAGS = "tags"
    CONSENT = "consent"


class Policy(StrEnum):
    """What counts where both sides changed a field."""

    REMOTE_WINS = "remote_wins"
    LOCAL_WINS = "local_wins"
    NEWEST = "newest"
    UNION = "union"
    WITHDRAWAL_WINS = "withdrawal_wins"
    MANUAL = "manual"


POLICY_WORDS = {
    Policy.REMOTE_WINS: "theirs counts",
    Policy.LOCAL_WINS: "ours counts",
    Policy.NEWEST: "the later change counts",
    Policy.UNION: "both are kept",
    Policy.WITHDRAWAL_WINS: "a withdrawal counts",
    Policy.MANUAL: "a person decides",
}

KINDS: dict[Entity, dict[str, Kind]] = {
    Entity.CONTACT: {
        "kind": Kind.TEXT,
        "first_name": Kind.TEXT,
        "last_name": Kind.TEXT,
        "company": Kind.TEXT,
        "email": Kind.TEXT,
        "phone": Kind.TEXT,
        "tags": Kind.TAGS,
        "marketing_opt_in": Kind.CONSENT,
    },
    Entity.JOB: {
        "name": Kind.TEXT,
        "stage": Kind.TEXT,
        "job_type": Kind.TEXT,
        "lead_source": Kind.TEXT,
        "inquiry_date": Kind.DAY,
        "event_date": Kind.DAY,
        "booking_date": Kind.DAY,
        "guest_count": Kind.NUMBER,
        "total": Kind.MONEY,
        "currency": Kind.TEXT,
        "is_closed": Kind.TRUTH,
        "tags": Kind.TAGS,
    },
}
CHOICES = {
    "kind": ("person", "company", "employee", "location"),
    "stage": ("lead", "booked", "fulfilment", "completed"),
}
# Who a job is for is the system's own: read, and told of one that is made, by ids or as they are.
CONTACTS, PEOPLE = "contacts", "people"
DEFAULTS: dict[Entity, dict[str, Policy]] = {
    Entity.CONTACT: {
        "kind": Policy.REMOTE_WINS,
        "first_name": Policy.NEWEST,
        "last_name": Policy.NEWEST,
        "company": Policy.NEWEST,
        "email": Policy.MANUAL,
        "phone": Policy.NEWEST,
        "tags": Policy.UNION,
        "marketing_opt_in": Policy.WITHDRAWAL_WINS,
    },
    Entity.JOB: {
        "name": Policy.NEWEST,
        "stage": Policy.REMOTE_WINS,
        "job_type": Policy.REMOTE_WINS,
        "lead_source": Policy.NEWEST,
        "inquiry_date": Policy.REMOTE_WINS,
        "event_date": Policy.MANUAL,
        "booking_date": Policy.REMOTE_WINS,
        "guest_count": Policy.NEWEST,
        "total": Policy.REMOTE_WINS,
        "currency": Policy.REMOTE_WINS,
        "is_closed": Policy.REMOTE_WINS,
        "tags": Policy.UNION,
    },
}
_USUAL = (Policy.REMOTE_WINS, Policy.LOCAL_WINS, Policy.NEWEST, Policy.MANUAL)


def allowed(kind: Kind) -> tuple[Policy, ...]:
    """The policies that a person may choose for a field of the kind. A withdrawal counts anyway."""
    if kind == Kind.CONSENT:
        return (Policy.WITHDRAWAL_WINS,)
    return (Policy.UNION, *_USUAL) if kind == Kind.TAGS else _USUAL


def policies(entity: Entity, chosen: Mapping[str, str]) -> dict[str, Policy]:
    """Field → policy: the house's, unless one was chosen that the field may have."""
    known = {one.value: one for one in Policy}
    told = {name: known[text] for name, text in chosen.items() if text in known}
    return {
        name: told[name] if told.get(name) in allowed(KINDS[entity][name]) else default
        for name, default in DEFAULTS[entity].items()
    }


def cleaned(entity: Entity, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept. Raises Invalid, with the fields named."""
    errors: dict[str, list[str]] = {}
    kept: dict[str, Any] = {}
    for name, value in given.items():
        kind = KINDS[entity].get(name)
        if kind is None:
            errors[name] = [f"A {entity.value} has no such field."]
            continue
        try:
            kept[name] = _clean(name, kind, value)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Invalid(errors)
    return kept


def usable(entity: Entity, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a system's values that can be kept; what cannot be is left as it was."""
    kept = {}
    for name, value in given.items():
        if name in KINDS[entity]:
            try:
                kept[name] = _clean(name, KINDS[entity][name], value, is_lenient=True)
            except ValueError:
                continue
    return kept


def _clean(name: str, kind: Kind, value: Any, *, is_lenient: bool = False) -> Any:
    if value is None or value == "":
        return None
    if name in CHOICES and not is_lenient and value not in CHOICES[name]:
        raise ValueError(f"Choose one of: {', '.join(CHOICES[name])}.")
    return _CLEAN[kind](value)


def _text(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else None
    if text is None or len(text) > LONGEST_TEXT or "\0" in text or not _is_encodable(text):
        raise ValueError(f"Give a text of at most {LONGEST_TEXT:,} characters.")
    return text or None


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value)):
        raise ValueError("Give a whole number from 0 on.")
    return int(value)


def _money(value: Any) -> str:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("Give an amount such as 1250.00.") from None
    if not amount.is_finite() or abs(amount) >= 10**12:
        raise ValueError("Give an amount such as 1250.00.")
    return format(amount.quantize(Decimal("0.0001")).normalize() + 0, "f")


def _day(value: Any) -> str:
    text = str(value)
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError("Give a day such as 2027-06-12.") from None
    if len(text) > 40:
        raise ValueError("Give a day such as 2027-06-12.")
    return text


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Say true or false.")
    return value


def _tags(value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MOST_TAGS:
        raise ValueError(f"Give a list of at most {MOST_TAGS} texts.")
    return sorted({text for one in value if (text := _text(one))})


_CLEAN: dict[Kind, Any] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.MONEY: _money,
    Kind.DAY: _day,
    Kind.TRUTH: _truth,
    Kind.TAGS: _tags,
    Kind.CONSENT: _truth,
}
