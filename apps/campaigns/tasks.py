"""For Celery to find."""

from apps.campaigns.campaign_runs import start, start_all_due
from apps.campaigns.optimization.runs import sweep, tick
from apps.campaigns.winners import look_after
from apps.campaigns.winners import sweep as campaigns_sweep

__all__ = ["campaigns_sweep", "look_after", "start", "start_all_due", "sweep", "tick"]
