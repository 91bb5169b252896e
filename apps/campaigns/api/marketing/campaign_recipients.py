"""Who got a campaign, and why somebody did not."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns import campaigns
from apps.campaigns.api import doors
from apps.campaigns.api.marketing.campaign_settings import NOT_FOUND
from apps.campaigns.models import Recipient

# Of pages; it is that of the index. Whoever was led to it twice stands there twice.
ORDERING = ("person_id", "id")


class RecipientFilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=Recipient.State.choices, required=False)


class RecipientSerializer(serializers.Serializer):
    person_id = serializers.UUIDField(source="person.public_id")
    external_id = serializers.CharField(source="person.external_id", help_text="As identified; may be empty.")
    variant = serializers.CharField(
        source="content.key",
        default=None,
        allow_null=True,
        help_text="Null for who was held out, or waits for the winner.",
    )
    state = serializers.ChoiceField(choices=Recipient.State.choices)
    reason = serializers.CharField(help_text="Why it was not sent; may be empty.")
    at = serializers.DateTimeField(source="settled_at", allow_null=True, help_text="When it was settled.")


class RecipientPageSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = RecipientSerializer(many=True)


class CampaignRecipientsView(doors.CampaignsDoor, generics.GenericAPIView):
    action_needed = "people:read"
    serializer_class = RecipientSerializer

    @extend_schema(
        operation_id="marketing_campaign_recipients",
        parameters=[RecipientFilterSerializer],
        responses={200: RecipientPageSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """Who is to get it, who got it, and who did not and why."""
        found = campaigns.find(campaign_id)
        given = doors.given(RecipientFilterSerializer, request.query_params)
        rows = Recipient.objects.filter(campaign=found, **given).select_related("person", "content")
        pages: Any = self.paginator
        pages.ordering = ORDERING
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(RecipientSerializer(page, many=True).data)
