"""Variants that a model or our own rules write, what was foretold of variants, and the switch."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import NotHere
from apps.campaigns.api import doors
from apps.campaigns.api.doors import ERROR, NOT_FOUND
from apps.campaigns.content import ai, ai_switch, predictions
from apps.campaigns.models import AiDraft, Campaign, Content

NOT_NOW = OpenApiResponse(ERROR, description="The campaign is no draft any more.")


class BriefLinkSerializer(serializers.Serializer):
    """A link that a variant may lead to. A model sees its label alone."""

    label = serializers.CharField(max_length=120)  # type: ignore[assignment]
    url = serializers.CharField(max_length=2_000)


class BriefSerializer(serializers.Serializer):
    """What five variants are to be about."""

    campaign = serializers.UUIDField()
    about = serializers.CharField(max_length=2_000, help_text="What to say, in your own words.")
    audience = serializers.CharField(max_length=300, required=False, allow_blank=True)
    goal = serializers.CharField(max_length=300, required=False, allow_blank=True)
    tone = serializers.CharField(max_length=60, required=False, allow_blank=True)
    language = serializers.CharField(max_length=60, required=False, allow_blank=True)
    links = serializers.ListField(child=BriefLinkSerializer(), required=False, max_length=10)
    names = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        max_length=50,
        help_text="People in the brief, who are not told to a model.",
    )


class AiVariantSerializer(serializers.Serializer):
    angle = serializers.CharField()
    tone = serializers.CharField()
    subject = serializers.CharField()
    preheader = serializers.CharField()
    body_markdown = serializers.CharField()
    cta_label = serializers.CharField(allow_blank=True)
    cta_link_id = serializers.CharField(help_text="link_1 is the brief's first link; none: no button.")
    merge_fields = serializers.ListField(child=serializers.CharField())
    rationale = serializers.CharField()
    foretold = serializers.JSONField(
        help_text="click and open: low, middle, high (10, 50, 90 %); campaigns; is_prior_only."
    )


class AiDraftSerializer(serializers.Serializer):
    """Five variants, once state is done. made_by: model, or rules with why."""

    id = serializers.UUIDField(source="public_id")
    campaign = serializers.UUIDField(source="campaign.public_id")
    state = serializers.ChoiceField(choices=AiDraft.State.choices)
    made_by = serializers.CharField(allow_blank=True, help_text="model, or rules.")
    why = serializers.CharField(allow_blank=True, help_text="Why no model wrote them, as a word.")
    reason = serializers.CharField(allow_blank=True, help_text="The same in a sentence.")
    model = serializers.CharField(allow_blank=True)
    tokens = serializers.IntegerField()
    variants = serializers.SerializerMethodField()
    asked_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(AiVariantSerializer(many=True))
    def get_variants(self, draft: AiDraft) -> Any:
        return AiVariantSerializer(ai.proposals(draft, now=timezone.now()), many=True).data


class AiAskedSerializer(serializers.Serializer):
    """draft: where the variants will be. job: GET /api/v1/jobs/{id} says how far it is."""

    draft = serializers.UUIDField()
    job = serializers.UUIDField()


class TakeSerializer(serializers.Serializer):
    variants = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=5),
        min_length=1,
        max_length=5,
        help_text="Numbers of variants, from 1.",
    )


class TakenContentSerializer(serializers.ModelSerializer):
    """A variant of the campaign, to be edited and approved."""

    class Meta:
        model = Content
        fields = (
            "key",
            "subject",
            "preheader",
            "body",
            "cta_label",
            "cta_url",
            "made_by",
            "angle",
            "tone",
            "rationale",
            "approved_at",
        )


class AiSwitchSerializer(serializers.Serializer):
    """Whether language models write in this workspace."""

    is_on = serializers.BooleanField()
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class AiSwitchStateSerializer(serializers.Serializer):
    is_on = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    changed_by = serializers.CharField(allow_blank=True)
    changed_at = serializers.DateTimeField(allow_null=True)


class ScoredSerializer(serializers.Serializer):
    """A variant's foretold rate (10, 50 and 90 %), and the one that came, of the people it was sent to."""

    campaign = serializers.UUIDField(source="content.campaign.public_id")
    variant = serializers.CharField(source="content.key")
    low = serializers.FloatField()
    middle = serializers.FloatField()
    high = serializers.FloatField()
    came = serializers.FloatField()
    people = serializers.IntegerField()
    is_held = serializers.BooleanField()
    is_prior_only = serializers.BooleanField()


class CalibrationSerializer(serializers.Serializer):
    """How many intervals of 80 % held what came. Opens are not to be trusted: programs open, too."""

    measure = serializers.CharField(help_text="open or click.")
    is_trustworthy = serializers.BooleanField()
    count = serializers.IntegerField()
    held = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    share_low = serializers.FloatField()
    share_high = serializers.FloatField()
    error = serializers.FloatField(allow_null=True, help_text="Mean distance of the middle from what came.")
    above = serializers.IntegerField()
    below = serializers.IntegerField()
    prior_only = serializers.IntegerField()
    rows = ScoredSerializer(many=True)


class _View(APIView):
    rate_family = "ai_content"


class AiContentView(_View):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_ai_content_ask",
        request=BriefSerializer,
        responses={202: AiAskedSerializer, 404: NOT_FOUND},
        examples=[
            OpenApiExample(
                "An open day",
                {
                    "campaign": "01900000-0000-7000-8000-000000000001",
                    "about": "On 6 June our barn is open to couples. There is cake, and the band plays.",
                    "audience": "couples who have not booked a venue yet",
                    "goal": "that they come on 6 June",
                    "tone": "warm",
                    "links": [{"label": "Say that you come", "url": "https://barn.example/open-day"}],
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Have five variants written, in the background; by our own rules where no model can."""
        given = doors.given(BriefSerializer, request.data)
        campaign = _campaign(given.pop("campaign"))
        given["links"] = [(one["label"], one["url"]) for one in given.get("links", ())]
        draft, job = ai.ask(request._request.actor, campaign, given, now=timezone.now())
        answer = AiAskedSerializer({"draft": draft.public_id, "job": job.public_id})
        return Response(answer.data, status=status.HTTP_202_ACCEPTED)


class AiDraftView(_View):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_ai_content_get", responses={200: AiDraftSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, draft_id: UUID) -> Response:
        """The variants, who wrote them, and why no model did."""
        return Response(AiDraftSerializer(ai.get(draft_id)).data)


class AiTakeView(_View):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_ai_content_take",
        request=TakeSerializer,
        responses={200: TakenContentSerializer(many=True), 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, draft_id: UUID) -> Response:
        """Make contents of the campaign out of variants; a person edits and approves them."""
        draft = ai.get(draft_id)
        given = doors.given(TakeSerializer, request.data)
        found = ai.take(request._request.actor, draft, given["variants"], now=timezone.now())
        return Response(TakenContentSerializer(found, many=True).data)


class AiSwitchView(_View):
    action_needed = {"GET": "campaigns:read", "PUT": "campaigns:stop"}

    @extend_schema(operation_id="marketing_ai_content_switch_get", responses=AiSwitchStateSerializer)
    def get(self, request: Request) -> Response:
        """Whether language models write here."""
        return Response(_state())

    @extend_schema(
        operation_id="marketing_ai_content_switch_set",
        request=AiSwitchSerializer,
        responses={
            200: AiSwitchStateSerializer,
            403: OpenApiResponse(ERROR, description="On again: by a person who may send, not by a key."),
        },
    )
    def put(self, request: Request) -> Response:
        """Switch language models off, or on again."""
        given = doors.given(AiSwitchSerializer, request.data)
        turn = ai_switch.turn_on if given["is_on"] else ai_switch.turn_off
        turn(request._request.actor, reason=given["reason"], now=timezone.now())
        return Response(_state())


class PredictionsView(_View):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_ai_content_predictions", responses=CalibrationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """What was foretold of approved variants against what came true."""
        found = predictions.calibration(now=timezone.now())
        return Response(CalibrationSerializer(found, many=True).data)


def _state() -> dict[str, Any]:
    row = ai_switch.now_set()
    untouched = {"is_on": True, "reason": "", "changed_by": "", "changed_at": None}
    return dict(AiSwitchStateSerializer(untouched if row is None else row).data)


def _campaign(public_id: UUID) -> Campaign:
    found = Campaign.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such campaign.")
    return found
