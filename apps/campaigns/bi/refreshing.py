"""The wide figures are refreshed every 15 minutes, without keeping anybody from reading them."""

from datetime import datetime

from celery import shared_task
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from apps.accounts.tasks_base import SentAfterCommit

REFRESHED = "bi:refreshed"
KEPT_SECONDS = 86_400
# Who asks meanwhile does not ask again.
ASKED, ASKED_SECONDS = "bi:asked", 60


@shared_task(name="campaigns.bi.refresh", base=SentAfterCommit)
def refresh() -> bool:
    """Refresh both; false where somebody else is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT campaigns_refresh_wide_figures()")
        [(is_done,)] = cursor.fetchall()
    if is_done:
        cache.set(REFRESHED, timezone.now(), KEPT_SECONDS)
    return bool(is_done)


def refreshed_at() -> datetime | None:
    """When they were refreshed last. Where nobody knows, a refresh is asked for, and the answer is None."""
    found: datetime | None = cache.get(REFRESHED)
    if found is None and cache.add(ASKED, True, ASKED_SECONDS):
        refresh.delay_on_commit()
    return found
