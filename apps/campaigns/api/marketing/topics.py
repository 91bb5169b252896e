from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import topics


class TopicChangeSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=300, allow_blank=True, required=False)
    basis = serializers.ChoiceField(choices=Topic.Basis.choices, required=False)
    is_double_opt_in = serializers.BooleanField(
        required=False, help_text="Has to be confirmed by e-mail. Only where consent is asked for."
    )


class NewTopicSerializer(TopicChangeSerializer):
    key = serializers.SlugField(max_length=60, help_text="The purpose of the consent; it stays as it is.")


class MessageTopicSerializer(NewTopicSerializer):
    """A kind of message, and how many people with an e-mail address want it, do not, or never said."""

    granted = serializers.IntegerField()
    withdrawn = serializers.IntegerField()
    unknown = serializers.IntegerField()


class TopicsView(APIView):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(operation_id="marketing_topic_list", responses=MessageTopicSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Kinds of messages that people may want or not."""
        return Response(_told())

    @extend_schema(
        operation_id="marketing_topic_create",
        request=NewTopicSerializer,
        responses={201: MessageTopicSerializer},
    )
    def post(self, request: Request) -> Response:
        given = NewTopicSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = topics.create(request._request.actor, now=timezone.now(), **given.validated_data)
        return Response(_one(made.key), status=status.HTTP_201_CREATED)


class TopicView(APIView):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write"}

    @extend_schema(operation_id="marketing_topic_retrieve", responses=MessageTopicSerializer)
    def get(self, request: Request, key: str) -> Response:
        topics.get(key)
        return Response(_one(key))

    @extend_schema(
        operation_id="marketing_topic_change",
        request=TopicChangeSerializer,
        responses=MessageTopicSerializer,
    )
    def patch(self, request: Request, key: str) -> Response:
        found = topics.get(key)
        given = TopicChangeSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        topics.change(request._request.actor, found, now=timezone.now(), **given.validated_data)
        return Response(_one(key))


def _told() -> list[dict[str, Any]]:
    rows = topics.counted(now=timezone.now())
    return [
        {
            **{name: getattr(row.topic, name) for name in ("key", *topics.CHANGEABLE)},
            "granted": row.granted,
            "withdrawn": row.withdrawn,
            "unknown": row.unknown,
        }
        for row in rows
    ]


def _one(key: str) -> dict[str, Any]:
    return next(one for one in _told() if one["key"] == key)
