"""Where Celery finds this app's tasks; each is written beside its verb."""

from apps.integrations import ads_pull, call_retention, inbound, modes, outbox, social_publishing, social_pull
from apps.integrations.monitoring import health, incidents, self_test
from apps.integrations.sync import integrity, nudged, pull

__all__ = [
    "ads_pull",
    "call_retention",
    "health",
    "inbound",
    "incidents",
    "integrity",
    "modes",
    "nudged",
    "outbox",
    "pull",
    "self_test",
    "social_publishing",
    "social_pull",
]
