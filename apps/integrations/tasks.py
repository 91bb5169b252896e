"""Where Celery finds this app's tasks; each is written beside its verb."""

from apps.integrations import ads_pull, inbound, outbox
from apps.integrations.monitoring import health, incidents

__all__ = ["ads_pull", "health", "inbound", "incidents", "outbox"]
