"""A database of the benchmarks' own, beside the product's: made once, kept, and used as the application's
role.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
ROOT = Path(__file__).parent.parent
NAME = "bench_bellwether"


@contextmanager
def benchmark_database(*, name: str = NAME, keep: bool = True) -> Iterator[None]:
    """Migrate it and run the block on it. keep: leave it for the next run, else it starts and ends empty."""
    from config import embedded  # noqa: PLC0415 - Django's settings come first

    embedded.ensure(ROOT, services=embedded.missing(os.environ))
    django.setup()
    from django.db import connections  # noqa: PLC0415

    owner, application = connections["owner"], connections["default"]
    owner.settings_dict["TEST"]["NAME"] = name
    owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep, serialize=False)
    application.creation.set_as_test_mirror(owner.settings_dict)
    try:
        yield
    finally:
        connections.close_all()
        if not keep:
            owner.creation.destroy_test_db(name, verbosity=0)


def workspace(slug: str, *, now: Any) -> Any:
    """The workspace of that name, made where it is missing."""
    from apps.accounts import scoping, workspaces  # noqa: PLC0415 - Django is set up by then
    from apps.accounts.models import Workspace  # noqa: PLC0415

    with scoping.across_workspaces("workspace.list"):
        found = Workspace.objects.filter(slug=slug).first()
    return found or workspaces.create(now=now, slug=slug, name="Benchmark", currency="GBP")


def foreign_keys(cursor: Any, table: str) -> list[str]:
    """As PostgreSQL checks them, row by row; also those that the product checks by statement."""
    from apps.accounts.tenancy import owned_models  # noqa: PLC0415 - Django is set up by then

    cursor.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
        [table],
    )
    return [definition for (definition,) in cursor.fetchall()] + [
        f"FOREIGN KEY (workspace_id, {field.column})"
        f" REFERENCES {cast(Any, field.related_model)._meta.db_table} (workspace_id, id)"
        " DEFERRABLE INITIALLY DEFERRED"
        for model in owned_models()
        if model._meta.db_table == table
        for field in model._meta.local_fields
        if getattr(field, "is_checked_by_statement", False)
    ]
