from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.integrations import social, social_reports
from apps.integrations.api.social_serializers import (
    AccountSerializer,
    DraftSerializer,
    LimitSerializer,
    MentionFilterSerializer,
    MentionSerializer,
    NewPostSerializer,
    PostFilterSerializer,
    PostSerializer,
    PreviewSerializer,
)
from apps.integrations.models import Connection

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")
NOT_NOW = OpenApiResponse(ERROR, description="It is not in a state for that, or the day's limit is spent.")


def _given(kind: type[Any], data: Any) -> dict[str, Any]:
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _connections(given: dict[str, Any]) -> list[Connection]:
    return [social.connection_of(one) for one in given["connections"]]


class PostsView(APIView):
    action_needed = {"GET": "integrations:read", "POST": "social:write"}

    @extend_schema(
        operation_id="social_post_list",
        parameters=[PostFilterSerializer],
        responses=PostSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Posts for social networks, newest first."""
        given = _given(PostFilterSerializer, request.query_params)
        rows = social_reports.posts().order_by("-pk")
        if "state" in given:
            rows = rows.filter(state=given["state"])
        return Response(PostSerializer(rows[: given["limit"]], many=True).data)

    @extend_schema(
        operation_id="social_post_create",
        request=NewPostSerializer,
        responses={201: PostSerializer(many=True), 404: NOT_FOUND},
    )
    def post(self, request: Request) -> Response:
        """Keep a draft for each account. A person must approve each on its page before it leaves."""
        given = _given(NewPostSerializer, request.data)
        draft = DraftSerializer.draft_of(given)
        made = social.write(request._request.actor, draft, _connections(given), now=timezone.now())
        return Response(PostSerializer(made, many=True).data, status=status.HTTP_201_CREATED)


class PreviewsView(APIView):
    action_needed = {"POST": "social:write"}

    @extend_schema(
        operation_id="social_post_preview",
        request=NewPostSerializer,
        responses={200: PreviewSerializer(many=True), 404: NOT_FOUND},
    )
    def post(self, request: Request) -> Response:
        """A draft as each network will get it: length, price, faults and warnings. Keeps nothing."""
        given = _given(NewPostSerializer, request.data)
        found = social_reports.previews(DraftSerializer.draft_of(given).post, _connections(given))
        return Response(PreviewSerializer(found, many=True).data)


class PostView(APIView):
    action_needed = {"GET": "integrations:read", "PUT": "social:write", "DELETE": "social:write"}

    @extend_schema(operation_id="social_post_get", responses={200: PostSerializer, 404: NOT_FOUND})
    def get(self, request: Request, post_id: UUID) -> Response:
        """One post, and what became of it."""
        return Response(PostSerializer(social.get(post_id)).data)

    @extend_schema(
        operation_id="social_post_change",
        request=DraftSerializer,
        responses={200: PostSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def put(self, request: Request, post_id: UUID) -> Response:
        """Write it anew. An approval is gone with the words that it was given to."""
        draft = DraftSerializer.draft_of(_given(DraftSerializer, request.data))
        changed = social.change(request._request.actor, post_id, draft, now=timezone.now())
        return Response(PostSerializer(changed).data)

    @extend_schema(operation_id="social_post_discard", responses={204: None, 404: NOT_FOUND, 409: NOT_NOW})
    def delete(self, request: Request, post_id: UUID) -> Response:
        """Throw away what is not out."""
        social.discard(request._request.actor, post_id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class PostWithdrawView(APIView):
    action_needed = {"POST": "social:write"}

    @extend_schema(
        operation_id="social_post_withdraw",
        request=None,
        responses={200: PostSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, post_id: UUID) -> Response:
        """Take the approval back while it has not left."""
        found = social.withdraw(request._request.actor, post_id, now=timezone.now())
        return Response(PostSerializer(found).data)


class PostTakeDownView(APIView):
    action_needed = {"POST": "social:approve"}

    @extend_schema(
        operation_id="social_post_take_down",
        request=None,
        responses={202: PostSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, post_id: UUID) -> Response:
        """Have the network delete it."""
        found = social.take_down(request._request.actor, post_id, now=timezone.now())
        return Response(PostSerializer(found).data, status=status.HTTP_202_ACCEPTED)


class AccountsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="social_account_list", responses=AccountSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Accounts at social networks: paused or not, spent today, followers."""
        return Response(AccountSerializer(social_reports.standings(now=timezone.now()), many=True).data)


class AccountView(APIView):
    action_needed = {"PUT": "social:approve"}

    @extend_schema(
        operation_id="social_account_limit",
        request=LimitSerializer,
        responses={200: AccountSerializer, 404: NOT_FOUND},
    )
    def put(self, request: Request, public_id: UUID) -> Response:
        """What it may spend in a day, and whether figures are read for money."""
        found = social.connection_of(public_id)
        given = _given(LimitSerializer, request.data)
        social.set_limit(request._request.actor, found, **given, now=timezone.now())
        return Response(AccountSerializer(social_reports.standing_of(found, now=timezone.now())).data)


class AccountPauseView(APIView):
    action_needed = {"POST": "social:write"}

    @extend_schema(
        operation_id="social_account_pause", request=None, responses={200: AccountSerializer, 404: NOT_FOUND}
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Publish nothing of this account until it is resumed."""
        found = social.connection_of(public_id)
        social.pause(request._request.actor, found, now=timezone.now())
        return Response(AccountSerializer(social_reports.standing_of(found, now=timezone.now())).data)


class AccountResumeView(APIView):
    action_needed = {"POST": "social:approve"}

    @extend_schema(
        operation_id="social_account_resume", request=None, responses={200: AccountSerializer, 404: NOT_FOUND}
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Publish again."""
        found = social.connection_of(public_id)
        social.resume(request._request.actor, found, now=timezone.now())
        return Response(AccountSerializer(social_reports.standing_of(found, now=timezone.now())).data)


class MentionsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(
        operation_id="social_mention_list",
        parameters=[MentionFilterSerializer],
        responses=MentionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """What others wrote of the accounts, newest first."""
        given = _given(MentionFilterSerializer, request.query_params)
        rows = social_reports.mentions().order_by("-at", "-pk")[: given["limit"]]
        return Response(MentionSerializer(rows, many=True).data)
