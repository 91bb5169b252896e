"""Steps, ways in and goals in words, for pages and pictures."""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.campaigns.journeys import sources, waits
from apps.campaigns.journeys.steps import KINDS
from apps.campaigns.models import Audience, Campaign

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TESTS = {
    "is": "is",
    "is_not": "is not",
    "at_least": "is at least",
    "at_most": "is at most",
    "contains": "contains",
}
Names = Mapping[str, str]


def names_in(graph: Mapping[str, Any]) -> Names:
    """Public id → name, of the campaigns and audiences that a graph names."""
    campaigns = [step.get("campaign") for step in graph["steps"].values() if step.get("campaign")]
    audiences = [entry.get("audience") for entry in graph["entries"] if entry.get("audience")]
    found = [
        *Campaign.objects.filter(public_id__in=campaigns).values_list("public_id", "name"),
        *Audience.objects.filter(public_id__in=audiences).values_list("public_id", "name"),
    ]
    return {str(public_id): name for public_id, name in found}


def step_words(step: Mapping[str, Any], names: Names) -> str:
    """What a step does, short enough for a heading."""
    kind = step["kind"]
    if kind == "message":
        return f"Send “{names[step['campaign']]}”" if step.get("campaign") in names else "Send a message"
    if kind == "wait":
        return f"Wait {length_words(step)}"
    if kind == "wait_hour":
        weekday = step.get("weekday")
        day = f" on {WEEKDAYS[weekday]}" if weekday is not None else ""
        return f"Wait until {step.get('hour', 0):02}:00{day}"
    if kind == "wait_date":
        return f"Wait until {day_words(step)}"
    if kind == "wait_event":
        return f"Wait for: {news_words(step)}; {length_words(step)} at most"
    return _other_words(step)


def _other_words(step: Mapping[str, Any]) -> str:
    kind = step["kind"]
    if kind == "condition":
        return (
            f"Is it so: {wheres_words(step['where'])}?" if step.get("where") else "Do rules fit the person?"
        )
    if kind == "split":
        shares = [arm.get("share", 1) for arm in step["arms"]]
        return "Split " + " : ".join(f"{share:g}" for share in shares)
    if kind == "task":
        return f"Task: {step.get('title') or '…'}"
    if kind == "tag":
        value = step.get("value")
        return f"{step.get('trait') or 'Trait'}: " + ("taken away" if value is None else str(value))
    label = step.get("label")
    return f"{KINDS[kind].name}: {label}" if label else KINDS[kind].name


def length_words(step: Mapping[str, Any]) -> str:
    parts = [(step.get(name) or 0, name) for name in waits.LENGTHS]
    told = [f"{amount:,} {name if amount != 1 else name[:-1]}" for amount, name in parts if amount]
    return " ".join(told) or "…"


def day_words(one: Mapping[str, Any]) -> str:
    days, trait = one.get("days", 0), one.get("trait") or "a date"
    where = f"{abs(days):,} {'day' if abs(days) == 1 else 'days'} {'before' if days < 0 else 'after'} "
    return f"{where if days else ''}{trait}, {one.get('hour', 9):02}:00"


def news_words(one: Mapping[str, Any]) -> str:
    source = sources.get(one.get("source", ""))
    told = source.name if source else str(one.get("source"))
    return f"{told} ({wheres_words(one['where'])})" if one.get("where") else told


def wheres_words(conditions: Iterable[Mapping[str, Any]]) -> str:
    return " and ".join(
        f"{one.get('field')} {TESTS.get(one.get('test', ''), '?')} {one.get('value')}" for one in conditions
    )


def entry_words(entry: Mapping[str, Any], names: Names) -> str:
    kind = entry.get("kind")
    if kind == "event":
        return news_words(entry)
    if kind == "audience":
        who = names.get(str(entry.get("audience")), "an audience")
        return f"Fits “{who}”" + (
            ", those already in it too" if entry.get("includes_present") else " from now on"
        )
    if kind == "date":
        return day_words(entry).capitalize()
    return "By request: the API or a colleague"


def reentry_words(days: int | None) -> str:
    if days is None:
        return "never again"
    return "each time" if days == 0 else f"again after {days:,} {'day' if days == 1 else 'days'}"
