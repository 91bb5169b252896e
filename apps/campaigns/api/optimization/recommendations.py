"""Recommendations: read, decided on, carried out, taken back; and how they came true."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.campaigns.api import doors
from apps.campaigns.api.doors import ERROR, NOT_FOUND
from apps.campaigns.api.optimization import serializers as shapes
from apps.campaigns.models import Recommendation
from apps.campaigns.optimization import (
    by_hand,
    decisions,
    execute,
    previews,
    track_record,
)

NOT_NOW = OpenApiResponse(ERROR, description="It stands against a limit, or is not in a state for that.")


class RecommendationsView(doors.CampaignsDoor):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_recommendation_list",
        parameters=[shapes.FilterSerializer],
        responses=shapes.RecommendationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Recommendations, newest first."""
        given = doors.given(shapes.FilterSerializer, request.query_params)
        rows = Recommendation.objects.select_related("campaign__connection", "run").order_by("-pk")
        rows = rows.filter(**{name: given[name] for name in ("state", "kind") if name in given})
        return Response(shapes.RecommendationSerializer(rows[: given["limit"]], many=True).data)


class RecommendationView(doors.CampaignsDoor):
    action_needed = "optimization:read"

    @extend_schema(
        operation_id="optimization_recommendation_get",
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, recommendation_id: UUID) -> Response:
        """One recommendation with its reasons, doubts and figures."""
        return Response(shapes.RecommendationSerializer(decisions.get(recommendation_id)).data)


class ApproveView(doors.CampaignsDoor):
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


class RejectView(doors.CampaignsDoor):
    action_needed = "optimization:approve"

    @extend_schema(
        operation_id="optimization_recommendation_reject",
        request=shapes.DecisionReasonSerializer,
        responses={200: shapes.RecommendationSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, recommendation_id: UUID) -> Response:
        """Say no; the same is not proposed again for two weeks."""
        given = doors.given(shapes.DecisionReasonSerializer, request.data)
        actor = request._request.actor
        found = decisions.reject(actor, recommendation_id, reason=given["reason"], now=timezone.now())
        return Response(shapes.RecommendationSerializer(found).data)


class DoneByHandView(doors.CampaignsDoor):
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


class ExecuteView(doors.CampaignsDoor):
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
        if doors.given(shapes.DryRunSerializer, request.data)["dry_run"]:
            return _dry(decisions.get(recommendation_id))
        found = execute.begin(request._request.actor, recommendation_id, now=timezone.now())
        return _begun(found)


class RollBackView(doors.CampaignsDoor):
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
        if doors.given(shapes.DryRunSerializer, request.data)["dry_run"]:
            return _dry(decisions.get(recommendation_id), is_undo=True)
        found = execute.roll_back(request._request.actor, recommendation_id, now=timezone.now())
        return _begun(found)


class TrackRecordView(doors.CampaignsDoor):
    action_needed = "optimization:read"

    @extend_schema(operation_id="optimization_track_record", responses=shapes.TrackRecordSerializer)
    def get(self, request: Request) -> Response:
        """What was claimed against what came true."""
        return Response(shapes.TrackRecordSerializer(track_record.read()).data)


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
