"""Long lists newest first, in slices that neither skip nor repeat a row while new ones arrive."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

SIZE = 50


@dataclass(frozen=True)
class Slice:
    """rows: newest first. newer, older: the ids to ask after and before; None where there is nothing."""

    rows: list[Any]
    newer: int | None
    older: int | None

    @property
    def has_more(self) -> bool:
        return self.newer is not None or self.older is not None


def slice_of(rows: QuerySet[Any], asked: QueryDict, *, size: int = SIZE) -> Slice:
    """The slice that `?before=<id>` or `?after=<id>` asks for, else the newest one."""
    before, after = _id(asked.get("before")), _id(asked.get("after"))
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        kept, has_newer = found[:size][::-1], len(found) > size
        has_older = bool(kept) and rows.filter(pk__lt=kept[-1].pk).exists()
    else:
        older_than = rows if before is None else rows.filter(pk__lt=before)
        found = list(older_than.order_by("-pk")[: size + 1])
        kept, has_older = found[:size], len(found) > size
        has_newer = before is not None and bool(kept)
    return Slice(kept, kept[0].pk if has_newer else None, kept[-1].pk if has_older else None)


def _id(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
