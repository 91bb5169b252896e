from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Job, Workspace
from apps.attribution import analysis, goals, health, journey_credit, markov_training
from apps.attribution.api import analysis_answers as answers
from apps.attribution.api.serializers.analysis import (
    BatchAnswerSerializer,
    BatchRequestSerializer,
    HealthSerializer,
    JourneyAnswerSerializer,
    JourneyRequestSerializer,
    ModelsStatusSerializer,
    StartedJobSerializer,
    TrainRequestSerializer,
)
from apps.attribution.lenses import Lens
from apps.attribution.questions import LENS_FIELDS, Query, period

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such person, conversion or job in this workspace.")
NOT_READY = OpenApiResponse(ERROR, description="Something must be trained or computed first.")
STARTED = OpenApiResponse(StartedJobSerializer, description="Too much to answer at once: a job computes it.")


class JobHasNoResult(DomainError):
    code = "job_has_no_result"
    status = 409


class AnalyzeJourneyView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="analyze_journey",
        request=JourneyRequestSerializer,
        responses={200: JourneyAnswerSerializer, 404: NOT_FOUND, 409: NOT_READY},
        examples=[
            OpenApiExample(
                "The latest conversion of a person",
                {"user_id": "user_123", "model_type": "shapley"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Which touches led to a person's conversion, and what each earned."""
        given = _checked(JourneyRequestSerializer, request)
        ids = {name: given.pop(name, None) for name in ("user_id", "anonymous_id", "person_id")}
        person = journey_credit.find_person(**ids)
        found = journey_credit.explain(
            request._request.actor,
            person,
            model_type=given["model_type"],
            conversion_id=given.get("conversion_id"),
            lens=_lens(given),
            now=timezone.now(),
        )
        return Response(answers.journey(found))


class AnalyzeBatchView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="analyze_batch",
        request=BatchRequestSerializer,
        responses={200: BatchAnswerSerializer, 202: STARTED},
        examples=[
            OpenApiExample(
                "Campaigns in October under two models",
                {
                    "model_type": ["shapley", "markov_2"],
                    "from": "2026-10-01",
                    "to": "2026-10-31",
                    "group_by": "campaign",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Which channels, platforms, campaigns or creatives earned the conversions of a period.

        The same question on the same data is answered from the stored run. Where the work is large the answer
        is 202 with a job: poll `status_url`, then read `result_url`.
        """
        given = _checked(BatchRequestSerializer, request)
        query = _query(
            given,
            models=given["model_type"],
            group_by=given["group_by"],
            half_life_days=given["half_life_days"],
        )
        answer = analysis.ask(request._request.actor, query, now=timezone.now())
        if answer.result is not None and answer.is_current:
            return Response(answers.batch(answer.result))
        assert answer.job is not None  # noqa: S101 - an answer without a current result has a job
        url = reverse("attribution-api:analyze-batch-result", args=[answer.job.public_id])
        return Response(answers.started(answer.job, result_url=url), status=status.HTTP_202_ACCEPTED)


class BatchResultView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="analyze_batch_result",
        responses={200: BatchAnswerSerializer, 202: STARTED, 404: NOT_FOUND, 409: NOT_READY},
    )
    def get(self, request: Request, job_id: str) -> Response:
        """The result of a batch analysis that became a job; 202 while it is not done."""
        job = Job.objects.filter(public_id=job_id, kind=analysis.KIND).first()
        if job is None:
            raise NotHere("There is no such analysis in this workspace.")
        if not job.is_over:
            url = reverse("attribution-api:analyze-batch-result", args=[job.public_id])
            return Response(answers.started(job, result_url=url), status=status.HTTP_202_ACCEPTED)
        result = analysis.of_job(job) if job.state == Job.State.DONE else None
        if result is None:
            raise JobHasNoResult(f"This analysis is {job.state} and has no result. {job.message} Ask again.")
        return Response(answers.batch(result))


class TrainMarkovView(APIView):
    action_needed = "attribution:write"
    rate_family = "attribution"

    @extend_schema(
        operation_id="train_markov",
        request=TrainRequestSerializer,
        responses={202: StartedJobSerializer},
        examples=[OpenApiExample("Order 2, all time", {"order": 2}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Train a Markov chain in the background. The same data gives no new version; the job's result says
        which.
        """
        given = _checked(TrainRequestSerializer, request)
        start, end = _period(given)
        job = markov_training.start(
            request._request.actor, given["order"], start=start, end=end, lens=_query(given).lens
        )
        url = reverse("attribution-api:models-status")
        return Response(answers.started(job, result_url=url), status=status.HTTP_202_ACCEPTED)


class ModelsStatusView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(operation_id="models_status", responses=ModelsStatusSerializer)
    def get(self, request: Request) -> Response:
        """The newest version of each trained model, and whether its data has changed since."""
        return Response({"models": [answers.markov(one) for one in markov_training.status()]})


class HealthView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(operation_id="attribution_health", responses=HealthSerializer)
    def get(self, request: Request) -> Response:
        """Whether attribution is fed and working."""
        return Response(answers.health(health.look(now=timezone.now())))


def _checked(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _query(given: dict[str, Any], **chosen: Any) -> Query:
    start, end = _period(given)
    return Query(start=start, end=end, **vars(_lens(given)), **chosen)


def _period(given: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    return period(Workspace.objects.get(), given.get("from"), given.get("to"))


def _lens(given: dict[str, Any]) -> Lens:
    """The goal's, or that of all conversions, with what was chosen beside it."""
    chosen = {name: given.get(name) for name in LENS_FIELDS if name != "conversion_types"}
    one = given.get("conversion_type")
    return goals.lens_of(
        Workspace.objects.get(), given.get("goal"), conversion_types=(one,) if one else None, **chosen
    )
