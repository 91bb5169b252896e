from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import NotHere
from apps.integrations import call_deeds, connections, conversion_reports, reports, trail, webhooks
from apps.integrations.api.answers import NOT_FOUND, REFUSED, UNAVAILABLE
from apps.integrations.api.serializers import (
    CallFilterSerializer,
    CallSerializer,
    ConnectionSerializer,
    ConversionsFilterSerializer,
    NewWebhookSerializer,
    TellingSerializer,
    TestedSerializer,
    TrailSerializer,
    WebhookSecretSerializer,
    WebhookSerializer,
)
from apps.integrations.models import Call, WebhookEndpoint


class ConnectionsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="connection_list", responses=ConnectionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Every connection and how it does, those in trouble first."""
        found = reports.standings(now=timezone.now())
        return Response(ConnectionSerializer(found, many=True).data)


class ConnectionView(APIView):
    action_needed = {"GET": "integrations:read", "DELETE": "integrations:manage"}

    @extend_schema(operation_id="connection_get", responses={200: ConnectionSerializer, 404: NOT_FOUND})
    def get(self, request: Request, public_id: UUID) -> Response:
        """One connection and how it does."""
        standing = reports.standing_of(connections.get(public_id), now=timezone.now())
        return Response(ConnectionSerializer(standing).data)

    @extend_schema(operation_id="connection_delete", responses={204: None, 404: NOT_FOUND})
    def delete(self, request: Request, public_id: UUID) -> Response:
        """Revoke it where the service has a door for that, and forget its credentials."""
        connections.disconnect(request._request.actor, connections.get(public_id), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConnectionTestView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="connection_test",
        request=None,
        responses={200: TestedSerializer, 404: NOT_FOUND, 409: REFUSED, 503: UNAVAILABLE},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Ask the service something harmless; a stopped connection that works again goes on."""
        said = connections.test(request._request.actor, connections.get(public_id), now=timezone.now())
        return Response({"said": said})


class ConversionsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(
        operation_id="forwarded_conversion_list",
        parameters=[ConversionsFilterSerializer],
        responses=TellingSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """How each destination of conversions does: sent, accepted, rejected and why, recognised by what."""
        asked = ConversionsFilterSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(asked.validated_data)
        found = conversion_reports.tellings(days=given["days"], now=timezone.now())
        rows = TellingSerializer(found, many=True, context=given).data
        return Response(rows)


class CallsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(
        operation_id="call_list", parameters=[CallFilterSerializer], responses=CallSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """Calls to services, newest first."""
        asked = CallFilterSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(asked.validated_data)
        rows = Call.objects.select_related("connection").order_by("-pk")
        if "state" in given:
            rows = rows.filter(state=given["state"])
        if "connection" in given:
            rows = rows.filter(connection__public_id=given["connection"])
        return Response(CallSerializer(rows[: given["limit"]], many=True).data)


class CallTrailView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="call_trail", responses={200: TrailSerializer, 404: NOT_FOUND})
    def get(self, request: Request, call_id: UUID) -> Response:
        """The life of a call, step by step, with its chain checked."""
        call = Call.objects.filter(public_id=call_id).first()
        if call is None:
            raise NotHere("There is no such call.")
        stream = call.stream
        faults = [str(fault) for fault in trail.faults(stream)]
        return Response(TrailSerializer({"steps": trail.steps_of(stream), "faults": faults}).data)


class CallReplayView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="call_replay",
        request=None,
        responses={200: CallSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, call_id: UUID) -> Response:
        """Send a dead letter again, from the start of its schedule."""
        return Response(
            CallSerializer(call_deeds.replay(request._request.actor, call_id, now=timezone.now())).data
        )


class CallCancelView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="call_cancel",
        request=None,
        responses={200: CallSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, call_id: UUID) -> Response:
        """Stop a call that is not under way."""
        return Response(
            CallSerializer(call_deeds.cancel(request._request.actor, call_id, now=timezone.now())).data
        )


class WebhooksView(APIView):
    action_needed = {"GET": "integrations:manage", "POST": "integrations:manage"}

    @extend_schema(operation_id="webhook_list", responses=WebhookSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Every endpoint that is told of events, newest first."""
        return Response(WebhookSerializer(webhooks.endpoints(), many=True).data)

    @extend_schema(
        operation_id="webhook_create", request=NewWebhookSerializer, responses={201: WebhookSecretSerializer}
    )
    def post(self, request: Request) -> Response:
        """Make an endpoint. The answer holds its secret, this once."""
        asked = NewWebhookSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        endpoint, secret = webhooks.create(request._request.actor, now=timezone.now(), **asked.validated_data)
        return Response(_with_secret(endpoint, secret), status=status.HTTP_201_CREATED)


class WebhookView(APIView):
    action_needed = {"GET": "integrations:manage", "DELETE": "integrations:manage"}

    @extend_schema(operation_id="webhook_get", responses={200: WebhookSerializer, 404: NOT_FOUND})
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """One endpoint and how it does."""
        return Response(WebhookSerializer(webhooks.get(endpoint_id)).data)

    @extend_schema(operation_id="webhook_delete", responses={204: None, 404: NOT_FOUND})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Tell it nothing more; what waits for it is cancelled."""
        webhooks.delete(request._request.actor, webhooks.get(endpoint_id), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookTestView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(operation_id="webhook_test", request=None, responses={202: CallSerializer, 404: NOT_FOUND})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Have a message go out that tells of nothing. Its fate stands under messages."""
        endpoint = webhooks.get(endpoint_id)
        call = webhooks.send_test(request._request.actor, endpoint, now=timezone.now())
        return Response(CallSerializer(call).data, status=status.HTTP_202_ACCEPTED)


class WebhookRotateView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="webhook_rotate", request=None, responses={201: WebhookSecretSerializer, 404: NOT_FOUND}
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """A new secret; the old one signs as well for 24 hours."""
        endpoint = webhooks.get(endpoint_id)
        secret = webhooks.rotate(request._request.actor, endpoint, now=timezone.now())
        return Response(_with_secret(endpoint, secret), status=status.HTTP_201_CREATED)


class WebhookTurnOnView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="webhook_turn_on", request=None, responses={200: WebhookSerializer, 404: NOT_FOUND}
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Tell an endpoint again that was switched off; what was held goes out."""
        webhooks.turn_on(request._request.actor, webhooks.get(endpoint_id), now=timezone.now())
        return Response(WebhookSerializer(webhooks.get(endpoint_id)).data)


class WebhookMessagesView(APIView):
    action_needed = {"GET": "integrations:manage"}

    @extend_schema(
        operation_id="webhook_messages", responses={200: CallSerializer(many=True), 404: NOT_FOUND}
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """The latest messages to an endpoint and their fates, newest first."""
        found = webhooks.log_of(webhooks.get(endpoint_id))
        return Response(CallSerializer(found, many=True).data)


class WebhookRedeliverView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="webhook_redeliver",
        request=None,
        responses={202: CallSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, endpoint_id: UUID, call_id: UUID) -> Response:
        """Send a message once more, with the same id."""
        endpoint = webhooks.get(endpoint_id)
        call = webhooks.redeliver(request._request.actor, endpoint, call_id, now=timezone.now())
        return Response(CallSerializer(call).data, status=status.HTTP_202_ACCEPTED)


def _with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    return dict(WebhookSecretSerializer({"webhook": endpoint, "secret": secret}).data)
