"""The one way to write a task that works in a workspace."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from celery import shared_task

from apps.accounts import scoping
from apps.accounts.errors import DomainError

log = structlog.get_logger(__name__)


def workspace_task(*, name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a verb a task of that name. Called plainly it is the verb; sent, it must carry `workspace_id`.

    A DomainError ends the task: it is logged, and trying again would not help. Any other error is raised for
    Celery to redeliver.
    """

    def decorate(verb: Callable[..., Any]) -> Any:
        @wraps(verb)
        def run(*args: Any, workspace_id: int | None = None, **kwargs: Any) -> Any:
            if workspace_id is None:
                return verb(*args, **kwargs)
            context = structlog.contextvars.bound_contextvars(workspace_id=workspace_id, task=name)
            with context, scoping.workspace(workspace_id):
                try:
                    return verb(*args, **kwargs)
                except DomainError as error:
                    log.warning("task.refused", code=error.code, detail=error.detail)
                    return None

        task: Any = shared_task(name=name, **options)
        return task(run)

    return decorate
