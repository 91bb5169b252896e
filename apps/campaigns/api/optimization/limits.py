"""What the engine may do: its policy, what it does by itself, caps, and the switch."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Workspace
from apps.campaigns.api import doors
from apps.campaigns.api.doors import NOT_FOUND
from apps.campaigns.api.optimization import scopes
from apps.campaigns.api.optimization import serializers as shapes
from apps.campaigns.optimization import (
    ledger,
    policies,
)
from apps.campaigns.optimization.policies import AutoTerms


class PolicyView(doors.CampaignsDoor):
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


class AutoRulesView(doors.CampaignsDoor):
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
        given = doors.given(shapes.AutoRuleSerializer, request.data)
        kind = given.pop("kind")
        rule = policies.set_auto(request._request.actor, kind, AutoTerms(**given), now=timezone.now())
        return Response(shapes.AutoRuleSerializer(rule).data)


class CapsView(doors.CampaignsDoor):
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
        given = doors.given(shapes.CapSerializer, request.data)
        connection, campaign = scopes.of(given["connection"], given["campaign_id"])
        ledger.set_cap(
            request._request.actor,
            given["measure"],
            given["amount"],
            now=timezone.now(),
            connection=connection,
            campaign=campaign,
        )
        return self.get(request)


class StopView(doors.CampaignsDoor):
    action_needed = "optimization:stop"

    @extend_schema(
        operation_id="optimization_stop",
        request=shapes.DecisionReasonSerializer,
        responses=shapes.PolicySerializer,
    )
    def post(self, request: Request) -> Response:
        """The kill switch: nothing more is carried out until somebody starts it again."""
        given = doors.given(shapes.DecisionReasonSerializer, request.data)
        found = policies.stop(request._request.actor, reason=given["reason"], now=timezone.now())
        return Response(shapes.PolicySerializer(found).data)


class RestartView(doors.CampaignsDoor):
    action_needed = "optimization:approve"

    @extend_schema(operation_id="optimization_restart", request=None, responses=shapes.PolicySerializer)
    def post(self, request: Request) -> Response:
        """Let changes be carried out again."""
        found = policies.restart(request._request.actor, now=timezone.now())
        return Response(shapes.PolicySerializer(found).data)
