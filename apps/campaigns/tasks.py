"""For Celery to find."""

from apps.campaigns.engagement.settling import settle
from apps.campaigns.engagement.settling import sweep as sweep_clicks
from apps.campaigns.optimization.runs import sweep, tick
from apps.campaigns.subscriptions.sign_ups import forget
from apps.campaigns.subscriptions.sign_ups import sweep as sweep_sign_ups

__all__ = ["forget", "settle", "sweep", "sweep_clicks", "sweep_sign_ups", "tick"]
