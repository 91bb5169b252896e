"""Where Celery finds this app's tasks; each is written beside its verb."""

from apps.integrations import ads_pull, inbound, modes, outbox, social_publishing, social_pull
from apps.integrations.monitoring import health, incidents, self_test

__all__ = [
    "ads_pull",
    "health",
    "inbound",
    "incidents",
    "modes",
    "outbox",
    "self_test",
    "social_publishing",
    "social_pull",
]
