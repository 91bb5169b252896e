"""A rule tree as plain form fields, and back: so that it is built without JavaScript as well.

Each node has a path, "n", "n-0", "n-0-2"; its fields are named "<path>.<name>". A group says how its parts
are joined ("all", "any", "none") and how many they are. A deed ("add n-0", "drop n-1") changes the draft.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.campaigns.audiences import catalogue
from apps.campaigns.audiences.conditions import Entry, Input
from apps.campaigns.audiences.reading import Faults
from apps.campaigns.audiences.tree import DEEPEST, MOST_CONDITIONS, ROOT

TOP = "n"
MATCHES = (("all", "all of these"), ("any", "at least one of these"), ("none", "none of these"))
_JOINT = {"all": ".and", "any": ".or", "none": ".not.or"}
WINDOWS = (("", "ever"), ("last", "in the last … days"), ("between", "from a day to a day"))


@dataclass
class Row:
    """A condition as it was typed."""

    values: dict[str, str]


@dataclass
class Box:
    match: str = "all"
    parts: list["Box | Row"] = field(default_factory=list)


Draft = Box | Row


def first() -> Box:
    return Box(parts=[new_row()])


def new_row() -> Row:
    return Row({"field": "person.has_email", "value": "true"})


# From what was posted.


def read(data: Mapping[str, str], path: str = TOP, *, level: int = 1) -> Box:
    """The draft as it was posted; what is too deep or too much is left out."""
    count = min(_whole(data.get(f"{path}.parts")), MOST_CONDITIONS)
    match = data.get(f"{path}.match", "all")
    box = Box(match if match in dict(MATCHES) else "all")
    for place in range(count):
        inner = f"{path}-{place}"
        if f"{inner}.parts" in data and level <= DEEPEST:
            box.parts.append(read(data, inner, level=level + 1))
        elif f"{inner}.field" in data:
            box.parts.append(Row(_values(data, f"{inner}.")))
    return box


def _values(data: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): data[name] for name in data if name.startswith(prefix)}


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 5 else 0


def changed(draft: Box, deed: str) -> Box:
    """The draft after "add <path>", "group <path>" or "drop <path>"; anything else leaves it."""
    verb, _, path = deed.partition(" ")
    places = [_whole(one) for one in path.removeprefix(TOP).split("-")[1:]]
    if verb == "drop" and places:
        box = _box(draft, places[:-1])
        if box is not None and places[-1] < len(box.parts):
            del box.parts[places[-1]]
    elif verb in {"add", "group"} and (box := _box(draft, places)) is not None:
        box.parts.append(new_row() if verb == "add" else Box("any", [new_row()]))
    return draft


def _box(draft: Box, places: list[int]) -> Box | None:
    for place in places:
        if place >= len(draft.parts):
            return None
        inner = draft.parts[place]
        if not isinstance(inner, Box):
            return None
        draft = inner
    return draft


# To rules, and back.


def rules_of(draft: Box, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What the draft means; what cannot be read stays as it was typed, for the tree to say so."""
    parts = [
        rules_of(part, entries) if isinstance(part, Box) else _condition(part, entries)
        for part in draft.parts
    ]
    if draft.match == "none":
        return {"not": {"or": parts}}
    return {"and" if draft.match == "all" else "or": parts}


def _condition(row: Row, entries: Mapping[str, Entry]) -> dict[str, Any]:
    told: dict[str, Any] = {"field": row.values.get("field", "")}
    entry = entries.get(told["field"])
    for asked in () if entry is None else asked_of(entry, row.values):
        value = _READ[asked.kind](row.values, asked)
        if value not in ("", None, []):
            told[asked.name] = value
    return told


def asked_of(entry: Entry, values: Mapping[str, str]) -> list[Input]:
    """What the entry asks for, given what is chosen so far."""
    inputs = entry.inputs()
    chosen = {one.name: values.get(one.name) or _default(one) for one in inputs if one.kind == "choice"}
    return [one for one in inputs if one.when is None or chosen.get(one.when[0]) in one.when[1]]


def _default(one: Input) -> str:
    return one.default or (one.choices[0][0] if one.choices else "")


def _text(values: Mapping[str, str], asked: Input) -> Any:
    return values.get(asked.name, "").strip()


def _choice(values: Mapping[str, str], asked: Input) -> Any:
    return values.get(asked.name) or _default(asked)


def _texts(values: Mapping[str, str], asked: Input) -> Any:
    return [one.strip() for one in values.get(asked.name, "").split(",") if one.strip()]


def _number(values: Mapping[str, str], asked: Input) -> Any:
    text = values.get(asked.name, asked.default).strip()
    digits = text.removeprefix("-")
    return int(text) if asked.kind == "whole" and digits.isascii() and digits.isdigit() else text


def _yes_no(values: Mapping[str, str], asked: Input) -> Any:
    return values.get(asked.name, asked.default) != "false"


def _window(values: Mapping[str, str], asked: Input) -> Any:
    kind = values.get("window", "")
    if kind == "last":
        days = values.get("days", "30").strip()
        return {"last_days": int(days) if days.isascii() and days.isdigit() else days}
    told = {name: values.get(name, "").strip() for name in ("from", "until")}
    return {name: day for name, day in told.items() if day} if kind == "between" else None


_READ: dict[str, Callable[[Mapping[str, str], Input], Any]] = {
    "text": _text,
    "day": _text,
    "texts": _texts,
    "choice": _choice,
    "whole": _number,
    "number": _number,
    "yes_no": _yes_no,
    "window": _window,
}


def draft_of(rules: Mapping[str, Any]) -> Box:
    """The draft of rules that were kept."""
    found = _draft(rules)
    return found if isinstance(found, Box) else Box(parts=[found])


def _draft(rules: Mapping[str, Any]) -> Draft:
    for joint, match in (("and", "all"), ("or", "any")):
        if joint in rules:
            return Box(match, [_draft(one) for one in rules[joint]])
    if "not" in rules:
        inner = rules["not"]
        return Box("none", [_draft(one) for one in inner.get("or", [inner])])
    values: dict[str, str] = {}
    for name, value in rules.items():
        values |= _typed(name, value)
    return Row(values)


def _typed(name: str, value: Any) -> dict[str, str]:
    if name == "window":
        if "last_days" in value:
            return {"window": "last", "days": str(value["last_days"])}
        return {"window": "between", **value}
    if isinstance(value, list):
        return {name: ", ".join(value)}
    return {name: str(value).lower() if isinstance(value, bool) else str(value)}


# To be drawn.


def shown(draft: Box, *, faults: Faults | None = None) -> dict[str, Any]:
    """The draft for the template, each fault at its row, the rest at its group."""
    entries = catalogue.entries()
    by_key = {one.key: one for one in entries}
    groups: dict[str, list[Entry]] = {}
    for one in entries:
        groups.setdefault(one.group, []).append(one)
    return _shown_box(draft, TOP, ROOT, by_key, faults or {}, level=1) | {"groups": list(groups.items())}


def _shown_box(
    box: Box, path: str, rule_path: str, entries: Mapping[str, Entry], faults: Faults, *, level: int
) -> dict[str, Any]:
    inner = rule_path + _JOINT[box.match]
    parts = []
    for place, part in enumerate(box.parts):
        paths = f"{path}-{place}", f"{inner}[{place}]"
        if isinstance(part, Box):
            parts.append(_shown_box(part, *paths, entries, faults, level=level + 1))
        else:
            parts.append(_shown_row(part, *paths, entries, faults))
    own = [text for at in {rule_path, inner} for text in faults.get(at, [])]
    return {
        "is_group": True,
        "path": path,
        "match": box.match,
        "matches": MATCHES,
        "parts": parts,
        "count": len(parts),
        "errors": own,
        "may_nest": level < DEEPEST - 2,
        "is_top": level == 1,
    }


def _shown_row(
    row: Row, path: str, rule_path: str, entries: Mapping[str, Entry], faults: Faults
) -> dict[str, Any]:
    entry = entries.get(row.values.get("field", ""))
    asked = [] if entry is None else asked_of(entry, row.values)
    return {
        "path": path,
        "entry": entry,
        "inputs": [drawn for one in asked for drawn in _drawn(one, path, row.values)],
        "errors": [text for at, texts in faults.items() if at.startswith(rule_path) for text in texts],
    }


def _drawn(one: Input, path: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    if one.kind != "window":
        value = values.get(one.name, "") or (_default(one) if one.name not in values else "")
        choices = one.choices
        if one.kind == "yes_no":
            choices = (("true", "yes"), ("false", "no"))
        return [_field(path, one.name, one.label, one.kind, value, choices, one.suggestions)]
    kind = values.get("window", "")
    told = [_field(path, "window", one.label, "choice", kind, WINDOWS)]
    if kind == "last":
        told.append(_field(path, "days", "days", "whole", values.get("days", "30")))
    if kind == "between":
        told += [
            _field(path, name, label, "day", values.get(name, ""))
            for name, label in (("from", "from"), ("until", "until"))
        ]
    return told


def _field(
    path: str,
    name: str,
    label: str,
    kind: str,
    value: str,
    choices: tuple[tuple[str, str], ...] = (),
    suggestions: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "name": f"{path}.{name}",
        "id": f"{path}-{name}",
        "label": label,
        "kind": "choice" if choices else kind,
        "value": value,
        "choices": choices,
        "suggestions": suggestions,
    }
