from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.campaigns.journeys import (
    checks,
    drafts,
    figures,
    patterns,
    sources,
    switches,
    todo,
    transfers,
)
from apps.campaigns.models import Journey, JourneyTask

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")
NOT_NOW = OpenApiResponse(ERROR, description="It is not in a state for that, or was changed meanwhile.")
REFUSED = OpenApiResponse(ERROR, description="What stands against it, by step.")
MOST_LISTED = 200
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


class JourneyReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class JourneyEnterSerializer(serializers.Serializer[Any]):
    """key: of this request; sent again with the same one it lets nobody in twice."""

    people = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=switches.MOST_AT_ONCE
    )
    key = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    facts = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        default=dict,
        help_text="What conditions may ask for; nothing personal.",
    )

    def validate_facts(self, value: dict[str, Any]) -> dict[str, Any]:
        plain = all(isinstance(one, str | int | float) and len(str(one)) <= 200 for one in value.values())
        if len(value) > 20 or not plain or any(len(key) > 60 for key in value):
            raise serializers.ValidationError("Up to 20 short texts and numbers.")
        return value


class JourneyRefusedSerializer(serializers.Serializer[Any]):
    person = serializers.CharField()
    because = serializers.CharField(help_text="known, in_flight, too_soon, over_limit, gone or unknown.")


class JourneyEnteredSerializer(serializers.Serializer[Any]):
    entered = serializers.ListField(child=serializers.CharField())
    refused = JourneyRefusedSerializer(many=True)


class JourneyMoveRequestSerializer(serializers.Serializer[Any]):
    """rule: step of the old version to step of the new one, empty to leave. A step that is in both, of the
    same kind, needs no word.
    """

    was = serializers.IntegerField(min_value=1)
    to = serializers.IntegerField(min_value=1)
    rule = serializers.DictField(
        child=serializers.CharField(max_length=40, allow_blank=True), required=False, default=dict
    )
    dry_run = serializers.BooleanField(default=True)


class JourneyMoveLineSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    people = serializers.IntegerField()
    to = serializers.CharField(allow_blank=True)
    waits_on = serializers.BooleanField(help_text="Their wait goes on as it was.")


class JourneyMovedSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    lines = JourneyMoveLineSerializer(many=True)


class JourneyWaySerializer(serializers.Serializer[Any]):
    step = serializers.CharField(allow_blank=True)
    way = serializers.CharField()
    moves = serializers.IntegerField()


class JourneyStatsSerializer(serializers.Serializer[Any]):
    entered = serializers.IntegerField()
    in_flight = serializers.IntegerField()
    entered_today = serializers.IntegerField()
    turned_away_today = serializers.IntegerField()
    standing = serializers.DictField(child=serializers.IntegerField(), help_text="Step to people there.")
    left = serializers.DictField(child=serializers.IntegerField(), help_text="Outcome to people.")
    ways = JourneyWaySerializer(many=True)


class JourneySourceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    fields_told = serializers.ListField(child=serializers.CharField())
    is_heard = serializers.BooleanField(help_text="False: nothing tells it yet.")


class JourneyPatternSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    says = serializers.CharField()
    graph = serializers.JSONField()


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


class _View(APIView):
    rate_family = "campaigns"


def _given(kind: type[Any], data: Any) -> dict[str, Any]:
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _answer(journey: Journey, code: int = status.HTTP_200_OK) -> Response:
    journey.refresh_from_db()
    return Response(MessageJourneySerializer(journey).data, status=code)


class JourneysView(_View):
    action_needed = {"GET": READ, "POST": WRITE}

    @extend_schema(operation_id="marketing_journey_list", responses=MessageJourneySerializer(many=True))
    def get(self, request: Request) -> Response:
        """Journeys, newest first."""
        rows = Journey.objects.order_by("-pk")[:MOST_LISTED]
        return Response(MessageJourneySerializer(rows, many=True).data)

    @extend_schema(
        operation_id="marketing_journey_create",
        request=MessageJourneyWriteSerializer,
        responses={201: MessageJourneySerializer, 400: REFUSED},
        examples=[OpenApiExample("A pattern", {"name": "Hello", "pattern": "welcome"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Write a journey down as a draft. Nobody enters before it is published."""
        given = _given(MessageJourneyWriteSerializer, request.data)
        made = drafts.create(request._request.actor, now=timezone.now(), **given)
        return _answer(made, status.HTTP_201_CREATED)


class JourneyView(_View):
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
        given = _given(MessageJourneyChangeSerializer, request.data)
        held = drafts.change(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        return _answer(held)

    @extend_schema(
        operation_id="marketing_journey_delete", responses={204: None, 404: NOT_FOUND, 409: NOT_NOW}
    )
    def delete(self, request: Request, journey_id: UUID) -> Response:
        """Throw away a draft that was never published."""
        drafts.delete(request._request.actor, drafts.find(journey_id), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class JourneyChecksView(_View):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_checks",
        responses={200: JourneyChecksSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """What stands against publishing the draft."""
        found = checks.faults(drafts.find(journey_id), now=timezone.now())
        return Response(JourneyChecksSerializer({"faults": found}).data)


class JourneyPublishView(_View):
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
        return _answer(journey)


class JourneyPauseView(_View):
    action_needed = STOP

    @extend_schema(
        operation_id="marketing_journey_pause",
        request=JourneyReasonSerializer,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Nobody enters and nobody moves until it is resumed."""
        given = _given(JourneyReasonSerializer, request.data)
        return _answer(
            switches.pause(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        )


class JourneyResumeView(_View):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_resume",
        request=None,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Go on after a pause."""
        return _answer(switches.resume(request._request.actor, drafts.find(journey_id), now=timezone.now()))


class JourneyStopView(_View):
    action_needed = STOP

    @extend_schema(
        operation_id="marketing_journey_stop",
        request=JourneyReasonSerializer,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """End it for good: everybody leaves."""
        given = _given(JourneyReasonSerializer, request.data)
        return _answer(
            switches.stop(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        )


class JourneyEnterView(_View):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_enter",
        request=JourneyEnterSerializer,
        responses={200: JourneyEnteredSerializer, 400: REFUSED, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Let people in. The rule of coming again and the limit of a day hold."""
        journey = drafts.find(journey_id)
        given = _given(JourneyEnterSerializer, request.data)
        let = switches.enter(
            request._request.actor,
            journey,
            given["people"],
            key=given["key"],
            facts=given["facts"],
            now=timezone.now(),
        )
        return Response(JourneyEnteredSerializer(let).data)


class JourneyStatsView(_View):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_stats", responses={200: JourneyStatsSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """Who stands where, how often each way was taken, and what became of people; over all versions."""
        journey = drafts.find(journey_id)
        found = figures.of(journey)
        answer = {
            "entered": found.entered,
            "in_flight": found.in_flight,
            "entered_today": journey.entered_today,
            "turned_away_today": journey.turned_away_today,
            "standing": found.standing,
            "left": found.left,
            "ways": [
                {"step": step, "way": way, "moves": moves}
                for (step, way), moves in sorted(found.ways.items())
            ],
        }
        return Response(JourneyStatsSerializer(answer).data)


class JourneyVersionsView(_View):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_versions",
        responses={200: JourneyVersionSerializer(many=True), 404: NOT_FOUND},
    )
    def get(self, request: Request, journey_id: UUID) -> Response:
        """Published versions, newest first, with who is on each."""
        rows = figures.versions(drafts.find(journey_id))
        return Response(JourneyVersionSerializer(rows, many=True).data)


class JourneyMoveView(_View):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_move",
        request=JourneyMoveRequestSerializer,
        responses={200: JourneyMovedSerializer, 400: REFUSED, 404: NOT_FOUND},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Move people to another version by a rule; with dry_run, the default, only say how many."""
        journey = drafts.find(journey_id)
        given = _given(JourneyMoveRequestSerializer, request.data)
        is_dry = given.pop("dry_run")
        if is_dry:
            lines = transfers.preview(journey, **given)
        else:
            lines = transfers.transfer(request._request.actor, journey, now=timezone.now(), **given)
        return Response(JourneyMovedSerializer({"dry_run": is_dry, "lines": lines}).data)


class JourneySourcesView(_View):
    action_needed = READ

    @extend_schema(operation_id="marketing_journey_sources", responses=JourneySourceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What journeys may be triggered by, wait for and have as a goal."""
        rows = [
            {"key": one.key, "name": one.name, "fields_told": one.fields, "is_heard": one.is_heard}
            for one in sources.listed()
        ]
        return Response(JourneySourceSerializer(rows, many=True).data)


class JourneyPatternsView(_View):
    action_needed = READ

    @extend_schema(operation_id="marketing_journey_patterns", responses=JourneyPatternSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Journeys to start from."""
        return Response(JourneyPatternSerializer(patterns.PATTERNS.values(), many=True).data)


class JourneyTasksView(_View):
    action_needed = READ

    @extend_schema(
        operation_id="marketing_journey_tasks",
        parameters=[JourneyTaskFilterSerializer],
        responses=JourneyTaskSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """What colleagues are to do; the first due first."""
        is_open = _given(JourneyTaskFilterSerializer, request.query_params)["is_open"]
        rows = todo.open_tasks() if is_open else todo.settled_tasks()
        return Response(JourneyTaskSerializer(rows[:MOST_LISTED], many=True).data)


class JourneyTaskView(_View):
    action_needed = WRITE

    @extend_schema(
        operation_id="marketing_journey_task_settle",
        request=JourneyTaskSettleSerializer,
        responses={200: JourneyTaskSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        """Say that it was done, or will not be."""
        given = _given(JourneyTaskSettleSerializer, request.data)
        task = todo.settle(request._request.actor, task_id, now=timezone.now(), **given)
        return Response(JourneyTaskSerializer(task).data)
