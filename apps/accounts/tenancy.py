"""The second wall: row-level security, grants and workspace-bound foreign keys, set after each migrate.

Derived from the models, so that a new one cannot forget them. Three roles: the owner migrates and sees all
rows by an explicit policy; the application's role sees the rows of `app.ws`; the across role, which the
application's enters by one door (scoping.across_workspaces), only reads. Tables without a workspace are
listed in EXEMPT.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import structlog
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from apps.accounts import statement_keys, table_walls
from apps.accounts.statement_keys import Key
from apps.accounts.table_walls import EVERYTHING, Policy, Wall

log = structlog.get_logger(__name__)

CURRENT = "(SELECT nullif(current_setting('app.ws', true), '')::bigint)"

# Tables that belong to no workspace, and why each may.
EXEMPT = {
    "accounts_user": "a person may belong to several workspaces; found by e-mail at sign-in",
    "accounts_user_groups": "Django's own, unused",
    "accounts_user_user_permissions": "Django's own, unused",
    "account_emailaddress": "sign-in, by user",
    "account_emailconfirmation": "sign-in, by user",
    "mfa_authenticator": "second factor, by user",
    "auth_group": "Django's own, unused",
    "auth_group_permissions": "Django's own, unused",
    "auth_permission": "names of permissions",
    "campaigns_everywheresuppression": "the operator's own list of addresses, as keyed hashes",
    "campaigns_everywherecomplaint": "what workspaces were told of complaints, as keyed hashes",
    "django_admin_log": "what staff did in the admin, by user",
    "django_content_type": "names of models",
    "django_migrations": "the schema's history",
    "django_session": "signed-in browsers, by random key",
    "campaigns_flag": "what is switched on, over all workspaces",
    "campaigns_flag_groups": "the library's own, unused",
    "campaigns_flag_users": "the library's own, unused",
    "waffle_flag": "the library's own, unused: campaigns_flag stands in its place",
    "waffle_flag_groups": "the library's own, unused",
    "waffle_flag_users": "the library's own, unused",
    "waffle_sample": "the library's own, unused",
    "waffle_switch": "the library's own, unused",
    "django_celery_beat_clockedschedule": "the timetable",
    "django_celery_beat_crontabschedule": "the timetable",
    "django_celery_beat_intervalschedule": "the timetable",
    "django_celery_beat_periodictask": "the timetable",
    "django_celery_beat_periodictasks": "the timetable",
    "django_celery_beat_solarschedule": "the timetable",
}
# What the application's role may only add to, never change.
APPEND_ONLY = {
    "accounts_auditentry",
    "accounts_auditseal",
    "campaigns_journeymove",
    "campaigns_journeyversion",
    "integrations_trailentry",
}


class Roles(NamedTuple):
    """The names of PostgreSQL's roles."""

    owner: str
    app: str
    across: str


class OwnerMigrates:
    """Database router: the owner's alias is for migrations and maintenance, never for a model's query."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return "default"

    db_for_write = db_for_read

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True


def owned_models() -> Iterator[type[models.Model]]:
    """Every managed model whose rows belong to a workspace."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and workspace_column(model):
            yield model


def workspace_column(model: type[models.Model]) -> str | None:
    """The column that says whose row it is; the workspace's own is its id."""
    if model._meta.label == "accounts.Workspace":
        return "id"
    names = {field.column for field in model._meta.local_concrete_fields}
    return "workspace_id" if "workspace_id" in names else None


def install(database: BaseDatabaseWrapper) -> None:
    """Rights, policies and foreign keys of every table. Idempotent; runs as the owner after each migrate."""
    roles = Roles(
        owner=database.settings_dict["USER"],
        app=settings.DATABASES["default"]["USER"],
        across=settings.ACROSS_ROLE,
    )
    with database.cursor() as cursor:
        existing = set(database.introspection.table_names(cursor))
        for statement in _doors(database.settings_dict["NAME"], roles):
            cursor.execute(statement)
    table_walls.open_sequences(database, roles.app)
    table_walls.put_right(database, _walls(database, existing, roles))
    for model in owned_models():
        _install_foreign_keys(database, model, existing)


def _doors(database: str, roles: Roles) -> Iterator[sql.Composed]:
    """What lets the roles in at all; waits for nobody who reads or writes."""
    app = sql.Identifier(roles.app)
    for role in (app, sql.Identifier(roles.across)):
        yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role)
    # COPY FROM is refused under row-level security: bulk loads copy into a temporary table first.
    yield sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(database), app)


def _walls(database: BaseDatabaseWrapper, existing: set[str], roles: Roles) -> dict[str, Wall]:
    columns = {model._meta.db_table: str(workspace_column(model)) for model in owned_models()}
    policies = {column: _policies(database, column, roles) for column in set(columns.values())}
    return {
        table: Wall(_rights(table, roles), policies.get(columns.get(table, ""), frozenset()))
        for table in sorted(existing)
    }


def _rights(table: str, roles: Roles) -> dict[str, frozenset[str]]:
    mine = {"SELECT"}
    if table != "django_migrations":
        mine |= {"INSERT"} if table in APPEND_ONLY else {"INSERT", "UPDATE", "DELETE"}
    return {roles.app: frozenset(mine), roles.across: frozenset({"SELECT"})}


def _policies(database: BaseDatabaseWrapper, column: str, roles: Roles) -> frozenset[Policy]:
    mine = table_walls.as_kept(database, column, f'"{column}" = {CURRENT}')
    return frozenset(
        {
            Policy("workspace_rows", roles.app, "ALL", mine, mine),
            Policy("across_reads", roles.across, "SELECT", EVERYTHING, ""),
            Policy("owner_rows", roles.owner, "ALL", EVERYTHING, EVERYTHING),
        }
    )


def _install_foreign_keys(
    database: BaseDatabaseWrapper, model: type[models.Model], existing: set[str]
) -> None:
    """A row may only point at a row of its own workspace.

    FOREIGN KEY (workspace_id, x_id) → (workspace_id, id).
    """
    for field in model._meta.local_fields:
        if not getattr(field, "is_workspace_bound", False):
            continue
        related = cast(type[models.Model], field.related_model)
        is_seldom_changed = getattr(field, "is_seldom_changed")  # noqa: B009
        key = Key(model._meta.db_table, field.column, related._meta.db_table, is_seldom_changed)
        if {key.child, key.parent} <= existing:
            with database.cursor() as cursor:
                _install_key(database, cursor, key, by_statement=getattr(field, "is_checked_by_statement"))  # noqa: B009


def _install_key(database: BaseDatabaseWrapper, cursor: Any, key: Key, *, by_statement: bool) -> None:
    if by_statement and statement_keys.is_set(cursor, key):
        statement_keys.write_functions(cursor, key)
        return
    unique = f"{key.parent}_workspace_and_id"[:63]
    _add_constraint(cursor, key.parent, unique, "UNIQUE (workspace_id, id)")
    _add_constraint(
        cursor,
        key.child,
        key.name,
        f'FOREIGN KEY (workspace_id, "{key.column}") REFERENCES "{key.parent}" (workspace_id, id)'
        " DEFERRABLE INITIALLY DEFERRED",
    )
    if by_statement:
        statement_keys.take_over(database, key)


def _add_constraint(cursor: Any, table: str, name: str, definition: str) -> None:
    cursor.execute(
        "SELECT 1 FROM pg_constraint WHERE conname = %s AND conrelid = %s::regclass", [name, f'"{table}"']
    )
    if cursor.fetchone() is None:
        cursor.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                sql.Identifier(table),
                sql.Identifier(name),
                sql.SQL(definition),
            )
        )
