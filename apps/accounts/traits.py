"""What an identify call says about a person, taken apart: what is personal and gets sealed, and the rest."""

import json
from collections.abc import Iterator
from typing import Any

from apps.accounts.errors import Invalid

LONGEST_KEY = 60
DEEPEST = 4
MOST_BYTES = 16_384

# The spellings under which other tools send the personal traits, so that none of them lands in the open.
SPELLINGS = {
    "email": ("email", "emailaddress", "mail"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "telephone"),
    "name": ("name", "fullname", "displayname"),
    "first_name": ("firstname", "givenname", "forename"),
    "last_name": ("lastname", "familyname", "surname"),
}
TRAIT_OF_SPELLING = {spelling: trait for trait, spellings in SPELLINGS.items() for spelling in spellings}


def split(traits: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(personal traits by their own names, all others). Raises Invalid, naming what cannot be kept."""
    personal: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in traits.items():
        trait = TRAIT_OF_SPELLING.get("".join(filter(str.isalnum, str(key))).lower())
        if trait is None:
            others[key] = value
        else:
            personal[trait] = value
    if faults := dict(_faults(others)):
        raise Invalid(faults)
    return personal, others


def updated(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The known traits with the given ones over them; null takes one away. Raises Invalid when they get too
    large.
    """
    merged = {key: value for key, value in {**known, **given}.items() if value is not None}
    if len(json.dumps(merged)) > MOST_BYTES:
        raise Invalid({"traits": [f"The traits of one person may take {MOST_BYTES:,} bytes of JSON."]})
    return merged


def _faults(traits: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for key, value in traits.items():
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not _is_storable(key):
            yield "traits", [f"The name of a trait is a text of 1 to {LONGEST_KEY} characters."]
        elif _depth(value) > DEEPEST:
            yield f"traits.{key}", [f"This is nested more than {DEEPEST} levels deep."]
        elif not _is_storable(value):
            yield f"traits.{key}", ["Use numbers that are finite and text without NUL and half characters."]


def _depth(value: Any) -> int:
    """Levels of lists and objects, counted no further than one too many."""
    level, layer = 0, [value]
    while layer and level <= DEEPEST:
        layer = [inner for outer in layer for inner in _inside(outer)]
        level += bool(layer)
    return level


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _is_storable(value: Any) -> bool:
    """Whether PostgreSQL's jsonb takes it."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return "\\u0000" not in text
