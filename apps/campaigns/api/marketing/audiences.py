from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import Invalid
from apps.campaigns.api import doors
from apps.campaigns.api.doors import ERROR, NOT_FOUND
from apps.campaigns.audiences import asking, catalogue, keeping, list_files, selecting
from apps.campaigns.audiences.conditions import Entry, Input
from apps.campaigns.audiences.selecting import Found
from apps.campaigns.models import Audience, ListFile, RefusedRow

NOT_NOW = OpenApiResponse(ERROR, description="It is in use, was put away, or is not of that kind.")
BAD = OpenApiResponse(ERROR, description="What is wrong stands under its path, like rules.and[1].count.")
SLOW = OpenApiResponse(ERROR, description="Counting takes too long; saving does not need it.")
MOST_LISTED, MOST_REFUSED = 500, 1_000
RULES = {
    "and": [
        {"field": "consent", "purpose": "newsletter", "op": "granted"},
        {
            "field": "touchpoint",
            "channel": "email",
            "op": "at_least",
            "count": 2,
            "window": {"last_days": 30},
        },
        {"not": {"field": "conversion", "type": "purchase"}},
    ]
}


class AudienceSerializer(serializers.Serializer):
    """An audience: rules that are asked anew each time, or a list of people."""

    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Audience.Kind.choices)
    rules = serializers.JSONField()
    people = serializers.IntegerField(allow_null=True, help_text="At counted_at; null before a count.")
    counted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class NewAudienceSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Audience.Kind.choices, default=Audience.Kind.RULES)
    rules = serializers.JSONField(required=False, allow_null=True, help_text="Of a list: none.")


class AudienceChangeSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False)
    rules = serializers.JSONField(required=False, allow_null=True)


class AudienceQuestionSerializer(serializers.Serializer):
    rules = serializers.JSONField()


class AudienceCountSerializer(serializers.Serializer):
    people = serializers.IntegerField()
    sample = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Public ids of those who were made last; none without people:read.",
    )
    seconds = serializers.FloatField(help_text="How long the database took.")
    sentence = serializers.CharField()


class AudienceInputSerializer(serializers.Serializer):
    """What to ask for in a condition. when: only where the key of that name has one of these values."""

    name = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField()
    choices = serializers.ListField(child=serializers.CharField())
    suggestions = serializers.ListField(child=serializers.CharField())
    is_needed = serializers.BooleanField()
    when = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class AudienceFieldSerializer(serializers.Serializer):
    """A kind of condition. reason: why it cannot be used yet; empty where it can."""

    field = serializers.CharField()
    title = serializers.CharField()
    group = serializers.CharField()
    is_available = serializers.BooleanField()
    reason = serializers.CharField()
    inputs = AudienceInputSerializer(many=True)


class NewListFileSerializer(serializers.Serializer):
    """A file as text. Larger ones go by the page, or in parts: what is known already is left alone."""

    name = serializers.CharField(max_length=255)
    content = serializers.CharField(trim_whitespace=False, help_text="CSV or JSON Lines.")
    columns = serializers.DictField(
        child=serializers.CharField(max_length=200),
        required=False,
        help_text="user_id, email, phone: the column of each. Guessed by the names where it is absent.",
    )
    makes_people = serializers.BooleanField(
        default=False, help_text="Whoever is unknown is made; needs the right people:write."
    )


class RefusedRowSerializer(serializers.Serializer):
    line = serializers.IntegerField()
    reason = serializers.ChoiceField(choices=RefusedRow.Reason.choices)
    detail = serializers.CharField(source="get_reason_display")


class ListFileSerializer(serializers.Serializer):
    """How far a file is. GET /api/v1/jobs/{job} says more of its progress."""

    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField(source="file_name")
    columns = serializers.DictField(source="mapping", child=serializers.CharField())
    makes_people = serializers.BooleanField()
    job = serializers.UUIDField(source="job.public_id", allow_null=True)
    state = serializers.CharField(source="job.state", allow_null=True)
    rows = serializers.IntegerField()
    added = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Rows of people who were on the list already.")
    made = serializers.IntegerField(help_text="People who were unknown until then.")
    refused = serializers.IntegerField()
    refused_rows = serializers.SerializerMethodField(help_text=f"The first {MOST_REFUSED:,}.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema(responses=RefusedRowSerializer(many=True))
    def get_refused_rows(self, found: ListFile) -> list[dict[str, Any]]:
        rows = RefusedRow.objects.filter(list_file=found).order_by("line")[:MOST_REFUSED]
        return [dict(one) for one in RefusedRowSerializer(rows, many=True).data]


class AudiencesView(APIView):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}
    rate_family = "campaigns"

    @extend_schema(
        operation_id="audience_list",
        parameters=[doors.BeforeSerializer],
        responses=AudienceSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Audiences that are in use, newest first; at most 500 at once."""
        given = doors.given(doors.BeforeSerializer, request.query_params)
        rows = Audience.objects.filter(archived_at=None).order_by("-pk")
        if "before" in given:
            rows = rows.filter(pk__lt=keeping.get(given["before"]).pk)
        return Response(AudienceSerializer(rows[:MOST_LISTED], many=True).data)

    @extend_schema(
        operation_id="audience_create",
        request=NewAudienceSerializer,
        responses={201: AudienceSerializer, 400: BAD},
        examples=[
            OpenApiExample(
                "Rules", {"name": "Readers who have not bought", "rules": RULES}, request_only=True
            ),
            OpenApiExample("A list", {"name": "Spring fair", "kind": "list"}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Make one. It is not counted by this."""
        given = doors.given(NewAudienceSerializer, request.data)
        made = keeping.create(
            request._request.actor,
            name=given["name"],
            kind=given["kind"],
            rules=given.get("rules"),
            now=timezone.now(),
        )
        return Response(_shown(made), status=status.HTTP_201_CREATED)


class AudienceView(APIView):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}
    rate_family = "campaigns"

    @extend_schema(operation_id="audience_get", responses={200: AudienceSerializer, 404: NOT_FOUND})
    def get(self, request: Request, audience_id: UUID) -> Response:
        """One audience, those that were put away too."""
        return Response(AudienceSerializer(keeping.get(audience_id)).data)

    @extend_schema(
        operation_id="audience_change",
        request=AudienceChangeSerializer,
        responses={200: AudienceSerializer, 400: BAD, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, audience_id: UUID) -> Response:
        """Another name, other rules."""
        given = doors.given(AudienceChangeSerializer, request.data)
        actor, now = request._request.actor, timezone.now()
        found = keeping.change(actor, audience_id, name=given.get("name"), rules=given.get("rules"), now=now)
        return Response(_shown(found))

    @extend_schema(operation_id="audience_archive", responses={204: None, 404: NOT_FOUND, 409: NOT_NOW})
    def delete(self, request: Request, audience_id: UUID) -> Response:
        """Put it away. Campaigns that were sent to it keep it."""
        keeping.archive(request._request.actor, audience_id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class AudienceCountView(APIView):
    action_needed = {"POST": "campaigns:read"}
    rate_family = "campaigns"

    @extend_schema(
        operation_id="audience_count",
        request=None,
        responses={200: AudienceCountSerializer, 404: NOT_FOUND, 503: SLOW},
    )
    def post(self, request: Request, audience_id: UUID) -> Response:
        """Count it now, and keep the number."""
        audience = keeping.get(audience_id)
        found = keeping.count(audience, now=timezone.now(), seconds=selecting.PREVIEW_SECONDS)
        sentence = selecting.sentence(selecting.node_of(audience))
        return Response(_counted(request, found, sentence))


class AudiencePreviewView(APIView):
    action_needed = {"POST": "campaigns:read"}
    rate_family = "campaigns"

    @extend_schema(
        operation_id="audience_preview",
        request=AudienceQuestionSerializer,
        responses={200: AudienceCountSerializer, 400: BAD, 503: SLOW},
        examples=[OpenApiExample("Rules", {"rules": RULES}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """How many fit these rules now; who, for keys that may see people, as rules on traits are. Keeps
        nothing.
        """
        node = selecting.tree.read(doors.given(AudienceQuestionSerializer, request.data)["rules"])
        asking.require_right(request._request.actor, node)
        found = selecting.find(node, now=timezone.now(), seconds=selecting.PREVIEW_SECONDS)
        return Response(_counted(request, found, selecting.sentence(node)))


class AudienceFieldsView(APIView):
    action_needed = {"GET": "campaigns:read"}
    rate_family = "campaigns"

    @extend_schema(operation_id="audience_field_list", responses=AudienceFieldSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What rules can ask for, with what this workspace has, and what they cannot ask for yet."""
        return Response(AudienceFieldSerializer(map(_entry, catalogue.entries()), many=True).data)


class AudienceImportView(APIView):
    action_needed = {"POST": "campaigns:write"}
    rate_family = "campaigns"

    @extend_schema(
        operation_id="audience_import",
        request=NewListFileSerializer,
        responses={202: ListFileSerializer, 400: BAD, 404: NOT_FOUND, 409: NOT_NOW},
        examples=[
            OpenApiExample(
                "Visitors of a fair",
                {"name": "fair.csv", "content": "email\nada@example.com\n", "makes_people": True},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, audience_id: UUID) -> Response:
        """Bring a file of people to a list; it is read in the background."""
        audience = keeping.get(audience_id)
        given = doors.given(NewListFileSerializer, request.data)
        try:
            content = given["content"].encode()
        except UnicodeEncodeError as error:
            raise Invalid({"content": ["This is no text that can be kept."]}) from error
        made = list_files.bring(
            request._request.actor,
            audience,
            file_name=given["name"],
            chunks=[content],
            mapping=given.get("columns"),
            makes_people=given["makes_people"],
            now=timezone.now(),
        )
        return Response(ListFileSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class ListFileView(APIView):
    action_needed = {"GET": "campaigns:read"}
    rate_family = "campaigns"

    @extend_schema(operation_id="audience_import_get", responses={200: ListFileSerializer, 404: NOT_FOUND})
    def get(self, request: Request, file_id: UUID) -> Response:
        """How far a file is, and which rows were refused."""
        return Response(ListFileSerializer(list_files.get(file_id)).data)


def _counted(request: Request, found: Found, sentence: str) -> Any:
    told = asking.as_told(request._request.actor, found)
    return AudienceCountSerializer({**vars(told), "sentence": sentence}).data


def _shown(audience: Audience) -> Any:
    audience.refresh_from_db()  # the database's own moment of making it
    return AudienceSerializer(audience).data


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "field": one.key,
        "title": one.label,
        "group": one.group,
        "is_available": not one.because,
        "reason": one.because,
        "inputs": [_input(asked) for asked in one.inputs()],
    }


def _input(one: Input) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.label,
        "kind": one.kind,
        "choices": [value for value, _ in one.choices if value],
        "suggestions": one.suggestions,
        "is_needed": one.is_needed,
        "when": {one.when[0]: list(one.when[1])} if one.when else {},
    }
