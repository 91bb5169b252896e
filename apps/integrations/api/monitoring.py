from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.integrations import trail
from apps.integrations.api.answers import NOT_FOUND, OVER
from apps.integrations.api.serializers import (
    IncidentFilterSerializer,
    IncidentSerializer,
    RuleChangeSerializer,
    RuleSerializer,
    StatusSerializer,
    TimelineSerializer,
    WhySerializer,
)
from apps.integrations.models import Incident
from apps.integrations.monitoring import incidents, rules, status


class IncidentsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(
        operation_id="incident_list",
        parameters=[IncidentFilterSerializer],
        responses=IncidentSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Incidents, newest first."""
        asked = IncidentFilterSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(asked.validated_data)
        rows = Incident.objects.order_by("-opened_at", "-pk")
        if "state" in given:
            rows = rows.filter(state=given["state"])
        return Response(IncidentSerializer(rows[: given["limit"]], many=True).data)


class IncidentView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="incident_get", responses={200: TimelineSerializer, 404: NOT_FOUND})
    def get(self, request: Request, public_id: UUID) -> Response:
        """One incident with each step of it."""
        found = incidents.find(public_id)
        stream = incidents.stream_of(found)
        found.steps = trail.steps_of(stream)
        found.faults = [str(fault) for fault in trail.faults(stream)]
        return Response(TimelineSerializer(found).data)


class IncidentAcknowledgeView(APIView):
    action_needed = {"POST": "incidents:act"}

    @extend_schema(
        operation_id="incident_acknowledge",
        request=None,
        responses={200: IncidentSerializer, 404: NOT_FOUND, 409: OVER},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Take it: nobody else is woken."""
        actor, now = request._request.actor, timezone.now()
        return Response(
            IncidentSerializer(incidents.acknowledge(actor, incidents.find(public_id), now=now)).data
        )


class IncidentResolveView(APIView):
    action_needed = {"POST": "incidents:act"}

    @extend_schema(
        operation_id="incident_resolve",
        request=WhySerializer,
        responses={200: IncidentSerializer, 404: NOT_FOUND, 409: OVER},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Say that it is over."""
        given = WhySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        actor, why = request._request.actor, given.validated_data["why"]
        found = incidents.find(public_id)
        return Response(
            IncidentSerializer(incidents.resolve_by_hand(actor, found, why=why, now=timezone.now())).data
        )


class RulesView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="alert_rule_list", responses=RuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Every rule with its figure as last read."""
        return Response(RuleSerializer(rules.listed(), many=True).data)


class RuleView(APIView):
    action_needed = {"PATCH": "integrations:manage"}

    @extend_schema(
        operation_id="alert_rule_change",
        request=RuleChangeSerializer,
        responses={200: RuleSerializer, 404: NOT_FOUND},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change a rule's bound, time or severity, silence it, or switch it on and off."""
        rules.find(key)
        given = RuleChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        fields: dict[str, Any] = dict(given.validated_data)
        actor, now, reason = request._request.actor, timezone.now(), fields.pop("reason", "")
        if (hours := fields.pop("silence_hours", None)) is not None:
            fields["silenced_until"] = rules.silent_until(hours, now=now)
        return Response(RuleSerializer(rules.change(actor, key, now=now, reason=reason, **fields)).data)


class StatusView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="integration_status", responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        """How every connected service does, and whether alerts get through."""
        now = timezone.now()
        return Response(
            StatusSerializer({"services": status.statuses(now=now), "channels": status.proven()}).data
        )
