"""What became of a campaign."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns import campaign_reports, campaigns
from apps.campaigns.api import doors
from apps.campaigns.api.marketing.campaign_settings import NOT_FOUND


class CampaignHeardSerializer(serializers.Serializer):
    """People, but for machine_clicks: events of scanners and proxies, which count nowhere else."""

    delivered = serializers.IntegerField()
    clicked = serializers.IntegerField()
    machine_clicks = serializers.IntegerField()
    bounced = serializers.IntegerField()
    complained = serializers.IntegerField()
    unsubscribed = serializers.IntegerField()
    replied = serializers.IntegerField()


class CampaignVariantStatsSerializer(serializers.Serializer):
    key = serializers.CharField(source="content.key")
    subject = serializers.CharField(source="content.subject")
    sent = serializers.IntegerField()
    to_come = serializers.IntegerField()
    heard = CampaignHeardSerializer()
    click_rate = serializers.FloatField(allow_null=True)
    click_low = serializers.FloatField(allow_null=True)
    click_high = serializers.FloatField(allow_null=True)
    converted = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)
    p_best = serializers.FloatField(source="judged.p_best", allow_null=True, default=None)
    expected_loss = serializers.FloatField(source="judged.expected_loss", allow_null=True, default=None)
    is_winner = serializers.BooleanField()
    prediction = serializers.JSONField(help_text="What was foretold when it was approved.")


class CampaignBroughtSerializer(serializers.Serializer):
    """What the message brought on top of sending nothing; null with the reason while too little is known."""

    total = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    people = serializers.IntegerField()
    held_out = serializers.IntegerField()
    more_people = serializers.IntegerField(allow_null=True, help_text="How many more it takes to say.")
    because = serializers.CharField()
    is_final = serializers.BooleanField()
    level = serializers.FloatField()


class CampaignStatsSerializer(serializers.Serializer):
    """What became of a campaign. Revenue in the workspace's currency."""

    recipients = serializers.IntegerField()
    to_send = serializers.IntegerField()
    waiting = serializers.IntegerField()
    held_out = serializers.IntegerField()
    sent = serializers.IntegerField()
    refused = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    skipped = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")
    heard = CampaignHeardSerializer()
    converted = serializers.IntegerField()
    conversions = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)
    variants = CampaignVariantStatsSerializer(many=True)
    verdict = serializers.CharField(source="reading.verdict", allow_null=True, default=None)
    because = serializers.CharField(source="reading.because", allow_null=True, default=None)
    brought_conversions = CampaignBroughtSerializer(allow_null=True)
    brought_revenue = CampaignBroughtSerializer(allow_null=True)
    own_hours = CampaignBroughtSerializer(
        allow_null=True,
        help_text="More people who clicked, or reached the goal, for their own hour; held_out: by lot at the "
        "common one. Nobody is counted before the last window is over.",
    )
    blocks = CampaignBroughtSerializer(
        allow_null=True,
        help_text="More people who clicked, or reached the goal, for texts that some readers alone get; "
        "held_out: by lot with what is for everybody. Of a triggered campaign those whose window is over.",
    )
    read_at = serializers.DateTimeField(allow_null=True)
    closes_at = serializers.DateTimeField(allow_null=True, help_text="The last window ends.")
    settles_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Until then refunds and what else comes in late is taken in; then it stands.",
    )
    is_settled = serializers.BooleanField(help_text="Nothing is taken in any more.")


class CampaignStatsView(doors.CampaignsDoor):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_campaign_stats", responses={200: CampaignStatsSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """What became of it. Judged by clicks of people and by conversions, never by opens."""
        report = campaign_reports.read(campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignStatsSerializer(report).data)
