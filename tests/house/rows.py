"""One row of any model, made from its columns: a model that somebody adds needs no builder to be tested."""

from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from django.db import models

from apps.accounts import scoping
from apps.accounts.models import User, Workspace
from tests.factories import NOW, UserFactory

_numbers = count(1_000)


def row_of(model: type[models.Model], workspace: Workspace) -> Any:
    """A row of the model in the workspace; the workspace itself for the model of workspaces."""
    if model is Workspace:
        return workspace
    with scoping.workspace(workspace):
        wanted = [column for column in model._meta.concrete_fields if _is_wanted(column)]
        values = {column.name: _value(column, workspace) for column in wanted}
        return model._default_manager.create(**values)


def _is_wanted(column: Any) -> bool:
    has_own = (
        column.primary_key
        or column.null
        or column.has_default()
        or column.db_default is not models.NOT_PROVIDED
    )
    return not has_own and not getattr(column, "auto_now", False)


def _value(column: Any, workspace: Workspace) -> Any:
    if column.is_relation:
        target = column.remote_field.model
        return (
            workspace
            if target is Workspace
            else UserFactory()
            if target is User
            else row_of(target, workspace)
        )
    if column.choices:
        return column.choices[0][0]
    return _plain(column)


def _plain(column: Any) -> Any:
    number = next(_numbers)
    for kind, value in (
        (models.UUIDField, UUID(int=number)),
        (models.BinaryField, bytes([number % 256]) * 8),
        (models.JSONField, {}),
        (models.DateTimeField, NOW),
        (models.DateField, date(2026, 11, 20)),
        (models.DecimalField, Decimal(1)),
        (models.FloatField, 1.0),
        (models.BooleanField, True),
        (models.IntegerField, number),
        (models.CharField, f"x{number}"[: column.max_length]),
        (models.TextField, f"x{number}"),
    ):
        if isinstance(column, kind):
            return value
    from_array = getattr(column, "base_field", None)
    return [from_array.choices[0][0]] if from_array is not None and from_array.choices else []
