from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.errors import Invalid
from apps.accounts.permissions import Actor
from apps.attribution import experiment_requests, experiments, lift_tests
from apps.attribution.api import experiment_answers as answers
from apps.attribution.api.serializers.experiments import (
    AssignmentsSerializer,
    AssignSerializer,
    DecisionSerializer,
    ExperimentAnswerSerializer,
    ExperimentReasonSerializer,
    ExperimentSerializer,
    ExposeSerializer,
    LiftTestAnswerSerializer,
    LiftTestSerializer,
    LoggedSerializer,
    ReadingSerializer,
    SharesSerializer,
)
from apps.attribution.experiment_requests import Caller
from apps.attribution.experiments import Arm
from apps.attribution.lift_tests import RegionRow
from apps.attribution.models import Experiment, LiftTest

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such experiment or lift test in this workspace.")
NOT_NOW = OpenApiResponse(ERROR, description="Its state or its reading does not allow this.")
WRITES = {"GET": "attribution:read", "POST": "experiments:write"}
EXAMPLE = {
    "key": "subject-line",
    "name": "A question as the subject",
    "variants": [{"key": "statement"}, {"key": "question"}],
    "baseline": 0.04,
    "minimum_effect": 0.2,
}


class ExperimentsView(GenericAPIView):
    action_needed = WRITES
    serializer_class = ExperimentAnswerSerializer

    def get_queryset(self) -> QuerySet[Experiment]:
        return Experiment.objects.all()

    @extend_schema(operation_id="experiment_list", responses=ExperimentAnswerSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All experiments, newest first."""
        return _paged(self, answers.experiment)

    @extend_schema(
        operation_id="experiment_create",
        request=ExperimentSerializer,
        responses={201: ExperimentAnswerSerializer, 409: NOT_NOW},
        examples=[OpenApiExample("Two subject lines", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Write down a question as a draft. Start it when it is right: afterwards only shares change."""
        given = _checked(ExperimentSerializer, request)
        variants = experiments.with_control_first([Arm(**one) for one in given.pop("variants")])
        made = experiments.create(_actor(request), variants=variants, now=timezone.now(), **given)
        return Response(answers.experiment(made), status=status.HTTP_201_CREATED)


class ExperimentView(APIView):
    action_needed = "attribution:read"

    @extend_schema(
        operation_id="experiment_retrieve", responses={200: ExperimentAnswerSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, key: str) -> Response:
        """One experiment: what was asked, and where it stands."""
        return Response(answers.experiment(experiments.find(key)))


class ExperimentStartView(APIView):
    action_needed = "experiments:write"

    @extend_schema(
        operation_id="experiment_start",
        request=None,
        responses={200: ExperimentAnswerSerializer, 409: NOT_NOW},
    )
    def post(self, request: Request, key: str) -> Response:
        """Let units in from now on."""
        started = experiments.start(_actor(request), experiments.find(key), now=timezone.now())
        return Response(answers.experiment(started))


class ExperimentStopView(APIView):
    action_needed = "experiments:write"

    @extend_schema(
        operation_id="experiment_stop",
        request=ExperimentReasonSerializer,
        responses={200: ExperimentAnswerSerializer, 409: NOT_NOW},
    )
    def post(self, request: Request, key: str) -> Response:
        """Let nobody in any more; what comes of those who are in is still read."""
        found, given = experiments.find(key), _checked(ExperimentReasonSerializer, request)
        stopped = experiments.stop(_actor(request), found, now=timezone.now(), **given)
        return Response(answers.experiment(stopped))


class ExperimentSharesView(APIView):
    action_needed = "experiments:write"

    @extend_schema(
        operation_id="experiment_shares",
        request=SharesSerializer,
        responses={200: ExperimentAnswerSerializer, 409: NOT_NOW},
    )
    def post(self, request: Request, key: str) -> Response:
        """Open a new phase with other shares. Whoever has seen a variant keeps it."""
        found, given = experiments.find(key), _checked(SharesSerializer, request)
        experiments.reweigh(
            _actor(request), found, given["shares"], now=timezone.now(), reason=given["reason"]
        )
        return Response(answers.experiment(experiments.find(key)))


class ExperimentDecideView(APIView):
    action_needed = "experiments:write"

    @extend_schema(
        operation_id="experiment_decide",
        request=DecisionSerializer,
        responses={200: ExperimentAnswerSerializer, 409: NOT_NOW},
    )
    def post(self, request: Request, key: str) -> Response:
        """End it, with the winner that its reading names or with none. From then on assign answers the winner
        to everybody.
        """
        found, given = experiments.find(key), _checked(DecisionSerializer, request)
        decided = experiments.decide(_actor(request), found, now=timezone.now(), **given)
        return Response(answers.experiment(decided))


class ExperimentReadingView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(operation_id="experiment_reading", responses={200: ReadingSerializer, 404: NOT_FOUND})
    def get(self, request: Request, key: str) -> Response:
        """What it says. Reading it as often as you like changes no chance of error: a lift is proved only at
        planned looks, which are taken by themselves.
        """
        found = experiments.find(key)
        return Response(answers.reading(found, experiments.read(found, now=timezone.now())))


class ExperimentAssignView(APIView):
    action_needed = "tracking:write"
    rate_family = "tracking"

    @extend_schema(
        operation_id="experiment_assign",
        request=AssignSerializer,
        responses={200: AssignmentsSerializer, 404: NOT_FOUND},
        examples=[
            OpenApiExample("Two visitors", {"units": [{"user_id": "user_123"}, {"anonymous_id": "b-5"}]})
        ],
    )
    def post(self, request: Request, key: str) -> Response:
        """Which variant each gets: by lot, and the same each time. Say with expose who really saw theirs."""
        found = experiments.find(key)
        callers = [Caller(**one) for one in _checked(AssignSerializer, request)["units"]]
        assigned = experiment_requests.assign(_actor(request), found, callers, now=timezone.now())
        return Response(answers.assignments(found, assigned))


class ExperimentExposeView(APIView):
    action_needed = "tracking:write"
    rate_family = "tracking"

    @extend_schema(
        operation_id="experiment_expose",
        request=ExposeSerializer,
        responses={200: LoggedSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, key: str) -> Response:
        """Log who saw their variant. The first time counts, however often and in whatever order it comes."""
        found, given = experiments.find(key), _checked(ExposeSerializer, request)["exposures"]
        callers = [Caller(**{"at": one.pop("occurred_at", None), **one}) for one in given]
        logged = experiment_requests.expose(_actor(request), found, callers, now=timezone.now())
        return Response(vars(logged))


class LiftTestsView(GenericAPIView):
    action_needed = {"GET": "attribution:read", "POST": "attribution:write"}
    serializer_class = LiftTestAnswerSerializer

    def get_queryset(self) -> QuerySet[LiftTest]:
        return LiftTest.objects.select_related("channel", "experiment")

    @extend_schema(operation_id="lift_test_list", responses=LiftTestAnswerSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What channels caused, as measured; newest first, retired ones too."""
        return _paged(self, answers.lift_test)

    @extend_schema(
        operation_id="lift_test_enter",
        request=LiftTestSerializer,
        responses={201: LiftTestAnswerSerializer, 409: NOT_NOW},
    )
    def post(self, request: Request) -> Response:
        """Enter a result from elsewhere, a geo test, or an experiment with a control that went without."""
        given = _checked(LiftTestSerializer, request)
        made = ENTER[given.pop("kind")](_actor(request), given)
        return Response(answers.lift_test(made), status=status.HTTP_201_CREATED)


class LiftTestView(APIView):
    action_needed = "attribution:read"

    @extend_schema(
        operation_id="lift_test_retrieve", responses={200: LiftTestAnswerSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, lift_test_id: int) -> Response:
        """One test, and what each model said of the same channel and days."""
        return Response(answers.lift_test(lift_tests.find(lift_test_id)))


class LiftTestRetireView(APIView):
    action_needed = "attribution:write"

    @extend_schema(
        operation_id="lift_test_retire",
        request=ExperimentReasonSerializer,
        responses={200: LiftTestAnswerSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, lift_test_id: int) -> Response:
        """Let it count no more. It is kept."""
        found, given = lift_tests.find(lift_test_id), _checked(ExperimentReasonSerializer, request)
        retired = lift_tests.retire(_actor(request), found, now=timezone.now(), **given)
        return Response(answers.lift_test(retired))


def _external(actor: Actor, given: dict[str, Any]) -> LiftTest:
    _need(given, "name", "first_day", "last_day", "incremental", "standard_error")
    _refuse(given, "experiment", "variant", "rows")
    return lift_tests.enter(actor, now=timezone.now(), **given)


def _geo(actor: Actor, given: dict[str, Any]) -> LiftTest:
    _need(given, "name", "first_day", "rows")
    _refuse(given, "experiment", "variant", "last_day", "incremental", "standard_error")
    rows = [RegionRow(**row) for row in given.pop("rows")]
    return lift_tests.enter_regions(actor, rows, now=timezone.now(), **given)


def _holdout(actor: Actor, given: dict[str, Any]) -> LiftTest:
    _need(given, "experiment")
    kept = {name: given[name] for name in ("channel", "variant", "notes") if name in given}
    found = experiments.find(given["experiment"])
    return lift_tests.enter_experiment(actor, found, now=timezone.now(), **kept)


ENTER: dict[str, Callable[[Actor, dict[str, Any]], LiftTest]] = {
    "external": _external,
    "geo": _geo,
    "holdout": _holdout,
}


def _need(given: dict[str, Any], *names: str) -> None:
    if missing := {name: ["This kind of test needs it."] for name in names if name not in given}:
        raise Invalid(missing)


def _refuse(given: dict[str, Any], *names: str) -> None:
    if extra := {name: ["This kind of test does not take it."] for name in names if name in given}:
        raise Invalid(extra)


def _checked(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _paged(view: GenericAPIView[Any], answer: Callable[[Any], dict[str, Any]]) -> Response:
    found = view.paginate_queryset(view.get_queryset()) or []
    return view.get_paginated_response([answer(one) for one in found])


def _actor(request: Request) -> Actor:
    actor: Actor = request._request.actor
    return actor
