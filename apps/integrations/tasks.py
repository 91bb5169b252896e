"""Where Celery finds this app's tasks; each is written beside its verb."""

from apps.integrations import outbox

__all__ = ["outbox"]
