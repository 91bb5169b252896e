from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import Workspace
from apps.integrations import modes
from apps.integrations.api.serializers import EmergencySerializer, ModeEndSerializer, ModeSerializer

ERROR = {"$ref": "#/components/schemas/Error"}
ON_ALREADY = OpenApiResponse(ERROR, description="An emergency is on already.")
NONE_ON = OpenApiResponse(ERROR, description="No mode is on.")


class ModeView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="mode_retrieve", responses=ModeSerializer)
    def get(self, request: Request) -> Response:
        """Whether only what cannot wait is done, until when, and on which days and for which messages.

        Deploy when `active` is null.
        """
        return Response(_told(timezone.now()))


class EmergencyView(APIView):
    action_needed = {"POST": "incidents:act"}

    @extend_schema(
        operation_id="emergency_begin",
        request=EmergencySerializer,
        responses={201: ModeSerializer, 409: ON_ALREADY},
    )
    def post(self, request: Request) -> Response:
        """Do only what cannot wait, for so many hours. It ends by itself."""
        given = EmergencySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        modes.begin_emergency(request._request.actor, now=now, **given.validated_data)
        return Response(_told(now), status=201)


class ModeEndView(APIView):
    action_needed = {"POST": "incidents:act"}

    @extend_schema(
        operation_id="mode_end", request=ModeEndSerializer, responses={200: ModeSerializer, 404: NONE_ON}
    )
    def post(self, request: Request) -> Response:
        """End what is on: an emergency first, then the wedding day. What waited goes on."""
        given = ModeEndSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        modes.end(request._request.actor, now=now, **given.validated_data)
        return Response(_told(now))


def _told(now: datetime) -> Any:
    workspace = Workspace.objects.get()
    told = {
        "active": modes.active(now),
        "wedding_days": modes.days_of(workspace),
        "wedding_day_templates": sorted(modes.templates_of(workspace)),
    }
    return ModeSerializer(told).data
