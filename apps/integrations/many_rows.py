"""Many rows of a table in one statement of one array per column.

What the ORM writes has a placeholder for each value as soon as a row has bytes or a default of the database
(two thousand for a hundred rows of twenty columns), and taking them apart costs more than the rows do.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Field, Model
from django.db.models.fields import NOT_PROVIDED


def insert(rows: Sequence[Model]) -> None:
    """Insert new rows of one model, which get their keys. Columns with a default of the database get that."""
    if not rows:
        return
    model = type(rows[0])
    columns = [[_told(column, row) for row in rows] for column in _columns(model)]
    with connection.cursor() as cursor:
        cursor.execute(_statement(model), columns)
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
            row._state.adding, row._state.db = False, connection.alias


@cache
def _columns(model: type[Model]) -> "list[Field[Any, Any]]":
    own = model._meta.local_concrete_fields
    return [one for one in own if not one.primary_key and one.db_default is NOT_PROVIDED]


def _told(column: "Field[Any, Any]", row: Model) -> Any:
    value = getattr(row, column.attname)
    if isinstance(column, ArrayField):  # arrays of different lengths are no array
        return "{" + ",".join(_quoted(str(one)) for one in value) + "}"
    return column.get_db_prep_save(value, connection)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@cache
def _statement(model: type[Model]) -> str:
    """Every array is of the column's own type; arrays of arrays go as text, and so does text, which a cast to
    the column's length would cut off unseen.
    """
    quote = connection.ops.quote_name
    names, arrays, read = [], [], []
    for column in _columns(model):
        kind, name = str(column.db_type(connection)), quote(column.column)
        is_array = isinstance(column, ArrayField)
        names.append(name)
        arrays.append("%s::text[]" if is_array or kind.startswith("varchar") else f"%s::{kind}[]")
        read.append(f"v.{name}::{kind}" if is_array else f"v.{name}")
    table, key = quote(model._meta.db_table), quote(model._meta.pk.column)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(read)}"  # noqa: S608 - names of ours
        f" FROM unnest({', '.join(arrays)}) WITH ORDINALITY AS v({', '.join(names)}, place)"
        f" ORDER BY v.place RETURNING {key}"
    )
