"""The one way to write a task that works in a workspace."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import structlog
from celery import shared_task
from celery.contrib.django.task import DjangoTask
from django.db import transaction
from kombu.exceptions import OperationalError

from apps.accounts import scoping
from apps.accounts.errors import DomainError
from apps.accounts.redis_link import RedisLost, link

log = structlog.get_logger(__name__)


class SentAfterCommit(DjangoTask):
    """What was committed stands, also when the broker does not answer: the message is then left to the
    sweeps, and nobody is told that their change failed.
    """

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> Any:
        transaction.on_commit(partial(self._send, *args, **kwargs))

    def _send(self, *args: Any, **kwargs: Any) -> None:
        try:
            with link().asking() as redis:  # the broker's own timeouts are a worker's, too long for a request
                redis.ping()
            self.delay(*args, **kwargs)
        except (RedisLost, OperationalError) as error:
            log.error("task.not_sent", task=self.name, error=type(error).__name__)


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

        task: Any = shared_task(name=name, base=SentAfterCommit, **options)
        return task(run)

    return decorate
