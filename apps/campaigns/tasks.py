"""For Celery to find."""

from apps.campaigns.optimization.runs import sweep, tick

__all__ = ["sweep", "tick"]
