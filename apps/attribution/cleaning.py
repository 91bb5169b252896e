"""Single values as people and programs send them, made safe to keep. Problem says what to do instead."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

Cleaner = Callable[[Any], Any]

MAX_PROPERTIES_BYTES = 8 * 1024
MAX_PROPERTIES_DEPTH = 8
MAX_AMOUNT = Decimal(10) ** 11
MAX_COST = Decimal(10) ** 9
MAX_COUNT = 2**53
MAX_CONSENTS, MAX_PURPOSE = 20, 60
MAX_NAMES_KNOWN = 1_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Epoch seconds stay below 1e11 until the year 5138; the same moments in milliseconds lie above it since 1973.
_MILLISECONDS_FROM = 10**11
_MICROSECONDS_FROM = 10**14
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})", re.ASCII)
_EPOCH_TEXT = re.compile(r"\d{9,17}(?:\.\d{1,9})?", re.ASCII)
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no", ""}


class Problem(Exception):
    """Why a value cannot be used, in a sentence for whoever sent it."""


def text(limit: int) -> Cleaner:
    """An id or a name: a text or a whole number, without blanks around it."""

    def clean(value: Any) -> str:
        if type(value) is int and value.bit_length() <= 3 * limit:
            value = str(value)
        elif type(value) is not str:
            raise Problem("Give a text or a whole number.")
        found = value.strip()
        if len(found) > limit:
            raise Problem(f"At most {limit:,} characters; this has {len(found):,}.")
        if "\x00" in found:
            raise Problem("Remove the NUL character.")
        if not found.isascii():
            _check_encodable(found)
        return found

    return clean


def lower(limit: int) -> Cleaner:
    """A text in lower case, for names that should be equal however they are typed. Few names, used often."""
    clean_text = text(limit)
    known: dict[str, str] = {}

    def clean(value: Any) -> str:
        if type(value) is str and value in known:
            return known[value]
        # Again after: a capital I with a dot becomes two characters.
        cleaned = str(clean_text(clean_text(value).lower()))
        if type(value) is str and len(value) <= limit and len(known) < MAX_NAMES_KNOWN:
            known[value] = cleaned
        return cleaned

    return clean


def currency(value: Any) -> str:
    if type(value) is str:
        code = value.strip().upper()
        if not code or (len(code) == 3 and code.isascii() and code.isalpha()):
            return code
    raise Problem("Give the three letters of ISO 4217, such as GBP.")


def moment(value: Any) -> datetime:
    """ISO 8601 (no offset means UTC), epoch seconds or milliseconds, as a moment in UTC."""
    if type(value) is str:
        value = value.strip()
        if _EPOCH_TEXT.fullmatch(value):
            return _from_epoch(float(value))
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise Problem("Give ISO 8601, such as 2026-11-20T14:30:00Z, or seconds since 1970.") from None
        return _in_utc(found)
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if type(value) in (int, float):
        return _from_epoch(value)
    raise Problem("Give ISO 8601, such as 2026-11-20T14:30:00Z, or seconds since 1970.")


def amount(value: Any) -> Decimal:
    """Money: a number or a plain decimal text. A float is taken as it is written."""
    found = _decimal(value)
    if abs(found) >= MAX_AMOUNT:
        raise Problem(f"Give an amount below {MAX_AMOUNT:,}.")
    return found


def cost(value: Any) -> Decimal:
    """What something cost, to the ten thousandth."""
    found = _decimal(value)
    if not 0 <= found < MAX_COST:
        raise Problem(f"Give an amount from 0 to below {MAX_COST:,}.")
    return round(found, 4)


def count(value: Any) -> int:
    found = _decimal(value)
    if found != int(found) or not 0 <= found <= MAX_COUNT:
        raise Problem("Give a whole number, 0 or more.")
    return int(found)


def flag(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    word = value.strip().lower() if type(value) is str else None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Problem("Give true or false.")


def properties(value: Any) -> dict[str, Any]:
    """A JSON object (or, from a file, a text that holds one), bounded in size and depth."""
    if type(value) is str:
        value = _object_in(value)
    if type(value) is not dict:
        raise Problem("Give an object of names and values.")
    try:
        size = len(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError):
        raise Problem("Give values that JSON can hold.") from None
    if size > MAX_PROPERTIES_BYTES:
        raise Problem(f"At most {MAX_PROPERTIES_BYTES:,} bytes as JSON; this has {size:,}.")
    _check_tree(value, MAX_PROPERTIES_DEPTH)
    return value


def consents(value: Any) -> dict[str, bool]:
    """What a person allows, by purpose: {"ad_user_data": true}."""
    if type(value) is not dict or len(value) > MAX_CONSENTS:
        raise Problem(f"Give true or false by purpose, for at most {MAX_CONSENTS} purposes.")
    clean_name = text(MAX_PURPOSE)
    found = {clean_name(name): is_granted for name, is_granted in value.items()}
    if "" in found or not all(type(is_granted) is bool for is_granted in found.values()):
        raise Problem('Give true or false by purpose, such as {"ad_user_data": true}.')
    return found


def _object_in(value: str) -> Any:
    if not value.strip():
        return {}
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Problem("This text is not a JSON object.") from None


def _check_tree(value: Any, levels_left: int) -> None:
    """No deeper than allowed, no NUL in any text, no number that JSON cannot say."""
    if type(value) is str:
        if "\x00" in value:
            raise Problem("Remove the NUL character.")
    elif type(value) is float:
        if not math.isfinite(value):
            raise Problem("Give finite numbers.")
    elif type(value) in (dict, list):
        if levels_left == 0:
            raise Problem(f"At most {MAX_PROPERTIES_DEPTH} levels deep.")
        items = (*value, *value.values()) if type(value) is dict else value
        for item in items:
            _check_tree(item, levels_left - 1)


def _decimal(value: Any) -> Decimal:
    if type(value) is str:
        value = value.strip()
        if _NUMBER.fullmatch(value):
            return Decimal(value)
    elif type(value) is int:
        if abs(value) < 10**20:
            return Decimal(value)
        raise Problem("This number is absurdly large.")
    elif type(value) is float:
        if math.isfinite(value) and abs(value) < 1e20:
            return Decimal(repr(value))
    elif isinstance(value, Decimal) and value.is_finite() and abs(value) < 10**20:
        return value
    raise Problem("Give a finite number, such as 99.99, without currency sign or thousands separator.")


def _from_epoch(value: float) -> datetime:
    try:
        if abs(value) >= _MICROSECONDS_FROM:
            value /= 1_000_000
        elif abs(value) >= _MILLISECONDS_FROM:
            value /= 1_000
        return EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Problem("This is not a moment anybody has lived in.") from None


def _in_utc(found: datetime) -> datetime:
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC)
    try:
        return found.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Problem("This is not a moment anybody has lived in.") from None


def _check_encodable(found: str) -> None:
    try:
        found.encode()
    except UnicodeEncodeError:
        raise Problem("This holds half a character (a lone surrogate). Send whole Unicode.") from None
