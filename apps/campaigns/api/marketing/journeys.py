"""Message journeys: written down, checked, published, and what they may be made of."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns.api import doors
from apps.campaigns.api.doors import NOT_FOUND
from apps.campaigns.api.marketing.journey_settings import (
    NOT_NOW,
    READ,
    REFUSED,
    SEND,
    WRITE,
    JourneyChecksSerializer,
    JourneyPatternSerializer,
    JourneySourceSerializer,
    JourneyVersionSerializer,
    MessageJourneyChangeSerializer,
    MessageJourneySerializer,
    MessageJourneyWriteSerializer,
    answer,
)
from apps.campaigns.journeys import (
    checks,
    drafts,
    figures,
    patterns,
    sources,
)
from apps.campaigns.models import Journey

MOST_LISTED = 200


class JourneysView(doors.CampaignsDoor):
    action_needed = {"GET": READ, "POST": WRITE}

    @extend_schema(
        operation_id="marketing_journey_list",
        parameters=[doors.BeforeSerializer],
        responses=MessageJourneySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Journeys, newest first; at most 200 at once."""
        given = doors.given(doors.BeforeSerializer, request.query_params)
        rows = Journey.objects.order_by("-pk")
        if "before" in given:
            rows = rows.filter(pk__lt=drafts.find(given["before"]).pk)
        return Response(MessageJourneySerializer(rows[:MOST_LISTED], many=True).data)

    @extend_schema(
        operation_id="marketing_journey_create",
        request=MessageJourneyWriteSerializer,
        responses={201: MessageJourneySerializer, 400: REFUSED},
        examples=[OpenApiExample("A pattern", {"name": "Hello", "pattern": "welcome"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Write a journey down as a draft. Nobody enters before it is published."""
        given = doors.given(MessageJourneyWriteSerializer, request.data)
        made = drafts.create(request._request.actor, now=timezone.now(), **given)
        return answer(made, status.HTTP_201_CREATED)


class JourneyView(doors.CampaignsDoor):
    action_needed = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}

    @extend_schema(
        operation_id="marketing_journey_get", responses={200: MessageJourneySerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """One journey with its draft."""
        return Response(MessageJourneySerializer(drafts.find(journey_id)).data)

    @extend_schema(
        operation_id="marketing_journey_change",
        request=MessageJourneyChangeSerializer,
        responses={200: MessageJourneySerializer, 400: REFUSED, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, journey_id: UUID) -> Response:
        """Change the draft, the name or the limit. Published versions stay as they are."""
        given = doors.given(MessageJourneyChangeSerializer, request.data)
        held = drafts.change(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        return answer(held)

    @extend_schema(
        operation_id="marketing_journey_delete", responses={204: None, 404: NOT_FOUND, 409: NOT_NOW}
    )
    def delete(self, request: Request, journey_id: UUID) -> Response:
        """Throw away a draft that was never published."""
        drafts.delete(request._request.actor, drafts.find(journey_id), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class JourneyChecksView(doors.CampaignsDoor):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_checks",
        responses={200: JourneyChecksSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """What stands against publishing the draft."""
        found = checks.faults(drafts.find(journey_id), now=timezone.now())
        return Response(JourneyChecksSerializer({"faults": found}).data)


class JourneyPublishView(doors.CampaignsDoor):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_publish",
        request=None,
        responses={200: MessageJourneySerializer, 400: REFUSED, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Make the draft the version that people enter. Who is under way stays on theirs."""
        journey = drafts.find(journey_id)
        drafts.publish(request._request.actor, journey, now=timezone.now())
        return answer(journey)


class JourneyVersionsView(doors.CampaignsDoor):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_versions",
        responses={200: JourneyVersionSerializer(many=True), 404: NOT_FOUND},
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """Published versions, newest first, with who is on each."""
        rows = figures.versions(drafts.find(journey_id))
        return Response(JourneyVersionSerializer(rows, many=True).data)


class JourneySourcesView(doors.CampaignsDoor):
    action_needed = READ

    @extend_schema(operation_id="marketing_journey_sources", responses=JourneySourceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What journeys may be triggered by, wait for and have as a goal."""
        rows = [
            {
                "key": one.key,
                "name": one.name,
                "fields_told": one.fields,
                "values_told": one.values,
                "is_heard": one.is_heard,
            }
            for one in sources.listed()
        ]
        return Response(JourneySourceSerializer(rows, many=True).data)


class JourneyPatternsView(doors.CampaignsDoor):
    action_needed = READ

    @extend_schema(operation_id="marketing_journey_patterns", responses=JourneyPatternSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Journeys to start from."""
        return Response(JourneyPatternSerializer(patterns.PATTERNS.values(), many=True).data)
