"""The variants of what a campaign says: written, shown as somebody gets them, approved."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.errors import NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, require
from apps.campaigns import campaigns
from apps.campaigns.api import doors
from apps.campaigns.api.marketing.campaign_settings import NOT_FOUND, NOT_NOW, SeenVersion, known
from apps.campaigns.content import preview, variants
from apps.campaigns.models import Campaign, Content


class CampaignContentSerializer(serializers.Serializer):
    """A variant. Its texts are templates; whoever changes one withdraws its approval. version: send it back
    with a change or an approval.
    """

    key = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    subject = serializers.CharField(max_length=300)
    preheader = serializers.CharField(max_length=300, required=False, allow_blank=True)
    body = serializers.CharField(max_length=100_000, help_text="Markdown.")
    cta_label = serializers.CharField(max_length=120, required=False, allow_blank=True)
    cta_url = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    weight = serializers.IntegerField(required=False, min_value=1, max_value=100)
    made_by = serializers.ChoiceField(choices=Content.MadeBy.choices, read_only=True)
    angle = serializers.CharField(read_only=True)
    tone = serializers.CharField(read_only=True)
    prediction = serializers.JSONField(read_only=True)
    approved_at = serializers.DateTimeField(read_only=True)
    approved_by = serializers.CharField(read_only=True)


class CampaignContentSeenSerializer(serializers.Serializer):
    version = SeenVersion()


class CampaignContentPatchSerializer(CampaignContentSeenSerializer):
    """What may be said of a variant that is there."""

    subject = serializers.CharField(max_length=300, required=False)
    preheader = serializers.CharField(max_length=300, required=False, allow_blank=True)
    body = serializers.CharField(max_length=100_000, required=False, help_text="Markdown.")
    cta_label = serializers.CharField(max_length=120, required=False, allow_blank=True)
    cta_url = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    weight = serializers.IntegerField(required=False, min_value=1, max_value=100)


class CampaignPreviewAskSerializer(serializers.Serializer):
    content = serializers.CharField(max_length=20, required=False, help_text="A variant's key.")
    user_id = serializers.CharField(
        max_length=200, required=False, help_text="As whom; absent: an example. Needs people:read."
    )


class CampaignPreviewSerializer(serializers.Serializer):
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()


class CampaignTestSerializer(CampaignPreviewAskSerializer):
    to = serializers.EmailField(max_length=254)


class CampaignTestSentSerializer(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()


class CampaignPreviewView(doors.CampaignsDoor):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_campaign_preview",
        request=CampaignPreviewAskSerializer,
        responses={200: CampaignPreviewSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """A variant as one person would get it. A POST, since it may show what is known of them."""
        found = campaigns.find(campaign_id)
        given = doors.given(CampaignPreviewAskSerializer, request.data)
        whose = _whose(request._request.actor, given.get("user_id"))
        one = _content(found, given.get("content"))
        shown = preview.preview(found, one, whose, now=timezone.now())
        told = {"subject": shown.subject, "html": shown.html.decode(), "text": shown.text.decode()}
        return Response(CampaignPreviewSerializer(told).data)


class CampaignTestView(doors.CampaignsDoor):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_test",
        request=CampaignTestSerializer,
        responses={202: CampaignTestSentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Send a variant to one address, to look at it there."""
        found = campaigns.find(campaign_id)
        given = doors.given(CampaignTestSerializer, request.data)
        actor, one = request._request.actor, _content(found, given.get("content"))
        whose = _whose(actor, given.get("user_id"))
        sent = preview.send_test(actor, found, one, given["to"], now=timezone.now(), whose=whose)
        return Response(CampaignTestSentSerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class CampaignContentsView(doors.CampaignsDoor):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_content_list",
        responses={200: CampaignContentSerializer(many=True), 404: NOT_FOUND},
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """Its variants, in their order."""
        found = variants.of(campaigns.find(campaign_id))
        return Response(CampaignContentSerializer(found, many=True).data)

    @extend_schema(
        operation_id="marketing_campaign_content_add",
        request=CampaignContentSerializer,
        responses={201: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Another variant, under the next letter."""
        found = campaigns.find(campaign_id)
        given = doors.given(CampaignContentSerializer, request.data)
        made = variants.add(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(made).data, status=status.HTTP_201_CREATED)


class CampaignContentView(doors.CampaignsDoor):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_content_get",
        responses={200: CampaignContentSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """One variant."""
        return Response(CampaignContentSerializer(variants.get(campaigns.find(campaign_id), key)).data)

    @extend_schema(
        operation_id="marketing_campaign_content_change",
        request=CampaignContentPatchSerializer,
        responses={200: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Say it otherwise, or give it another part of the test. With the version that you read: who changed
        it meanwhile is said, with what.
        """
        found = variants.get(campaigns.find(campaign_id), key)
        given = doors.given(CampaignContentPatchSerializer, request.data)
        changed = variants.change(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(changed).data)

    @extend_schema(
        operation_id="marketing_campaign_content_remove",
        parameters=[CampaignContentSeenSerializer],
        responses={204: None, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def delete(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Take it away, as it is in the version that you read."""
        found = variants.get(campaigns.find(campaign_id), key)
        given = doors.given(CampaignContentSeenSerializer, request.query_params)
        variants.remove(request._request.actor, found, now=timezone.now(), **given)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CampaignContentApproveView(doors.CampaignsDoor):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_content_approve",
        request=CampaignContentSeenSerializer,
        responses={200: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Say yes to its words, as they are in the version that you read. A person's deed: no API key may."""
        found = variants.get(campaigns.find(campaign_id), key)
        variants.require_person(request._request.actor)
        given = doors.given(CampaignContentSeenSerializer, request.data)
        approved = variants.approve(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(approved).data)


def _content(campaign: Campaign, key: str | None) -> Content:
    """The variant of that key, else the first."""
    if key:
        return variants.get(campaign, key)
    found = variants.of(campaign)
    if not found:
        raise NotHere("This campaign has no variants yet.")
    return found[0]


def _whose(actor: Actor, user_id: str | None) -> Person | None:
    """As whom a message is shown: what is known of them stands in it."""
    if not user_id:
        return None
    require(actor, "people:read")
    found: Person = known(Person.objects.filter(external_id=user_id), "person")
    return found
