"""Where Celery finds this app's tasks; each is written beside its verb."""

from apps.integrations import ads_pull, outbox

__all__ = ["ads_pull", "outbox"]
