"""For Celery to find."""

from apps.campaigns.offline.batches import prune, prune_all
from apps.campaigns.optimization.runs import sweep, tick

__all__ = ["prune", "prune_all", "sweep", "tick"]
