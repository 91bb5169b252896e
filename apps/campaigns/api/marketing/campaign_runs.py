"""A campaign on its way: checked, launched, paused, resumed, ended."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns import campaigns
from apps.campaigns.api import doors
from apps.campaigns.api.marketing.campaign_settings import NOT_FOUND, NOT_NOW, CampaignSerializer, SeenVersion


class CampaignLaunchSerializer(serializers.Serializer):
    confirmed_people = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**53,
        help_text="Required above the workspace's limit: how many you know it reaches.",
    )
    version = SeenVersion(required=False)


class CampaignReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, allow_blank=True, default="")


class CampaignFindingSerializer(serializers.Serializer):
    severity = serializers.CharField(help_text="error or advice.")
    where = serializers.CharField(help_text="A step of the builder, or a variant's key.")
    words = serializers.CharField()


class CampaignCheckSerializer(serializers.Serializer):
    """errors hold the launch, advice does not."""

    is_ready = serializers.SerializerMethodField()
    people = serializers.IntegerField(allow_null=True)
    limit = serializers.IntegerField()
    is_above_limit = serializers.BooleanField()
    findings = CampaignFindingSerializer(many=True)

    def get_is_ready(self, found: campaigns.Checked) -> bool:
        return not found.errors


class CampaignCheckView(doors.CampaignsDoor):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_campaign_check", responses={200: CampaignCheckSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """Everything that stands against it, without launching it."""
        found = campaigns.check(campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignCheckSerializer(found).data)


class CampaignLaunchView(doors.CampaignsDoor):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_launch",
        request=CampaignLaunchSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Let it leave now, or at starts_at. Its checks must hold no error."""
        found = campaigns.find(campaign_id)
        given = doors.given(CampaignLaunchSerializer, request.data)
        launched = campaigns.launch(
            request._request.actor,
            found,
            now=timezone.now(),
            confirmed_people=given.get("confirmed_people"),
            version=given.get("version"),
        )
        return Response(CampaignSerializer(launched).data)


class CampaignPauseView(doors.CampaignsDoor):
    action_needed = "campaigns:stop"

    @extend_schema(
        operation_id="marketing_campaign_pause",
        request=CampaignReasonSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Send nothing more for now."""
        found = campaigns.find(campaign_id)
        reason = doors.given(CampaignReasonSerializer, request.data)["reason"]
        paused = campaigns.pause(request._request.actor, found, now=timezone.now(), reason=reason)
        return Response(CampaignSerializer(paused).data)


class CampaignResumeView(doors.CampaignsDoor):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_resume",
        request=None,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Go on with those who have not got it."""
        found = campaigns.resume(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(found).data)


class CampaignCancelView(doors.CampaignsDoor):
    action_needed = "campaigns:stop"

    @extend_schema(
        operation_id="marketing_campaign_cancel",
        request=CampaignReasonSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """End it for good; one that is scheduled becomes a draft again."""
        found = campaigns.find(campaign_id)
        reason = doors.given(CampaignReasonSerializer, request.data)["reason"]
        ended = campaigns.cancel(request._request.actor, found, now=timezone.now(), reason=reason)
        return Response(CampaignSerializer(ended).data)
