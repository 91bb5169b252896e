"""Who is on a journey: let in, moved, counted; and whether it goes on."""

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
    REFUSED,
    SEND,
    STOP,
    MessageJourneySerializer,
    answer,
)
from apps.campaigns.journeys import (
    drafts,
    figures,
    switches,
    transfers,
)


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


class JourneyPauseView(doors.CampaignsDoor):
    action_needed = STOP

    @extend_schema(
        operation_id="marketing_journey_pause",
        request=JourneyReasonSerializer,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Nobody enters and nobody moves until it is resumed."""
        given = doors.given(JourneyReasonSerializer, request.data)
        return answer(
            switches.pause(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        )


class JourneyResumeView(doors.CampaignsDoor):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_resume",
        request=None,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Go on after a pause."""
        return answer(switches.resume(request._request.actor, drafts.find(journey_id), now=timezone.now()))


class JourneyStopView(doors.CampaignsDoor):
    action_needed = STOP

    @extend_schema(
        operation_id="marketing_journey_stop",
        request=JourneyReasonSerializer,
        responses={200: MessageJourneySerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """End it for good: everybody leaves."""
        given = doors.given(JourneyReasonSerializer, request.data)
        return answer(
            switches.stop(request._request.actor, drafts.find(journey_id), now=timezone.now(), **given)
        )


class JourneyEnterView(doors.CampaignsDoor):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_enter",
        request=JourneyEnterSerializer,
        responses={200: JourneyEnteredSerializer, 400: REFUSED, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Let people in. The rule of coming again and the limit of a day hold."""
        journey = drafts.find(journey_id)
        given = doors.given(JourneyEnterSerializer, request.data)
        let = switches.enter(
            request._request.actor,
            journey,
            given["people"],
            key=given["key"],
            facts=given["facts"],
            now=timezone.now(),
        )
        return Response(JourneyEnteredSerializer(let).data)


class JourneyMoveView(doors.CampaignsDoor):
    action_needed = SEND

    @extend_schema(
        operation_id="marketing_journey_move",
        request=JourneyMoveRequestSerializer,
        responses={200: JourneyMovedSerializer, 400: REFUSED, 404: NOT_FOUND},
    )
    def post(self, request: Request, journey_id: UUID) -> Response:
        """Move people to another version by a rule; with dry_run, the default, only say how many."""
        journey = drafts.find(journey_id)
        given = doors.given(JourneyMoveRequestSerializer, request.data)
        is_dry = given.pop("dry_run")
        if is_dry:
            lines = transfers.preview(journey, **given)
        else:
            lines = transfers.transfer(request._request.actor, journey, now=timezone.now(), **given)
        return Response(JourneyMovedSerializer({"dry_run": is_dry, "lines": lines}).data)


class JourneyStatsView(doors.CampaignsDoor):
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
