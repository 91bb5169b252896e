from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.models import Workspace
from apps.attribution import goals
from apps.attribution.api.serializers.goals import (
    GoalChangeSerializer,
    GoalDetailSerializer,
    GoalRequestSerializer,
    GoalSerializer,
)
from apps.attribution.models import Goal

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such goal in use in this workspace.")
TAKEN = OpenApiResponse(ERROR, description="The key is taken, perhaps by an archived goal.")


class GoalsView(APIView):
    action_needed = {"GET": "attribution:read", "POST": "attribution:write"}

    @extend_schema(operation_id="goal_list", responses=GoalSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The goals in use, in their order; the one that is always there, "all", comes last."""
        listed = [*goals.listed(), goals.every(Workspace.objects.get())]
        has_default = any(goal.is_default for goal in listed)
        listed[-1].is_default = not has_default
        return Response([_goal(goal) for goal in listed])

    @extend_schema(
        operation_id="goal_create",
        request=GoalRequestSerializer,
        responses={201: GoalDetailSerializer, 409: TAKEN},
        examples=[
            OpenApiExample(
                "A person's first subscription",
                {
                    "label": "First subscription",
                    "conversion_types": ["subscription"],
                    "lookback_days": 60,
                    "counting": "once",
                    "direct": "dropped_beside_others",
                    "is_default": True,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Name which conversions count, how, and which touches belong to them."""
        made = goals.create(
            request._request.actor, now=timezone.now(), **_checked(GoalRequestSerializer, request)
        )
        return Response(_detail(made), status=status.HTTP_201_CREATED)


class GoalView(APIView):
    action_needed = {
        "GET": "attribution:read",
        "PATCH": "attribution:write",
        "DELETE": "attribution:write",
    }

    @extend_schema(operation_id="goal_retrieve", responses={200: GoalDetailSerializer, 404: NOT_FOUND})
    def get(self, request: Request, key: str) -> Response:
        """A goal, and how many of the last conversions it counts."""
        return Response(_detail(goals.named(Workspace.objects.get(), key)))

    @extend_schema(
        operation_id="goal_change",
        request=GoalChangeSerializer,
        responses={200: GoalDetailSerializer, 404: NOT_FOUND},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change what a goal is made of. What is asked through it next is computed anew."""
        given = _checked(GoalChangeSerializer, request)
        return Response(_detail(goals.change(request._request.actor, key, now=timezone.now(), **given)))

    @extend_schema(operation_id="goal_archive", request=None, responses={204: None, 404: NOT_FOUND})
    def delete(self, request: Request, key: str) -> Response:
        """Take a goal out of use. Its key stays taken; archiving it again changes nothing."""
        goals.archive(request._request.actor, key, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _checked(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _goal(goal: Goal) -> dict[str, Any]:
    return goals.as_plain(goal) | {"is_archived": goal.archived_at is not None}


def _detail(goal: Goal) -> dict[str, Any]:
    return _goal(goal) | {"reach": vars(goals.reach(goal.lens, now=timezone.now()))}
