"""Campaigns: listed, written down, changed, copied, put away."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns import campaigns
from apps.campaigns.api import doors
from apps.campaigns.api.marketing.campaign_settings import (
    NOT_FOUND,
    NOT_NOW,
    CampaignFilterSerializer,
    CampaignNewSerializer,
    CampaignPatchSerializer,
    CampaignSerializer,
)
from apps.campaigns.models import Campaign


class CampaignsView(doors.CampaignsDoor):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_list",
        parameters=[CampaignFilterSerializer],
        responses=CampaignSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Campaigns, newest first."""
        given = doors.given(CampaignFilterSerializer, request.query_params)
        rows = Campaign.objects.select_related("audience", "topic", "sender").order_by("-pk")
        rows = rows.filter(archived_at__isnull=not given["is_archived"])
        if "state" in given:
            rows = rows.filter(state=given["state"])
        if "before" in given:
            rows = rows.filter(pk__lt=campaigns.find(given["before"]).pk)
        return Response(CampaignSerializer(rows[: given["limit"]], many=True).data)

    @extend_schema(
        operation_id="marketing_campaign_create",
        request=CampaignNewSerializer,
        responses={201: CampaignSerializer, 404: NOT_FOUND},
        examples=[
            OpenApiExample(
                "A test with a hold-out",
                {"name": "Spring", "hold_out_share": 0.1, "test_share": 0.3, "goal": "purchase"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Write one down as a draft."""
        chosen = doors.checked(CampaignNewSerializer, request.data).chosen()
        made = campaigns.create(request._request.actor, now=timezone.now(), **chosen)
        return Response(CampaignSerializer(made).data, status=status.HTTP_201_CREATED)


class CampaignView(doors.CampaignsDoor):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}

    @extend_schema(operation_id="marketing_campaign_get", responses={200: CampaignSerializer, 404: NOT_FOUND})
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """One campaign."""
        return Response(CampaignSerializer(campaigns.find(campaign_id)).data)

    @extend_schema(
        operation_id="marketing_campaign_change",
        request=CampaignPatchSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, campaign_id: UUID) -> Response:
        """Change a draft. With the version that you read: who changed it meanwhile is said, with what."""
        found = campaigns.find(campaign_id)
        chosen = doors.checked(CampaignPatchSerializer, request.data).chosen()
        changed = campaigns.change(request._request.actor, found, now=timezone.now(), **chosen)
        return Response(CampaignSerializer(changed).data)

    @extend_schema(
        operation_id="marketing_campaign_archive",
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def delete(self, request: Request, campaign_id: UUID) -> Response:
        """Put away a draft, or one that is over; what it did stays."""
        found = campaigns.archive(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(found).data)


class CampaignDuplicateView(doors.CampaignsDoor):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_campaign_duplicate",
        request=None,
        responses={201: CampaignSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """A draft with the same settings and words."""
        made = campaigns.duplicate(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(made).data, status=status.HTTP_201_CREATED)
