"""Channel rules as somebody wrote them, checked, with every fault named; and names of channels as keys."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from apps.accounts.errors import Invalid
from apps.attribution.channel_rules import CONDITIONS

MAX_RULES = 500
MAX_PATTERN = 300
MAX_CHANNELS = 200
# What the analysis calls revenue without a known touch; no touch may be in it.
RESERVED = {"none"}


def key_of(name: str) -> str:
    """A channel's key from a name somebody wrote: "Paid Social" → "paid_social"; "" where nothing is left."""
    words = "".join(
        letter if letter.isalnum() else " " for letter in unicodedata.normalize("NFKC", name).casefold()
    )
    key = "_".join(words.split())[:60]
    return "" if key in RESERVED else key


def clean(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules with every condition present, in lower case. Raises Invalid for all that is wrong."""
    if not isinstance(rules, list | tuple) or not 1 <= len(rules) <= MAX_RULES:
        raise Invalid({"rules": [f"Give a list of 1 to {MAX_RULES} rules."]})
    errors: dict[str, list[str]] = {}
    cleaned = [_clean_rule(rule, f"rules.{place}", errors) for place, rule in enumerate(rules)]
    if len({rule["channel_key"] for rule in cleaned}) > MAX_CHANNELS:
        errors["rules"] = [f"These rules name more than {MAX_CHANNELS} channels."]
    if errors:
        raise Invalid(errors)
    return cleaned


def _clean_rule(rule: Any, place: str, errors: dict[str, list[str]]) -> dict[str, Any]:
    if not isinstance(rule, Mapping):
        errors[place] = ["Give an object with channel_key and conditions."]
        return {"channel_key": ""}
    name = rule.get("channel_key")
    key = key_of(name) if isinstance(name, str) else ""
    if not key:
        errors[f"{place}.channel_key"] = ["Name the channel this rule leads to."]
    if not isinstance(rule.get("is_active", True), bool):
        errors[f"{place}.is_active"] = ["Give true or false."]
    for unknown in rule.keys() - {"channel_key", "is_active", *CONDITIONS}:
        errors[f"{place}.{unknown}"] = [f"Not a condition. Choose from {', '.join(CONDITIONS)}."]
    return {"channel_key": key, "is_active": rule.get("is_active", True)} | {
        condition: _clean_pattern(rule.get(condition), f"{place}.{condition}", errors)
        for condition in CONDITIONS
    }


def _clean_pattern(pattern: Any, place: str, errors: dict[str, list[str]]) -> str:
    if pattern is None:
        return ""
    if not isinstance(pattern, str) or len(pattern.lower()) > MAX_PATTERN or "\x00" in pattern:
        errors[place] = [f"Give a text of at most {MAX_PATTERN} characters."]
        return ""
    return pattern.strip().lower()
