"""For Celery to find."""

from apps.campaigns.audiences.list_files import forget
from apps.campaigns.bi.refreshing import refresh
from apps.campaigns.bi.schedule import send_due
from apps.campaigns.bi.schedule import sweep as sweep_reports
from apps.campaigns.offline.batches import prune, prune_all
from apps.campaigns.optimization.runs import sweep, tick

__all__ = [
    "forget",
    "prune",
    "prune_all",
    "refresh",
    "send_due",
    "sweep",
    "sweep_reports",
    "tick",
]
