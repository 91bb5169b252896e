"""The workspace of the running code: set once per request or task, carried by every query and transaction.

Two walls. The queryset adds `workspace_id = <current>` to each query and raises WorkspaceMissing without one.
PostgreSQL's row-level security (tenancy.py) refuses what the first wall let through; it reads `app.ws`, which
the wrapper below sets at the start of each transaction, so that a pooled connection cannot carry it over.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.pq import TransactionStatus

from apps.accounts.errors import DomainError

log = structlog.get_logger(__name__)

_current: ContextVar[int | None] = ContextVar("workspace", default=None)
_across: ContextVar[str | None] = ContextVar("across", default=None)

# Row-level security reads it until the end of the transaction.
TELL = "SELECT set_config('app.ws', %s, true)"
# The written list of who may read across workspaces, and why.
ACROSS_DEEDS = {
    "actor.identify": "find the workspace of an API key or of a user's memberships, before one is known",
    "workspace.list": "beat starts one task per workspace; staff choose one to enter",
    "events.sweep": "find events that no worker delivered",
    "audit.seal": "find audit entries that are not in the chain yet",
    "jobs.sweep": "find jobs whose worker died",
    "uploads.forget": "find uploaded files that nobody came back for",
    "experiments.sweep": "find experiments whose look is due, and lift tests to compare again",
    "intake.fold": "find workspaces whose books of the doors are to be summed up",
    "journey_books.sweep": "find workspaces with people to be counted anew, and books that nobody asks",
    "social_posts.sweep": "find workspaces with posts for social networks that are due or on their way",
    "calls.sweep": "find workspaces with calls to services that are due",
    "modes.sweep": "find workspaces in which a wedding day or an emergency begins or ends",
    "incidents.sweep": "find incidents that nobody has taken in time",
    "hooks.receive": "find the connection that a service's webhook names, and records not worked on yet",
    "connections.sweep": "find connections whose data is to be read",
    "delivery.claim": "find the campaign that is next to be sent, in whichever workspace",
    "delivery.sweep": "find campaigns that are due, and what workers that died had in hand",
    "optimization.sweep": "find workspaces with ad accounts, whose budgets the engine looks after",
    "engagement.sweep": "find workspaces with clicks that attribution is to be told of",
    "sign_ups.route": "find the workspace that a sign-up form names",
    "sign_ups.sweep": "find workspaces with sign-ups that nobody confirmed in time",
    "campaigns.sweep": "find campaigns whose time has come, and workspaces with campaigns at work",
    "journeys.sweep": "find workspaces with people in journeys who are due, or news to be read for them",
    "inbound.route": "find the workspace of the connection that a hook names",
    "inbound.sweep": "find what services sent and no worker has processed",
    "health.read": "count what waits, for the operators",
    "house.check": "the tests and the operator's checks that look at every table",
}


class WorkspaceMissing(DomainError):
    code = "workspace_missing"
    status = 500

    def __init__(self) -> None:
        super().__init__("No workspace is in scope. Wrap the code in scoping.workspace(...).")


def current_id() -> int:
    """The workspace in scope. Raises WorkspaceMissing when there is none."""
    if (workspace_id := _current.get()) is None:
        raise WorkspaceMissing
    return workspace_id


@contextmanager
def workspace(target: Any) -> Iterator[None]:
    """Run the block in one workspace: a Workspace or its id. Nests; the outer one comes back after."""
    workspace_id = target if isinstance(target, int) else target.pk
    token = _current.set(workspace_id)
    _retarget_open_transaction()
    try:
        yield
    finally:
        _current.reset(token)
        _retarget_open_transaction()


@contextmanager
def across_workspaces(deed: str) -> Iterator[None]:
    """Read (never write) the rows of all workspaces, for one of the deeds listed above. Logged."""
    if deed not in ACROSS_DEEDS:
        raise ValueError(f"{deed!r} is not in scoping.ACROSS_DEEDS")
    log.debug("scoping.across", deed=deed)
    role = sql.Identifier(settings.ACROSS_ROLE)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
        token = _across.set(deed)
        try:
            yield
        finally:
            _across.reset(token)
            if _across.get() is None and not _is_broken(connection):  # else within another, which goes on
                with connection.cursor() as cursor:
                    cursor.execute("RESET ROLE")


class InScope(models.Func):
    """`workspace_id = <current>`, resolved when the SQL is written.

    A query built early is still scoped late.
    """

    output_field = models.BooleanField()
    conditional = True

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, list[Any]]:
        if _across.get() is not None:
            return "TRUE", []
        column, params = compiler.compile(self.source_expressions[0])
        # A subquery, because PostgreSQL would look a bare number up in its statistics, and a workspace
        # that is newer than those seems empty: it then reads the whole workspace for one row (measured at
        # 50,000 people: 6 ms instead of 1).
        return f"{column} = (SELECT %s::bigint)", [*params, current_id()]


class WorkspaceQuerySet(models.QuerySet[Any]):
    """Rows of the current workspace. Evaluating one without a scope raises WorkspaceMissing."""

    def in_workspace(self, target: Any) -> "WorkspaceQuerySet":
        return self.filter(workspace_id=target if isinstance(target, int) else target.pk)


class WorkspaceManager(models.Manager.from_queryset(WorkspaceQuerySet)):  # type: ignore[misc]
    def get_queryset(self) -> WorkspaceQuerySet:
        return super().get_queryset().filter(InScope("workspace_id"))


def carry_workspace(
    execute: Callable[..., Any], query: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute wrapper of every connection: tell PostgreSQL the workspace at the start of each transaction."""
    database: BaseDatabaseWrapper = context["connection"]
    if _current.get() is None or database.alias == "owner":
        return execute(query, params, many, context)
    if not database.in_atomic_block:
        with transaction.atomic(using=database.alias):
            _tell(database)
            return execute(query, params, many, context)
    if database.connection.info.transaction_status == TransactionStatus.IDLE:
        _tell(database)
    return execute(query, params, many, context)


def _retarget_open_transaction() -> None:
    """A scope entered or left inside a transaction takes effect at once."""
    raw = connection.connection
    if raw is not None and not raw.closed and raw.info.transaction_status == TransactionStatus.INTRANS:
        _tell(connection)


def _tell(database: BaseDatabaseWrapper) -> None:
    workspace_id = _current.get()
    value = "" if workspace_id is None else str(workspace_id)
    database.connection.execute(TELL, (value,))


def _is_broken(database: BaseDatabaseWrapper) -> bool:
    raw = database.connection
    return raw is None or raw.closed or raw.info.transaction_status != TransactionStatus.INTRANS
