"""What people may ask for of what is held on them: that they are found, told all of it, and forgotten."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import people, privacy
from apps.accounts.errors import NotHere
from apps.accounts.models import Person

NOT_FOUND = OpenApiResponse(
    {"$ref": "#/components/schemas/Error"}, description="There is no such person in this workspace."
)
WAYS = ("email", "phone", "user_id", "anonymous_id")


class PersonWhoSerializer(serializers.Serializer):
    """Exactly one way in which somebody may be known."""

    email = serializers.CharField(max_length=320, required=False)
    phone = serializers.CharField(max_length=60, required=False)
    user_id = serializers.CharField(max_length=200, required=False)
    anonymous_id = serializers.CharField(max_length=200, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(f"Give exactly one of {', '.join(WAYS)}.")
        return attrs


class PersonFoundSerializer(serializers.Serializer):
    person_id = serializers.UUIDField(source="public_id")
    user_id = serializers.CharField(source="external_id", allow_null=True)
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class PersonReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(
        max_length=500, help_text="For the audit, such as “asked by letter on 3 May”. Without names."
    )


class PersonErasedSerializer(serializers.Serializer):
    person_id = serializers.UUIDField(source="public_id")
    erased_at = serializers.DateTimeField(source="created_at")


class PersonFindView(APIView):
    action_needed = "people:read"

    @extend_schema(
        operation_id="people_find",
        request=PersonWhoSerializer,
        responses={200: PersonFoundSerializer(many=True)},
    )
    def post(self, request: Request) -> Response:
        """Who is known so: nobody, one, or several who share it. A POST, since addresses of requests are
        logged. Audited where somebody was found.
        """
        asked = PersonWhoSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = _known_by(**asked.validated_data)
        people.reveal_many(request._request.actor, found, now=timezone.now(), reason="looked up by the API")
        return Response(PersonFoundSerializer(found, many=True).data)


class PersonExportView(APIView):
    action_needed = "people:read"

    @extend_schema(
        operation_id="people_export",
        request=PersonReasonSerializer,
        responses={200: OpenApiTypes.OBJECT, 404: NOT_FOUND},
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        """All that is held on a person and on those who were merged into them. Audited."""
        person, reason = people.find_public(person_id), _reason(request)
        return Response(privacy.export(request._request.actor, person, now=timezone.now(), reason=reason))


class PersonEraseView(APIView):
    action_needed = "people:erase"

    @extend_schema(
        operation_id="people_erase",
        request=PersonReasonSerializer,
        responses={200: PersonErasedSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        """Forget a person and those who were merged into them, for good. What counts elsewhere stays without
        them. Doing it again changes nothing.
        """
        person, reason = people.find_public(person_id), _reason(request)
        done = privacy.erase(request._request.actor, person, reason=reason, now=timezone.now())
        return Response(PersonErasedSerializer(done).data)


def _reason(request: Request) -> str:
    given = PersonReasonSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    return str(given.validated_data["reason"])


def _known_by(
    email: str | None = None,
    phone: str | None = None,
    user_id: str | None = None,
    anonymous_id: str | None = None,
) -> list[Person]:
    if email is not None:
        return people.find_by_email(email)
    if phone is not None:
        return people.find_by_phone(phone)
    try:
        return [people.find(user_id=user_id, anonymous_id=anonymous_id)]
    except NotHere:
        return []
