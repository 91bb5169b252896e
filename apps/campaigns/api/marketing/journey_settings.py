"""How a message journey is written down in the API, and what may be said of it."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers, status
from rest_framework.response import Response

from apps.campaigns.api.doors import ERROR
from apps.campaigns.journeys import (
    drafts,
)
from apps.campaigns.models import Journey

NOT_NOW = OpenApiResponse(ERROR, description="It is not in a state for that, or was changed meanwhile.")
REFUSED = OpenApiResponse(ERROR, description="What stands against it, by step.")
READ, WRITE, SEND, STOP = "campaigns:read", "campaigns:write", "campaigns:send", "campaigns:stop"


class MessageJourneySerializer(serializers.ModelSerializer[Journey]):
    id = serializers.UUIDField(source="public_id", read_only=True)
    version = serializers.IntegerField(
        source="live", read_only=True, help_text="The version that people enter; 0 before the first."
    )

    class Meta:
        model = Journey
        fields = (
            "id",
            "name",
            "state",
            "state_reason",
            "version",
            "revision",
            "entries_a_day",
            "entered_today",
            "turned_away_today",
            "draft",
            "live_since",
            "created_at",
            "changed_at",
        )
        read_only_fields = fields


class MessageJourneyWriteSerializer(serializers.Serializer[Any]):
    """draft: the graph, as docs/how-to/message-journeys.md has it. pattern: one of journeys/patterns, to
    start from. revision: that of the draft which was changed; without it the last one to write wins.
    """

    name = serializers.CharField(max_length=120)
    pattern = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    draft = serializers.JSONField(required=False)
    entries_a_day = serializers.IntegerField(min_value=1, max_value=drafts.MOST_A_DAY, required=False)


class MessageJourneyChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False)
    draft = serializers.JSONField(required=False)
    entries_a_day = serializers.IntegerField(min_value=1, max_value=drafts.MOST_A_DAY, required=False)
    revision = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)


class JourneyFaultSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    words = serializers.CharField()


class JourneyChecksSerializer(serializers.Serializer[Any]):
    faults = JourneyFaultSerializer(many=True)


class JourneyVersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    published_by = serializers.CharField()
    in_flight = serializers.IntegerField(help_text="People who are on it now.")
    graph = serializers.JSONField()


class JourneySourceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    fields_told = serializers.ListField(child=serializers.CharField())
    values_told = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="All that fields of few values can be.",
    )
    is_heard = serializers.BooleanField(help_text="False: nothing tells it yet.")


class JourneyPatternSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    says = serializers.CharField()
    graph = serializers.JSONField()


def answer(journey: Journey, code: int = status.HTTP_200_OK) -> Response:
    journey.refresh_from_db()
    return Response(MessageJourneySerializer(journey).data, status=code)
