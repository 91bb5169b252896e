from datetime import timedelta
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.attribution import dead_letters, intake
from apps.attribution.api import analysis_answers as answers
from apps.attribution.api.serializers.analysis import StartedJobSerializer
from apps.attribution.api.serializers.dead_letters import (
    DeadLetterSerializer,
    DropSerializer,
    IntakeSerializer,
    MendSerializer,
    OpenedLetterSerializer,
    ReplayAllSerializer,
)
from apps.attribution.models import DeadLetter, Door, Reason

DAYS = 30
ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such dead letter in this workspace.")
NOT_WAITING = OpenApiResponse(ERROR, description="It was replayed or dropped before.")


class DeadLetterFilter(django_filters.FilterSet):  # type: ignore[misc] # the package has no types
    state = django_filters.ChoiceFilter(choices=DeadLetter.State.choices)
    reason = django_filters.ChoiceFilter(choices=Reason.choices)
    door = django_filters.ChoiceFilter(choices=Door.choices)


class DeadLettersView(ListAPIView):
    """What was accepted and could not be stored; newest first, in pages."""

    action_needed = "imports:write"
    serializer_class = DeadLetterSerializer
    filterset_class = DeadLetterFilter

    def get_queryset(self) -> QuerySet[DeadLetter]:
        return DeadLetter.objects.all()


class DeadLetterView(APIView):
    action_needed = "imports:write"

    @extend_schema(
        operation_id="dead_letter_retrieve", responses={200: OpenedLetterSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, letter_id: UUID) -> Response:
        """One dead letter with what it says and why it was not stored."""
        return _opened(dead_letters.find(letter_id))

    @extend_schema(
        operation_id="dead_letter_mend",
        request=MendSerializer,
        responses={200: OpenedLetterSerializer, 404: NOT_FOUND, 409: NOT_WAITING},
    )
    def put(self, request: Request, letter_id: UUID) -> Response:
        """Say what it should have said. It waits until it is replayed."""
        letter = dead_letters.find(letter_id)
        record = request.data.get("record") if isinstance(request.data, dict) else None
        return _opened(
            dead_letters.mend(request._request.actor, letter.public_id, record, now=timezone.now())
        )


class ReplayLetterView(APIView):
    action_needed = "imports:write"

    @extend_schema(
        operation_id="dead_letter_replay",
        request=None,
        responses={200: OpenedLetterSerializer, 404: NOT_FOUND, 409: NOT_WAITING},
    )
    def post(self, request: Request, letter_id: UUID) -> Response:
        """Let it arrive again, as of when it first did. 400 names what is still wrong."""
        return _opened(dead_letters.replay(request._request.actor, letter_id, now=timezone.now()))


class DropLetterView(APIView):
    action_needed = "imports:write"

    @extend_schema(
        operation_id="dead_letter_drop",
        request=DropSerializer,
        responses={200: OpenedLetterSerializer, 404: NOT_FOUND, 409: NOT_WAITING},
    )
    def post(self, request: Request, letter_id: UUID) -> Response:
        """Give it up. What it said stays readable."""
        dead_letters.find(letter_id)
        given = DropSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reason = given.validated_data["reason"]
        return _opened(
            dead_letters.drop(request._request.actor, letter_id, reason=reason, now=timezone.now())
        )


class ReplayLettersView(APIView):
    action_needed = "imports:write"

    @extend_schema(
        operation_id="dead_letters_replay", request=ReplayAllSerializer, responses={202: StartedJobSerializer}
    )
    def post(self, request: Request) -> Response:
        """Replay all that wait for one reason, in a job."""
        given = ReplayAllSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reason = given.validated_data["reason"]
        job = dead_letters.replay_all(request._request.actor, reason, now=timezone.now())
        url = reverse("attribution-api:dead-letter-list")
        return Response(answers.started(job, result_url=url), status=status.HTTP_202_ACCEPTED)


class IntakeView(APIView):
    action_needed = "imports:write"

    @extend_schema(operation_id="intake", responses=IntakeSerializer)
    def get(self, request: Request) -> Response:
        """The last 30 days by day and door: accepted, stored, known already, dead letters."""
        days = intake.door_days(since=timezone.now().date() - timedelta(days=DAYS))
        told = {"balances": all(one.balances for one in days), "days": days}
        return Response(IntakeSerializer(told).data)


def _opened(letter: DeadLetter) -> Response:
    return Response(OpenedLetterSerializer(letter).data)
