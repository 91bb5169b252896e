"""Rows of a file as ids to find people by: user ids, and the blind indexes of addresses and numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.accounts import personal_fields, scoping
from apps.accounts.errors import Invalid
from apps.accounts.identities import LONGEST_ID
from apps.attribution.row_files import Row, Table, blocks, columns
from apps.campaigns.models import RefusedRow

Reason = RefusedRow.Reason
BATCH = 20_000

# What a column may be, and under which names files have it.
FIELDS = {
    "user_id": ("user_id", "customer_id", "external_id", "userid", "id"),
    "email": ("email", "e-mail", "email_address", "mail"),
    "phone": ("phone", "phone_number", "mobile", "telephone"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who a row means. email, phone: as they were written; their indexes find people."""

    line: int
    user_id: str | None = None
    email: str | None = None
    phone: str | None = None
    email_index: bytes | None = None
    phone_index: bytes | None = None


@dataclass
class Batch:
    """Rows that follow one another. next_line: where the next ones begin."""

    rows: int = 0
    next_line: int = 0
    wanted: list[Wanted] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


def checked_mapping(path: Path, given: Mapping[str, str] | None) -> dict[str, str]:
    """Which column is what: as given, or by the names. Raises Invalid, UnreadableFile."""
    names = columns(path)
    if given:
        strange = sorted(set(given) - set(FIELDS))
        missing = sorted(set(given.values()) - set(names))
        if strange:
            raise Invalid(
                {"columns": [f"Unknown field {', '.join(strange)}. There are {', '.join(FIELDS)}."]}
            )
        if missing:
            raise Invalid(
                {"columns": [f"The file has no column {', '.join(missing)}; it has {_some(names)}."]}
            )
        return dict(given)
    by_name = {name.strip().lower().replace(" ", "_"): name for name in reversed(names)}
    guess = {
        own: by_name[alias]
        for own, aliases in FIELDS.items()
        for alias in reversed(aliases)
        if alias in by_name
    }
    if not guess:
        raise Invalid({"columns": [f"Which column is user_id, email or phone? The file has {_some(names)}."]})
    return guess


def batches(path: Path, mapping: Mapping[str, str], *, start_line: int) -> Iterator[Batch]:
    """The file from a line on, so many rows at a time. Raises UnreadableFile."""
    for block in blocks(path, size=BATCH):
        rows = _from(block, start_line)
        if rows:
            yield _read(rows, mapping)


def _from(block: Table | list[Row], start_line: int) -> list[Row]:
    if isinstance(block, Table):
        if not len(block) or block.lines[-1] < start_line:
            return []
        block = block.rows(range(len(block)))
    return [row for row in block if row.line >= start_line]


def _read(rows: list[Row], mapping: Mapping[str, str]) -> Batch:
    batch, readers = Batch(rows=len(rows), next_line=rows[-1].line + 1), _readers()
    for row in rows:
        if row.fault:
            batch.refused.append((row.line, Reason.UNREADABLE))
            continue
        found, fault = _identified(row, mapping, readers)
        if found:
            batch.wanted.append(Wanted(row.line, **found))
        else:
            batch.refused.append((row.line, fault or Reason.EMPTY))
    return batch


Reader = Callable[[str], dict[str, Any]]


def _readers() -> dict[str, tuple[Reader, Reason]]:
    workspace_id = scoping.current_id()

    def indexed(name: str) -> Reader:
        return lambda text: {
            name: text,
            f"{name}_index": personal_fields.index_of(workspace_id, name, text),
        }

    return {
        "user_id": (_user_id, Reason.BAD_USER_ID),
        "email": (indexed("email"), Reason.BAD_EMAIL),
        "phone": (indexed("phone"), Reason.BAD_PHONE),
    }


def _identified(
    row: Row, mapping: Mapping[str, str], readers: Mapping[str, tuple[Reader, Reason]]
) -> tuple[dict[str, Any], Reason | None]:
    """What of the row can be used, and what the first of its other cells suffers from."""
    found: dict[str, Any] = {}
    fault = None
    for name, (read, reason) in readers.items():
        text = _cell(row.values.get(mapping.get(name, ""))) if name in mapping else ""
        if text:
            try:
                found |= read(text)
            except Invalid:
                fault = fault or reason
    return found, fault


def _user_id(text: str) -> dict[str, Any]:
    is_storable = "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)
    if len(text) > LONGEST_ID or not is_storable:
        raise Invalid({"user_id": [f"An id is a text of 1 to {LONGEST_ID} characters, without NUL."]})
    return {"user_id": text}


def _cell(value: Any) -> str:
    """Of a file with types, a number is an id as well."""
    return "" if value is None or isinstance(value, dict | list | bool) else str(value).strip()


def _some(names: Iterable[str]) -> str:
    told = list(names)
    return ", ".join(told[:20]) + (" and more" if len(told) > 20 else "")
