from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.campaigns.subscriptions import suppression_list
from apps.integrations.models import Suppression


class SuppressionFilterSerializer(serializers.Serializer):
    reason = serializers.ChoiceField(choices=Suppression.Reason.choices, required=False)


class NewSuppressionSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=320)
    reason = serializers.CharField(
        max_length=12, help_text=f"One of {', '.join(suppression_list.BY_HAND)}; others are the providers'."
    )
    note = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="", help_text="For the audit."
    )


class SuppressionRemovalSerializer(serializers.Serializer):
    why = serializers.CharField(max_length=300, help_text="For the audit, in at least five characters.")


class SuppressionSerializer(serializers.Serializer):
    """An address that is not written to, kept as a keyed hash."""

    id = serializers.IntegerField(source="suppression.pk")
    address = serializers.CharField(help_text="Masked; empty where nobody is known by it.")
    person_id = serializers.UUIDField(
        source="person.public_id",
        default=None,
        allow_null=True,
        help_text="Whose it is; null without the right people:read.",
    )
    reason = serializers.ChoiceField(source="suppression.reason", choices=Suppression.Reason.choices)
    told_by = serializers.CharField(source="suppression.told_by")
    since = serializers.DateTimeField(source="suppression.since")


class SuppressionPageSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = SuppressionSerializer(many=True)


class SuppressionsView(generics.GenericAPIView):
    serializer_class = SuppressionSerializer
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_suppression_list",
        parameters=[SuppressionFilterSerializer],
        responses=SuppressionPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """Addresses that are not written to, newest first; masked."""
        asked = SuppressionFilterSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        rows = suppression_list.rows(reason=asked.validated_data.get("reason", ""))
        found = self.paginate_queryset(rows)
        return self.get_paginated_response(_told(request, list(found or [])))

    @extend_schema(
        operation_id="marketing_suppression_add",
        request=NewSuppressionSerializer,
        responses={201: SuppressionSerializer},
    )
    def post(self, request: Request) -> Response:
        """Let nobody write to an address any more."""
        given = NewSuppressionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = suppression_list.add(request._request.actor, now=timezone.now(), **given.validated_data)
        return Response(_told(request, [made])[0], status=status.HTTP_201_CREATED)


class SuppressionRemoveView(APIView):
    action_needed = {"POST": "campaigns:send"}

    @extend_schema(
        operation_id="marketing_suppression_remove",
        request=SuppressionRemovalSerializer,
        responses={204: None},
    )
    def post(self, request: Request, suppression_id: int) -> Response:
        """Take an address off the list: the next mail to it goes out on your word."""
        suppression_list.get(suppression_id)
        given = SuppressionRemovalSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        actor, why = request._request.actor, given.validated_data["why"]
        suppression_list.remove(actor, suppression_id, why=why, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _told(request: Request, listed: list[Suppression]) -> list[dict[str, Any]]:
    shown = suppression_list.shown(request._request.actor, listed)
    return list(SuppressionSerializer(shown, many=True).data)
