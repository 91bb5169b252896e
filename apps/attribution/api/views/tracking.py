from collections.abc import Callable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import throttling
from apps.accounts.errors import Invalid
from apps.attribution import channels, tracking
from apps.attribution.api.bodies import PlainRenderer, RecordsParser
from apps.attribution.api.serializers.tracking import (
    BatchSerializer,
    ChannelRulesSerializer,
    ChannelSerializer,
    ConversionSerializer,
    ConversionVerdictSerializer,
    IdentitySerializer,
    IdentityVerdictSerializer,
    ManyVerdictsSerializer,
    SpendSerializer,
    TouchSerializer,
    TouchVerdictSerializer,
)
from apps.attribution.models import Channel, ChannelRule

Deed = Callable[..., tracking.Answer]


class TrackingView(APIView):
    """One deed of tracking.py: the parsed body goes in, status and body come out."""

    action_needed: Any = "tracking:write"
    rate_family = "tracking"
    parser_classes = [RecordsParser]
    renderer_classes = [PlainRenderer]

    def answer(self, request: Request, deed: Deed) -> Response:
        status, body = deed(request._request.actor, request.data, now=timezone.now())
        return Response(body, status=status)

    def answer_many(self, request: Request, deed: Deed, name: str) -> Response:
        throttling.count_more(request, self.rate_family, tracking.records_in(request.data, name) - 1)
        return self.answer(request, deed)


class TrackEventView(TrackingView):
    @extend_schema(
        operation_id="track_event",
        request=TouchSerializer,
        responses={201: TouchVerdictSerializer, 200: TouchVerdictSerializer},
        examples=[
            OpenApiExample(
                "A click on an advertisement",
                request_only=True,
                value={
                    "user_id": "user_123",
                    "event_type": "click",
                    "platform": "meta",
                    "campaign_id": "spring-reels",
                    "event_id": "click-7f3a",
                    "url": "https://www.example.com/pricing?utm_medium=paid_social",
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Track one contact of a person with you. The same event_id again answers 200 and stores nothing."""
        return self.answer(request, tracking.event)


class TrackConversionView(TrackingView):
    @extend_schema(
        operation_id="track_conversion",
        request=ConversionSerializer,
        responses={201: ConversionVerdictSerializer, 200: ConversionVerdictSerializer},
        examples=[
            OpenApiExample(
                "A purchase",
                request_only=True,
                value={
                    "user_id": "user_123",
                    "conversion_type": "purchase",
                    "revenue": 99.99,
                    "currency": "GBP",
                    "order_id": "order-1001",
                },
            ),
            OpenApiExample(
                "A refund of part of it",
                request_only=True,
                value={
                    "user_id": "user_123",
                    "conversion_type": "purchase",
                    "revenue": -20,
                    "order_id": "order-1001",
                    "event_id": "refund-77",
                },
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Track a purchase, lead or sign-up; with the order_id of an earlier one, a refund or correction."""
        return self.answer(request, tracking.conversion)


class TrackBatchView(TrackingView):
    @extend_schema(
        operation_id="track_batch",
        request=BatchSerializer,
        responses={207: ManyVerdictsSerializer},
        examples=[
            OpenApiExample(
                "One of each",
                request_only=True,
                value={
                    "events": [
                        {
                            "type": "event",
                            "anonymous_id": "browser-5",
                            "event_type": "visit",
                            "platform": "organic",
                        },
                        {"type": "identify", "anonymous_id": "browser-5", "user_id": "user_123"},
                        {
                            "type": "conversion",
                            "user_id": "user_123",
                            "conversion_type": "trial",
                            "revenue": 0,
                        },
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Track up to 1,000 records, gzip welcome. Each counts as a request and has its own verdict; the good
        ones are stored.
        """
        return self.answer_many(request, tracking.batch, "events")


class IdentifyView(TrackingView):
    @extend_schema(
        operation_id="identify",
        request=IdentitySerializer,
        responses=IdentityVerdictSerializer,
        examples=[
            OpenApiExample(
                "After signing in",
                request_only=True,
                value={
                    "anonymous_id": "browser-5",
                    "user_id": "user_123",
                    "traits": {"email": "anna@example.com", "plan": "studio"},
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Say who an anonymous id is. What it did and will do is the user's; journeys follow."""
        return self.answer(request, tracking.identify)


class TrackSpendView(TrackingView):
    action_needed = "imports:write"

    @extend_schema(
        operation_id="track_spend",
        request=SpendSerializer,
        responses={207: ManyVerdictsSerializer},
        examples=[
            OpenApiExample(
                "A day of a campaign",
                request_only=True,
                value={
                    "spend": [
                        {
                            "platform": "meta",
                            "campaign_id": "spring-reels",
                            "day": "2026-11-19",
                            "amount": "41.20",
                            "clicks": 98,
                        }
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Say what sources cost on days. A source and day sent again is replaced. Each row counts as a
        request.
        """
        return self.answer_many(request, tracking.spend, "spend")


class ChannelsView(APIView):
    action_needed = "attribution:read"

    @extend_schema(operation_id="channel_list", responses=ChannelSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The workspace's channels, in the order of their colours."""
        listed = Channel.objects.order_by("position", "pk").values("key", "label", "position")
        return Response(list(listed))


class ChannelRulesView(APIView):
    action_needed = {"GET": "attribution:read", "PUT": "attribution:write"}

    @extend_schema(operation_id="channel_rules_retrieve", responses=ChannelRulesSerializer)
    def get(self, request: Request) -> Response:
        """The ordered rules that derive a touch's channel."""
        return Response({"rules": channels.as_plain(ChannelRule.objects.order_by("position"))})

    @extend_schema(
        operation_id="channel_rules_replace",
        request=ChannelRulesSerializer,
        responses=ChannelRulesSerializer,
    )
    def put(self, request: Request) -> Response:
        """Replace all rules. Touches stored before keep their channel."""
        given: dict[str, Any] = request.data if isinstance(request.data, dict) else {}
        reason = given.get("reason", "")
        if not isinstance(reason, str) or len(reason) > 500:
            raise Invalid({"reason": ["Give a text of at most 500 characters."]})
        written = channels.replace_rules(
            request._request.actor, given.get("rules", []), now=timezone.now(), reason=reason
        )
        return Response({"rules": channels.as_plain(written)})
