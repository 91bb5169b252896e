"""For Celery to find."""

from apps.campaigns.audiences.list_files import forget
from apps.campaigns.bi.refreshing import refresh
from apps.campaigns.bi.schedule import send_due
from apps.campaigns.bi.schedule import sweep as sweep_reports
from apps.campaigns.campaign_runs import start, start_all_due
from apps.campaigns.delivery import leftovers, looking_back, recovering, snapshotting, sweeping, working
from apps.campaigns.engagement.settling import settle
from apps.campaigns.engagement.settling import sweep as sweep_clicks
from apps.campaigns.journeys.sweep import sweep as journeys_sweep
from apps.campaigns.journeys.sweep import tick as journeys_tick
from apps.campaigns.offline.batches import prune, prune_all
from apps.campaigns.optimization.runs import sweep, tick
from apps.campaigns.subscriptions.sign_ups import forget as forget_sign_ups
from apps.campaigns.subscriptions.sign_ups import sweep as sweep_sign_ups
from apps.campaigns.winners import look_after
from apps.campaigns.winners import sweep as campaigns_sweep

__all__ = [
    "campaigns_sweep",
    "forget",
    "forget_sign_ups",
    "journeys_sweep",
    "journeys_tick",
    "leftovers",
    "look_after",
    "looking_back",
    "prune",
    "prune_all",
    "recovering",
    "refresh",
    "send_due",
    "settle",
    "snapshotting",
    "start",
    "start_all_due",
    "sweep",
    "sweep_clicks",
    "sweep_reports",
    "sweep_sign_ups",
    "sweeping",
    "tick",
    "working",
]
