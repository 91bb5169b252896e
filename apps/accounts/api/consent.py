from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import consent, consent_intake, people
from apps.accounts.api.serializers import (
    ConsentAnswerSerializer,
    ConsentPurposeSerializer,
    ConsentStandSerializer,
    ConsentWhoSerializer,
    ConsentWordsSerializer,
)
from apps.accounts.consent import Said
from apps.accounts.consent_intake import WAYS, Word
from apps.accounts.models import Person


class ConsentView(APIView):
    action_needed = {"GET": "people:read", "POST": "people:write"}

    @extend_schema(
        operation_id="consent_retrieve",
        parameters=[ConsentWhoSerializer],
        responses={
            200: ConsentStandSerializer,
            404: OpenApiResponse({"$ref": "#/components/schemas/Error"}, description="Unknown."),
        },
    )
    def get(self, request: Request) -> Response:
        """What a person allows now, and all they said. Not by e-mail: addresses of requests are logged."""
        asked = ConsentWhoSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        person = _person(dict(asked.validated_data))
        told = {
            "person_id": person.public_id,
            "now": list(consent.latest(person).values()),
            "history": consent.history(person),
        }
        return Response(ConsentStandSerializer(told).data)

    @extend_schema(
        operation_id="consent_record",
        request=ConsentWordsSerializer,
        responses={207: ConsentAnswerSerializer},
        examples=[
            OpenApiExample(
                "A cookie banner",
                request_only=True,
                value={
                    "records": [
                        {
                            "anonymous_id": "browser-5",
                            "purpose": "ad_user_data",
                            "granted": True,
                            "source": "cookie banner",
                            "wording": "We tell Meta and Google what you bought.",
                            "occurred_at": "2026-11-19T10:00:00Z",
                        }
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Record what up to 1,000 people allowed or withdrew. The same again changes nothing.

        The latest word counts, whatever order they arrive in; at one instant the withdrawal does.
        """
        given = ConsentWordsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        words = [_word(one, now) for one in given.validated_data["records"]]
        results = consent_intake.take(request._request.actor, words, now=now)
        counts = [taken.what for taken in results]
        told = {what: counts.count(what) for what in ("recorded", "repeated", "refused")}
        return Response(
            ConsentAnswerSerializer({**told, "results": results}).data, status=status.HTTP_207_MULTI_STATUS
        )


class ConsentPurposesView(APIView):
    action_needed = {"GET": "workspace:read"}

    @extend_schema(operation_id="consent_purpose_list", responses=ConsentPurposeSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The purposes that Bellwether looks at. Others may be recorded too, for your own use."""
        known = [{"purpose": purpose, "meaning": meaning} for purpose, meaning in consent.purposes().items()]
        return Response(ConsentPurposeSerializer(known, many=True).data)


def _word(given: dict[str, Any], now: datetime) -> Word:
    said = Said(
        purpose=given["purpose"],
        is_granted=given["granted"],
        source=given["source"],
        wording=given["wording"],
        occurred_at=given.get("occurred_at", now),
    )
    return Word(said=said, is_dated="occurred_at" in given, **{way: given.get(way) for way in WAYS})


def _person(who: dict[str, Any]) -> Person:
    return people.find_public(who["person_id"]) if "person_id" in who else people.find(**who)
