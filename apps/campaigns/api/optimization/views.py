from datetime import timedelta
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import NotHere
from apps.accounts.models import Workspace
from apps.campaigns.api.optimization import serializers as shapes
from apps.campaigns.models import Recommendation, RunForecast
from apps.campaigns.optimization import (
    bid_quotes,
    by_hand,
    decisions,
    execute,
    ledger,
    plan_tables,
    policies,
    previews,
    runs,
    track_record,
    what_if,
)
from apps.campaigns.optimization.policies import AutoTerms
from apps.integrations.models import AdCampaign, Connection

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")
NOT_NOW = OpenApiResponse(ERROR, description="It stands against a limit, or is not in a state for that.")
NO_RUN = OpenApiResponse(ERROR, description="No run has come to an end yet.")


def _given(kind: type[Any], data: Any) -> dict[str, Any]:
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


class _View(APIView):
    rate_family = "campaigns"


class AllocateView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_allocate",
        request=shapes.AllocateSerializer,
        responses=shapes.AnswerSerializer,
        examples=[
            OpenApiExample(
                "Two campaigns",
                {
                    "campaigns": [
                        {"campaign": "spring", "a": 12.5, "k": 0.6, "current_budget": 40},
                        {"campaign": "brand", "a": 9.0, "current_budget": 60},
                    ],
                    "total_budget": 100,
                    "max_change_percent": 20,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """The best budgets for curves that you tell of, with their certificate. Keeps and changes nothing."""
        given = _given(shapes.AllocateSerializer, request.data)
        guessed = sum("k" not in one for one in given["campaigns"])
        notes = (
            [f"k is {what_if.FALLBACK_EXPONENT} (the fallback) for {guessed:,} campaigns."] if guessed else []
        )
        return Response(plan_tables.as_json(what_if.answer_for(given), notes))


class AnalyzeView(_View):
    action_needed = "optimization:write"

    @extend_schema(
        operation_id="optimization_analyze", request=None, responses={202: shapes.StartedSerializer}
    )
    def post(self, request: Request) -> Response:
        """Have the engine look at all campaigns now, in the background; its job's result names the run."""
        job = runs.ask(request._request.actor)
        return Response(shapes.StartedSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class RunView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_run_latest", responses={200: shapes.EngineRunSerializer, 404: NO_RUN}
    )
    def get(self, request: Request) -> Response:
        """The last run that came to an end."""
        return Response(shapes.EngineRunSerializer(_latest()).data)


class FrontierView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_frontier", responses={200: shapes.FrontierSerializer, 404: NO_RUN}
    )
    def get(self, request: Request) -> Response:
        """What the best plan of each total would earn."""
        run = _latest()
        found = what_if.curved(run)
        answer = {
            "run": run,
            "total_now": found.total,
            "revenue_now": found.revenue,
            "points": what_if.frontier_of(found),
        }
        return Response(shapes.FrontierSerializer(answer).data)


class ForecastView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_forecast", responses={200: shapes.ForecastSerializer, 404: NO_RUN}
    )
    def get(self, request: Request) -> Response:
        """Spend, revenue and return of the next four weeks: as budgets are, and as the plan has them."""
        run = _latest()
        answer = {
            "run": run,
            "from_day": run.last_day and run.last_day + timedelta(days=1),
            "forecasts": RunForecast.objects.filter(run=run).order_by("scenario"),
        }
        return Response(shapes.ForecastSerializer(answer).data)


class BidsView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_bids",
        request=shapes.BidsSerializer,
        responses={200: shapes.QuotesSerializer, 404: NOT_FOUND, 409: NOT_NOW},
        examples=[
            OpenApiExample(
                "A target cost",
                {
                    "goal": "target_cpa",
                    "target": 40,
                    "items": [{"key": "1", "conversion_probability": 0.035}],
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """What to bid for each click. Keeps and changes nothing."""
        given = _given(shapes.BidsSerializer, request.data)
        _, campaign = _scope(given.get("connection"), given.get("campaign_id"))
        found = bid_quotes.quotes(given, campaign=campaign, now=timezone.now())
        return Response({"bids": shapes.QuoteSerializer(found, many=True).data})


class RecommendationsView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_recommendation_list",
        parameters=[shapes.FilterSerializer],
        responses=shapes.RecommendationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Recommendations, newest first."""
        given = _given(shapes.FilterSerializer, request.query_params)
        rows = Recommendation.objects.select_related("campaign__connection", "run").order_by("-pk")
        rows = rows.filter(**{name: given[name] for name in ("state", "kind") if name in given})
        return Response(shapes.RecommendationSerializer(rows[: given["limit"]], many=True).data)


class RecommendationView(_View):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_recommendation_get",
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, recommendation_id: UUID) -> Response:
        """One recommendation with its reasons, doubts and figures."""
        return Response(shapes.RecommendationSerializer(decisions.get(recommendation_id)).data)


class ApproveView(_View):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_approve",
        request=None,
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Say yes. It is carried out by itself as soon as nothing stands in the way."""
        found = decisions.approve(request._request.actor, recommendation_id, now=timezone.now())
        return Response(shapes.RecommendationSerializer(found).data)


class RejectView(_View):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_reject",
        request=shapes.DecisionReasonSerializer,
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Say no; the same is not proposed again for two weeks."""
        given = _given(shapes.DecisionReasonSerializer, request.data)
        actor = request._request.actor
        found = decisions.reject(actor, recommendation_id, reason=given["reason"], now=timezone.now())
        return Response(shapes.RecommendationSerializer(found).data)


class DoneByHandView(_View):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_done_by_hand",
        request=None,
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Say that what cannot be done from here was made in the platform's own app; it is measured."""
        found = by_hand.done(request._request.actor, recommendation_id, now=timezone.now())
        return Response(shapes.RecommendationSerializer(found).data)


class ExecuteView(_View):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_execute",
        request=shapes.DryRunSerializer,
        responses={
            200: shapes.ExecutionSerializer,
            202: shapes.ExecutionSerializer,
            404: NOT_FOUND,
            409: NOT_NOW,
        },
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Carry out what was approved; with dry_run, answer the exact calls and send nothing."""
        if _given(shapes.DryRunSerializer, request.data)["dry_run"]:
            return _dry(decisions.get(recommendation_id))
        found = execute.begin(request._request.actor, recommendation_id, now=timezone.now())
        return _begun(found)


class RollBackView(_View):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_rollback",
        request=shapes.DryRunSerializer,
        responses={
            200: shapes.ExecutionSerializer,
            202: shapes.ExecutionSerializer,
            404: NOT_FOUND,
            409: NOT_NOW,
        },
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Restore what was there, unless somebody has changed it since."""
        if _given(shapes.DryRunSerializer, request.data)["dry_run"]:
            return _dry(decisions.get(recommendation_id), is_undo=True)
        found = execute.roll_back(request._request.actor, recommendation_id, now=timezone.now())
        return _begun(found)


class TrackRecordView(_View):
    action_needed = "optimization:read"

    @extend_schema(operation_id="optimization_track_record", responses=shapes.TrackRecordSerializer)
    def get(self, request: Request) -> Response:
        """What was claimed against what came true."""
        return Response(shapes.TrackRecordSerializer(track_record.read()).data)


class PolicyView(_View):
    action_needed = {"GET": "optimization:read", "PATCH": "optimization:approve"}

    @extend_schema(operation_id="optimization_policy_get", responses=shapes.PolicySerializer)
    def get(self, request: Request) -> Response:
        """What the engine may do, when, and within what."""
        return Response(shapes.PolicySerializer(policies.get()).data)

    @extend_schema(
        operation_id="optimization_policy_change",
        request=shapes.PolicySerializer,
        responses=shapes.PolicySerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change what is named."""
        asked = shapes.PolicySerializer(policies.get(), data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(asked.validated_data)
        found = policies.change(request._request.actor, changes, now=timezone.now())
        return Response(shapes.PolicySerializer(found).data)


class AutoRulesView(_View):
    action_needed = {"GET": "optimization:read", "PUT": "optimization:approve"}

    @extend_schema(operation_id="optimization_auto_list", responses=shapes.AutoRuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What is carried out without a person, by kind."""
        return Response(shapes.AutoRuleSerializer(list(policies.auto_rules().values()), many=True).data)

    @extend_schema(
        operation_id="optimization_auto_set",
        request=shapes.AutoRuleSerializer,
        responses=shapes.AutoRuleSerializer,
    )
    def put(self, request: Request) -> Response:
        """Set the terms of one kind."""
        given = _given(shapes.AutoRuleSerializer, request.data)
        kind = given.pop("kind")
        rule = policies.set_auto(request._request.actor, kind, AutoTerms(**given), now=timezone.now())
        return Response(shapes.AutoRuleSerializer(rule).data)


class CapsView(_View):
    action_needed = {"GET": "optimization:read", "PUT": "optimization:approve"}

    @extend_schema(operation_id="optimization_cap_list", responses=shapes.StandingSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Every cap, with what counts against it today."""
        day = ledger.today(Workspace.objects.get(), timezone.now())
        return Response(shapes.StandingSerializer(ledger.standings(day=day), many=True).data)

    @extend_schema(
        operation_id="optimization_cap_set",
        request=shapes.CapSerializer,
        responses={200: shapes.StandingSerializer(many=True), 404: NOT_FOUND},
    )
    def put(self, request: Request) -> Response:
        """Set, change or remove a cap."""
        given = _given(shapes.CapSerializer, request.data)
        connection, campaign = _scope(given["connection"], given["campaign_id"])
        ledger.set_cap(
            request._request.actor,
            given["measure"],
            given["amount"],
            now=timezone.now(),
            connection=connection,
            campaign=campaign,
        )
        return self.get(request)


class StopView(_View):
    action_needed = "optimization:stop"

    @extend_schema(
        operation_id="optimization_stop",
        request=shapes.DecisionReasonSerializer,
        responses=shapes.PolicySerializer,
    )
    def post(self, request: Request) -> Response:
        """The kill switch: nothing more is carried out until somebody starts it again."""
        given = _given(shapes.DecisionReasonSerializer, request.data)
        found = policies.stop(request._request.actor, reason=given["reason"], now=timezone.now())
        return Response(shapes.PolicySerializer(found).data)


class RestartView(_View):
    action_needed = "optimization:approve"

    @extend_schema(operation_id="optimization_restart", request=None, responses=shapes.PolicySerializer)
    def post(self, request: Request) -> Response:
        """Let changes be carried out again."""
        found = policies.restart(request._request.actor, now=timezone.now())
        return Response(shapes.PolicySerializer(found).data)


def _latest() -> Any:
    run = what_if.latest()
    if run is None:
        url = reverse("optimization-api:analyze")
        raise NotHere(f"No run has come to an end yet. The schedule makes one, or POST {url}.")
    return run


def _dry(found: Recommendation, *, is_undo: bool = False) -> Response:
    seen = previews.calls(found, is_undo=is_undo)
    obstacle = previews.obstacle(found, is_undo=is_undo, now=timezone.now())
    answer = {
        "is_dry_run": True,
        "recommendation": found,
        "calls": seen.calls,
        "said": seen.said,
        "obstacle": obstacle,
    }
    return Response(shapes.ExecutionSerializer(answer).data)


def _begun(found: Recommendation) -> Response:
    answer: dict[str, Any] = {
        "is_dry_run": False,
        "recommendation": found,
        "calls": [],
        "said": "",
        "obstacle": "",
    }
    return Response(shapes.ExecutionSerializer(answer).data, status=status.HTTP_202_ACCEPTED)


def _scope(
    connection_id: UUID | None, campaign_id: str | None
) -> tuple[Connection | None, AdCampaign | None]:
    """An account or a campaign of this workspace, or neither. Raises NotHere."""
    if connection_id is None:
        return None, None
    connection = Connection.objects.filter(public_id=connection_id).first()
    if connection is None:
        raise NotHere("There is no such connection.")
    if campaign_id is None:
        return connection, None
    campaign = AdCampaign.objects.filter(connection=connection, external_id=campaign_id).first()
    if campaign is None:
        raise NotHere("There is no such campaign in the account.")
    return None, campaign
