from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import people
from apps.accounts.models import Person
from apps.campaigns.models import FrequencyWish
from apps.campaigns.subscriptions import preferences, sign_ups, topics, unsubscribing, wishes
from apps.campaigns.subscriptions.wishes import Wish

WAYS = ("person_id", "user_id", "anonymous_id")
LONGEST_ID = 200


class PreferencesWhoSerializer(serializers.Serializer):
    """Somebody, by exactly one of three ids. Not by e-mail: addresses of requests are logged."""

    person_id = serializers.UUIDField(required=False)
    user_id = serializers.CharField(required=False, max_length=LONGEST_ID)
    anonymous_id = serializers.CharField(required=False, max_length=LONGEST_ID)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if sum(way in given for way in WAYS) != 1:
            raise serializers.ValidationError({"person_id": [f"Give exactly one of {', '.join(WAYS)}."]})
        return given


class PreferencesChangeSerializer(PreferencesWhoSerializer):
    """What somebody said. What they want more of is asked for through subscribe."""

    frequency = serializers.ChoiceField(choices=FrequencyWish.Frequency.choices, required=False)
    paused_until = serializers.DateTimeField(
        required=False, allow_null=True, help_text="A year ahead at most; null ends a pause."
    )
    leave = serializers.ListField(
        child=serializers.SlugField(max_length=60),
        required=False,
        default=list,
        max_length=100,
        help_text="Keys of topics that they want no more of.",
    )
    leave_everything = serializers.BooleanField(required=False, default=False)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, help_text="Where they said so, such as “by phone”."
    )


class TopicStandSerializer(serializers.Serializer):
    topic = serializers.CharField(source="topic.key")
    name = serializers.CharField(source="topic.name")
    state = serializers.ChoiceField(
        choices=[preferences.GRANTED, preferences.WITHDRAWN, preferences.SILENT, preferences.KEPT],
        help_text="kept: comes in any case.",
    )
    is_on = serializers.BooleanField()
    waits_for_confirmation = serializers.BooleanField(source="waits")


class PreferencesSerializer(serializers.Serializer):
    address = serializers.CharField(help_text="Masked.")
    topics = TopicStandSerializer(source="choices", many=True)
    frequency = serializers.ChoiceField(source="wish.frequency", choices=FrequencyWish.Frequency.choices)
    paused_until = serializers.DateTimeField(source="wish.paused_until", allow_null=True)
    has_left_everything = serializers.BooleanField(source="is_off")


class SubscribeSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=320)
    topic = serializers.SlugField(max_length=60)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=100, help_text="Where they asked, such as “footer of the shop”."
    )
    wording = serializers.CharField(max_length=1_500, help_text="What they were shown where they asked.")
    asked_from = serializers.IPAddressField(
        required=False, help_text="The address of their machine; a hash of it is kept as proof."
    )


class SubscribedSerializer(serializers.Serializer):
    topic = serializers.CharField(source="topic.key")
    state = serializers.ChoiceField(choices=["to_confirm", "subscribed"])


class PreferencesView(APIView):
    action_needed = {"GET": "people:read", "PATCH": "people:write"}

    @extend_schema(
        operation_id="marketing_preferences_retrieve",
        parameters=[PreferencesWhoSerializer],
        responses={
            200: PreferencesSerializer,
            404: OpenApiResponse({"$ref": "#/components/schemas/Error"}, description="Unknown."),
        },
    )
    def get(self, request: Request) -> Response:
        """Which topics somebody gets, and how often."""
        asked = PreferencesWhoSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(_told(_person(asked.validated_data)))

    @extend_schema(
        operation_id="marketing_preferences_change",
        request=PreferencesChangeSerializer,
        responses={
            200: PreferencesSerializer,
            404: OpenApiResponse({"$ref": "#/components/schemas/Error"}, description="Unknown."),
        },
    )
    def patch(self, request: Request) -> Response:
        """Write down what somebody said of how often, and what they want no more of."""
        asked = PreferencesChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, actor, now = asked.validated_data, request._request.actor, timezone.now()
        person = _person(given)
        left = [topics.get(key) for key in given["leave"]]
        before = wishes.of(person.pk, now=now)
        wish = Wish(given.get("frequency", before.frequency), given.get("paused_until", before.paused_until))
        unsubscribing.take_down(
            actor, person, left, wish, is_all=given["leave_everything"], source=given["source"], now=now
        )
        return Response(_told(person))


class SubscribeView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="marketing_preferences_subscribe",
        request=SubscribeSerializer,
        responses={202: SubscribedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Somebody asks for a topic. With double opt-in they get an e-mail, and it counts once they confirm.

        The answer is the same whether the address is known or not. An address gets at most three such mails a
        day.
        """
        asked = SubscribeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        answer = sign_ups.ask(
            topics.get(given["topic"]),
            given["email"],
            source=given["source"],
            wording=given["wording"],
            asked_from=given.get("asked_from", ""),
            now=timezone.now(),
        )
        return Response(SubscribedSerializer(answer).data, status=status.HTTP_202_ACCEPTED)


def _person(who: dict[str, Any]) -> Person:
    named = {way: who[way] for way in WAYS if way in who}
    return people.find_public(named["person_id"]) if "person_id" in named else people.find(**named)


def _told(person: Person) -> dict[str, Any]:
    return dict(PreferencesSerializer(preferences.of(person, now=timezone.now())).data)
