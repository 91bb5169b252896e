"""A file of comma-separated values as records: its columns found, each row read, or refused and why."""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.accounts.errors import Invalid
from apps.integrations import money
from apps.integrations.connectors.crm.system import Entity, Remote
from apps.integrations.sync.fields import KINDS, Kind, cleaned

LARGEST = 5 * 1024**2
MOST_ROWS = 5_000
ID = "id"
# What columns are called in the exports that studios have.
NAMES: dict[str, tuple[str, ...]] = {
    ID: ("id", "record id", "contact id", "job id", "project id", "reference"),
    "first_name": ("first name", "firstname", "given name", "forename"),
    "last_name": ("last name", "lastname", "surname", "family name"),
    "company": ("company", "business", "organisation", "organization", "company name"),
    "email": ("email", "e mail", "email address", "client email", "primary email"),
    "phone": ("phone", "phone number", "mobile", "cell", "cell phone", "telephone", "client phone"),
    "tags": ("tags", "labels"),
    "kind": ("kind", "contact type"),
    "marketing_opt_in": ("marketing", "opt in", "newsletter", "mailing list", "marketing opt in"),
    "name": ("name", "project name", "job name", "title", "shoot", "shoot title"),
    "stage": ("stage", "status", "project stage"),
    "job_type": ("job type", "project type", "type", "shoot type"),
    "lead_source": ("lead source", "source", "referral source", "how did you hear"),
    "inquiry_date": ("inquiry date", "enquiry date", "created", "lead date"),
    "event_date": ("event date", "wedding date", "date", "project date", "shoot date"),
    "booking_date": ("booking date", "booked", "booked date"),
    "guest_count": ("guests", "guest count"),
    "total": ("total", "amount", "value", "project value", "revenue", "price"),
    "currency": ("currency",),
    "is_closed": ("closed", "archived"),
}
YES, NO = {"yes", "y", "true", "1", "x", "on"}, {"no", "n", "false", "0", "off"}
STAGES = {
    "inquiry": "lead",
    "enquiry": "lead",
    "new": "lead",
    "confirmed": "booked",
    "contracted": "booked",
    "in progress": "fulfilment",
    "fulfillment": "fulfilment",
    "done": "completed",
    "complete": "completed",
    "archived": "completed",
}
DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y")


@dataclass
class Rows:
    """What a file says. refused: line → why."""

    header: list[str]
    remotes: list[Remote] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def table_of(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows. Raises Invalid for what is no such file."""
    if len(content) > LARGEST:
        raise Invalid({"file": [f"At most {LARGEST // 1024**2} MB. Bring it in parts."]})
    text = _text(content)
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as error:
        raise Invalid({"file": [f"It cannot be read as a table: {error}."]}) from error
    if len(rows) < 2:
        raise Invalid({"file": ["It needs a line of names and at least one line below it."]})
    if len(rows) > MOST_ROWS + 1:
        raise Invalid({"file": [f"At most {MOST_ROWS:,} lines. Bring it in parts."]})
    return [name.strip()[:120] for name in rows[0]], rows[1:]


def _text(content: bytes) -> str:
    if b"\0" in content:
        raise Invalid({"file": ["This is no text. Export it as CSV."]})
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def guessed(entity: Entity, header: Sequence[str]) -> dict[str, str]:
    """Field → column, by the names that such columns have."""
    found: dict[str, str] = {}
    by_name = {_plain(name): name for name in reversed(header)}
    for wanted, names in NAMES.items():
        if wanted == ID or wanted in KINDS[entity]:
            column = next((by_name[name] for name in names if name in by_name), None)
            if column is not None and column not in found.values():
                found[wanted] = column
    return found


def checked(entity: Entity, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The chosen columns. Raises Invalid."""
    told = {name: column for name, column in columns.items() if column}
    errors = {}
    for name, column in told.items():
        if name != ID and name not in KINDS[entity]:
            errors[name] = [f"A {entity.value} has no such field."]
        elif column not in header:
            errors[name] = ["The file has no such column."]
    if not errors and not set(told) - {ID}:
        errors["columns"] = ["Say which column holds what."]
    if errors:
        raise Invalid(errors)
    return told


def read(entity: Entity, content: bytes, columns: Mapping[str, str], *, currency: str = "") -> Rows:
    """Each row as a record of the system that the file stands for. currency: of rows that name none."""
    header, rows = table_of(content)
    places = {name: header.index(column) for name, column in columns.items()}
    found, values = Rows(header), []
    for line, row in enumerate(rows, start=2):
        told = {name: row[place].strip() for name, place in places.items() if place < len(row)}
        try:
            fields = _fields(entity, told, currency)
            values.append((told.get(ID, ""), fields))
        except Invalid as error:
            name, words = next(iter(error.errors.items()))
            found.refused[line] = f"{name}: {words[0]}"
    found.remotes = _named(entity, values)
    return found


def _fields(entity: Entity, told: Mapping[str, str], currency: str) -> dict[str, Any]:
    """An empty cell says nothing."""
    places = money.exponent_of(told.get("currency") or currency)
    fields = {
        name: _read(name, KINDS[entity][name], text, places)
        for name, text in told.items()
        if name != ID and text
    }
    if not fields:
        raise Invalid({"row": ["It says nothing."]})
    if entity == Entity.CONTACT and not fields.keys() & {
        "email",
        "phone",
        "first_name",
        "last_name",
        "company",
    }:
        raise Invalid({"row": ["It names nobody."]})
    return cleaned(entity, fields)


def _read(name: str, kind: Kind, text: str, places: int) -> Any:
    if kind == Kind.DAY:
        return _day(name, text)
    if kind in {Kind.TRUTH, Kind.CONSENT}:
        return _truth(name, text)
    if kind == Kind.TAGS:
        return [one.strip() for one in re.split(r"[,;|]", text) if one.strip()]
    if kind == Kind.MONEY:
        return _amount(name, text, places)
    if name == "stage":
        return STAGES.get(text.casefold(), text.casefold())
    return text.casefold() if name == "kind" else text


def _day(name: str, text: str) -> str:
    """Day before month, as written in Europe; a file of the other order says so by a day above 12."""
    for form in DAYS:
        try:
            return datetime.strptime(text[:30], form).date().isoformat()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Invalid({name: [f"{text[:30]!r} is no day that can be read."]}) from None


def _truth(name: str, text: str) -> bool:
    if text.casefold() in YES:
        return True
    if text.casefold() in NO:
        return False
    raise Invalid({name: [f"{text[:30]!r} is neither yes nor no."]})


def _amount(name: str, text: str, places: int) -> str:
    """1,250.00 and 1.250,00 alike; signs of currencies do not count. places: how many the currency has."""
    digits = re.sub(r"[^\d.,\-]", "", text)
    last = max(digits.rfind(","), digits.rfind("."))
    whole, cents = (digits[:last], digits[last + 1 :]) if _is_point(digits, last, places) else (digits, "")
    plain = re.sub(r"[.,]", "", whole) + (f".{cents}" if cents else "")
    try:
        return str(Decimal(plain))
    except InvalidOperation:
        raise Invalid({name: [f"{text[:30]!r} is no amount."]}) from None


def _is_point(digits: str, place: int, places: int) -> bool:
    """Whether the sign at that place, the last of them, parts whole units from their parts. Before three
    digits that is said by another sign before it, a nought alone, or the currency; else it parts thousands.
    """
    if place < 0 or digits.count(digits[place]) > 1:
        return False
    before, after = digits[:place].lstrip("-"), digits[place + 1 :]
    return len(after) != 3 or places == 3 or before in {"", "0"} or bool({".", ","} & set(before))


def _named(entity: Entity, values: Sequence[tuple[str, dict[str, Any]]]) -> list[Remote]:
    """An id of the file's own, or one that the same row has the next time as well."""
    keys = Counter(_key(entity, fields) for _, fields in values)
    found = []
    for given, fields in values:
        key = _key(entity, fields)
        more = f"|{str(fields.get('first_name')).casefold()}" if keys[key] > 1 else ""
        made = "csv:" + hashlib.sha256(f"{key}{more}".encode()).hexdigest()[:32]
        found.append(Remote(entity=entity, id=given[:200] or made, raw={}, fields=fields))
    return found


def _key(entity: Entity, fields: Mapping[str, Any]) -> str:
    if entity == Entity.JOB:
        return f"{fields.get('name')}|{fields.get('event_date')}".casefold()
    names = "|".join(str(fields.get(name)) for name in ("first_name", "last_name", "company"))
    return str(fields.get("email") or fields.get("phone") or names).casefold()


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_\-]+", " ", name.casefold()).split())
