"""What the engine would do: plans, what they earn, and bids."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.errors import NotHere
from apps.campaigns.api import doors
from apps.campaigns.api.doors import ERROR, NOT_FOUND
from apps.campaigns.api.optimization import scopes
from apps.campaigns.api.optimization import serializers as shapes
from apps.campaigns.models import RunForecast
from apps.campaigns.optimization import (
    bid_quotes,
    plan_tables,
    runs,
    what_if,
)

NOT_NOW = OpenApiResponse(ERROR, description="It stands against a limit, or is not in a state for that.")
NO_RUN = OpenApiResponse(ERROR, description="No run has come to an end yet.")


class AllocateView(doors.CampaignsDoor):
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
        given = doors.given(shapes.AllocateSerializer, request.data)
        guessed = sum("k" not in one for one in given["campaigns"])
        notes = (
            [f"k is {what_if.FALLBACK_EXPONENT} (the fallback) for {guessed:,} campaigns."] if guessed else []
        )
        return Response(plan_tables.as_json(what_if.answer_for(given), notes))


class AnalyzeView(doors.CampaignsDoor):
    action_needed = "optimization:write"

    @extend_schema(
        operation_id="optimization_analyze", request=None, responses={202: shapes.StartedSerializer}
    )
    def post(self, request: Request) -> Response:
        """Have the engine look at all campaigns now, in the background; its job's result names the run."""
        job = runs.ask(request._request.actor)
        return Response(shapes.StartedSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class RunView(doors.CampaignsDoor):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_run_latest", responses={200: shapes.EngineRunSerializer, 404: NO_RUN}
    )
    def get(self, request: Request) -> Response:
        """The last run that came to an end."""
        return Response(shapes.EngineRunSerializer(_latest()).data)


class FrontierView(doors.CampaignsDoor):
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


class ForecastView(doors.CampaignsDoor):
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


class BidsView(doors.CampaignsDoor):
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
        given = doors.given(shapes.BidsSerializer, request.data)
        _, campaign = scopes.of(given.get("connection"), given.get("campaign_id"))
        found = bid_quotes.quotes(given, campaign=campaign, now=timezone.now())
        return Response({"bids": shapes.QuoteSerializer(found, many=True).data})


def _latest() -> Any:
    run = what_if.latest()
    if run is None:
        url = reverse("optimization-api:analyze")
        raise NotHere(f"No run has come to an end yet. The schedule makes one, or POST {url}.")
    return run
