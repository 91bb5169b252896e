"""For Celery to find."""

from apps.campaigns.delivery import leftovers, recovering, snapshotting, sweeping, working
from apps.campaigns.optimization.runs import sweep, tick

__all__ = ["leftovers", "recovering", "snapshotting", "sweep", "sweeping", "tick", "working"]
