"""What is known of services: connections to them, calls that wait, what came in, and the trail of both."""

from apps.integrations.models.ads import (
    AdCampaign,
    AdCreative,
    AdCreativeDay,
    AdDay,
    AdGroup,
    AdSegmentDay,
)
from apps.integrations.models.call import Call
from apps.integrations.models.connection import Connection
from apps.integrations.models.email import EmailDelivery, Suppression
from apps.integrations.models.forwarded import ForwardedConversion
from apps.integrations.models.inbound import InboundRecord
from apps.integrations.models.metric import AlertRule, Incident, MetricPoint
from apps.integrations.models.mode import ModeSpell
from apps.integrations.models.social import (
    SocialAccount,
    SocialDay,
    SocialMention,
    SocialPost,
    SocialSpend,
)
from apps.integrations.models.sync import (
    SyncConflict,
    SyncExternal,
    SyncImport,
    SyncImportStep,
    SyncNudge,
    SyncRecord,
    SyncReport,
    SyncStream,
    SyncTombstone,
)
from apps.integrations.models.tokens import TokenDay
from apps.integrations.models.trail import TrailEntry
from apps.integrations.models.webhook import WebhookEndpoint

__all__ = [
    "AdCampaign",
    "AdCreative",
    "AdCreativeDay",
    "AdDay",
    "AdGroup",
    "AdSegmentDay",
    "AlertRule",
    "Call",
    "Connection",
    "EmailDelivery",
    "ForwardedConversion",
    "InboundRecord",
    "Incident",
    "MetricPoint",
    "ModeSpell",
    "SocialAccount",
    "SocialDay",
    "SocialMention",
    "SocialPost",
    "SocialSpend",
    "Suppression",
    "SyncConflict",
    "SyncExternal",
    "SyncImport",
    "SyncImportStep",
    "SyncNudge",
    "SyncRecord",
    "SyncReport",
    "SyncStream",
    "SyncTombstone",
    "TokenDay",
    "TrailEntry",
    "WebhookEndpoint",
]
