"""For Celery to find."""

from apps.campaigns.journeys.sweep import sweep as journeys_sweep
from apps.campaigns.journeys.sweep import tick as journeys_tick
from apps.campaigns.optimization.runs import sweep, tick

__all__ = ["journeys_sweep", "journeys_tick", "sweep", "tick"]
