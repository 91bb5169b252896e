"""A JSON document sealed under its row's own key; without the key nothing is left to read.

The row has `public_id`, `data_key` and the sealed column.
"""

import json
from typing import Any

from apps.accounts import key_rotation, sealing


def seals(table: str) -> None:
    """Have the data keys of a table wrapped anew when master keys are exchanged."""
    key_rotation.TABLES.append(table)


def put(row: Any, column: str, document: Any) -> None:
    """Seal the document into the column, unsaved; makes the row's key when it is the first."""
    if row.data_key is None:
        key = sealing.DataKey.new()
        row.data_key = key.wrap(_place(row, "data_key"))
    else:
        key = _key(row)
    setattr(row, column, key.seal(json.dumps(document, separators=(",", ":")), _place(row, column)))


def get(row: Any, column: str) -> Any:
    """The document, or None where there is none (any more). Raises SealBroken or KeyMissing."""
    sealed = getattr(row, column)
    if sealed is None or row.data_key is None:
        return None
    return json.loads(_key(row).open(bytes(sealed), _place(row, column)))


def _key(row: Any) -> sealing.DataKey:
    return sealing.DataKey.unwrap(bytes(row.data_key), _place(row, "data_key"))


def _place(row: Any, field: str) -> sealing.Place:
    return sealing.Place(row._meta.db_table, field, row.public_id)
