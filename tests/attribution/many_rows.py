"""Thousands of rows of a model in one statement: made one by one they would take most of a test's time."""

from typing import Any

import numpy as np
from django.db import connection, models


def insert(model: type[models.Model], **columns: Any) -> list[int]:
    """Their keys, in the order of the rows.

    A list or an array says a value for each row, anything else the same value for all; what is left out gets
    the field's own default.
    """
    fields = [one for one in model._meta.concrete_fields if not one.primary_key or one.name in columns]
    count = next(len(one) for one in columns.values() if _is_many(one))
    given = {one: _given(one, columns, count) for one in fields if _is_set(one, columns)}
    names = ", ".join(connection.ops.quote_name(one.column) for one in given)
    chosen = ", ".join(
        f"unnest(%s::{one.db_type(connection)}[])" if _is_many(value) else "%s"
        for one, value in given.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({names}) SELECT {chosen} RETURNING id",
            list(given.values()),
        )
        return [key for (key,) in cursor.fetchall()]


def _is_many(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _is_set(field: models.Field, columns: dict[str, Any]) -> bool:
    """Whether a value must be written: it is given, or Django and not the database makes its default."""
    is_given = field.attname in columns or field.name in columns
    return is_given or not (field.null or field.has_db_default())


def _given(field: models.Field, columns: dict[str, Any], count: int) -> Any:
    if field.attname not in columns and field.name not in columns:
        return [_stored(field, field.get_default()) for _ in range(count)]
    value = columns.get(field.attname, columns.get(field.name))
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if isinstance(value, list) else _stored(field, getattr(value, "pk", value))


def _stored(field: models.Field, value: Any) -> Any:
    return field.get_db_prep_save(value, connection)
