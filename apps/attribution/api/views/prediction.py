from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.attribution import (
    accuracy,
    conversion_probability,
    conversion_training,
    conversion_versions,
    drift_watch,
    journey_credit,
)
from apps.attribution.api import analysis_answers
from apps.attribution.api import prediction_answers as answers
from apps.attribution.api.serializers.analysis import StartedJobSerializer
from apps.attribution.api.serializers.prediction import (
    AccuracySerializer,
    CardSerializer,
    PredictBatchRequestSerializer,
    PredictionSerializer,
    PredictionsSerializer,
    PredictRequestSerializer,
    RecalibrateSerializer,
    RecalibrationSerializer,
)
from apps.attribution.conversion_probability import TouchSoFar

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such person, or none with an open journey.")
NOT_ENOUGH = OpenApiResponse(ERROR, description="Not enough data yet; the answer says what is missing.")
LATELY = OpenApiResponse(ERROR, description="It was done within the last seven days.")


class PredictConversionView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="predict_conversion",
        request=PredictRequestSerializer,
        responses={200: PredictionSerializer, 404: NOT_FOUND, 409: NOT_ENOUGH},
        examples=[
            OpenApiExample("A person", {"user_id": "user_123"}, request_only=True),
            OpenApiExample(
                "A journey that you tell of",
                {
                    "touches": [
                        {"channel": "paid_search", "occurred_at": "2026-11-18T10:00:00Z"},
                        {"channel": "email"},
                    ]
                },
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """How likely an open journey is to convert within the look-back, and what makes it so."""
        given, now = _checked(PredictRequestSerializer, request), timezone.now()
        if "touches" in given:
            touches = [
                TouchSoFar(
                    channel=one["channel"], platform=one.get("platform", ""), at=one.get("occurred_at")
                )
                for one in given["touches"]
            ]
            found = conversion_probability.predict_path(touches, now=now)
        else:
            found = conversion_probability.predict_one(journey_credit.find_person(**given), now=now)
        return Response(answers.prediction(found))


class PredictBatchView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="predict_conversion_batch",
        request=PredictBatchRequestSerializer,
        responses={200: PredictionsSerializer, 404: NOT_FOUND, 409: NOT_ENOUGH},
        examples=[OpenApiExample("The twenty likeliest", {"limit": 20}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """The same of many people, or of all open journeys."""
        given, now = _checked(PredictBatchRequestSerializer, request), timezone.now()
        if "people" not in given:
            of_all = conversion_probability.open_journeys(now=now, most=given["limit"])
            return Response(_many(of_all.predictions, 0, of_all.journeys, of_all.expected))
        people = [journey_credit.find_person(**ids) for ids in given["people"]]
        found = conversion_probability.predict(people, now=now)
        return Response(_many(found, len(people) - len(found), None, None))


class ConversionModelView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(operation_id="conversion_model", responses={200: CardSerializer, 409: NOT_ENOUGH})
    def get(self, request: Request) -> Response:
        """The card of the version in force: data, period, figures with intervals, weights, and limits."""
        return Response(answers.card(conversion_versions.in_force().row))


class TrainConversionView(APIView):
    action_needed = "attribution:write"
    rate_family = "attribution"

    @extend_schema(operation_id="train_conversion", request=None, responses={202: StartedJobSerializer})
    def post(self, request: Request) -> Response:
        """Train the probability to convert now, in the background. A job that fails says what is missing."""
        job = conversion_training.start(request._request.actor)
        url = reverse("attribution-api:conversion-model")
        return Response(analysis_answers.started(job, result_url=url), status=status.HTTP_202_ACCEPTED)


class AccuracyView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(operation_id="accuracy", responses=AccuracySerializer)
    def get(self, request: Request) -> Response:
        """How well each model predicted journeys it had not seen, by night; drift, and what was done."""
        newest, nights = accuracy.newest(), accuracy.nights()
        rows = accuracy.figures_of([*nights, *([newest] if newest else [])])
        last = drift_watch.newest()
        return Response(
            {
                "newest": newest and answers.night(newest, rows[newest.pk]),
                "nights": [answers.night(one, rows[one.pk]) for one in nights],
                "drift": last and answers.check(last),
                "recalibrations": [answers.recalibration(one) for one in drift_watch.recalibrations()],
            }
        )


class RecalibrateView(APIView):
    action_needed = "attribution:write"
    rate_family = "attribution"

    @extend_schema(
        operation_id="recalibrate",
        request=RecalibrateSerializer,
        responses={202: RecalibrationSerializer, 409: LATELY},
    )
    def post(self, request: Request) -> Response:
        """Learn anew from the newest journeys, as drift does by itself. At most once in seven days."""
        given = _checked(RecalibrateSerializer, request)
        row = drift_watch.recalibrate(request._request.actor, now=timezone.now(), reason=given["reason"])
        return Response(answers.recalibration(row), status=status.HTTP_202_ACCEPTED)


def _many(
    found: list[conversion_probability.Prediction], without: int, journeys: int | None, expected: float | None
) -> dict[str, Any]:
    return {
        "predictions": [answers.prediction(one) for one in found],
        "without_open_journey": without,
        "open_journeys": journeys,
        "expected_conversions": expected,
    }


def _checked(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
