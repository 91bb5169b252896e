"""What journeys left to people to do."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns.api import doors
from apps.campaigns.api.doors import NOT_FOUND
from apps.campaigns.api.marketing.journey_settings import (
    NOT_NOW,
    READ,
    WRITE,
)
from apps.campaigns.journeys import (
    todo,
)
from apps.campaigns.models import JourneyTask

MOST_LISTED = 200


class JourneyTaskSerializer(serializers.ModelSerializer[JourneyTask]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    journey = serializers.UUIDField(source="journey.public_id", read_only=True)
    person = serializers.UUIDField(source="person.public_id", read_only=True)

    class Meta:
        model = JourneyTask
        fields = ("id", "journey", "person", "step", "title", "note", "due_at", "state", "settled_at")
        read_only_fields = fields


class JourneyTaskSettleSerializer(serializers.Serializer[Any]):
    is_done = serializers.BooleanField(default=True)


class JourneyTaskFilterSerializer(serializers.Serializer[Any]):
    is_open = serializers.BooleanField(default=True)


class JourneyTasksView(doors.CampaignsDoor):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_tasks",
        parameters=[JourneyTaskFilterSerializer],
        responses=JourneyTaskSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """What colleagues are to do; the first due first."""
        is_open = doors.given(JourneyTaskFilterSerializer, request.query_params)["is_open"]
        rows = todo.open_tasks() if is_open else todo.settled_tasks()
        return Response(JourneyTaskSerializer(rows[:MOST_LISTED], many=True).data)


class JourneyTaskView(doors.CampaignsDoor):
    action_needed = WRITE

    @extend_schema(
        operation_id="marketing_journey_task_settle",
        request=JourneyTaskSettleSerializer,
        responses={200: JourneyTaskSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        """Say that it was done, or will not be."""
        given = doors.given(JourneyTaskSettleSerializer, request.data)
        task = todo.settle(request._request.actor, task_id, now=timezone.now(), **given)
        return Response(JourneyTaskSerializer(task).data)
