"""For Celery to find."""

from apps.campaigns.audiences.list_files import forget
from apps.campaigns.optimization.runs import sweep, tick

__all__ = ["forget", "sweep", "tick"]
