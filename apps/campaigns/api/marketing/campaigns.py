"""Campaigns, and the variants of what they say."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import Actor, require
from apps.campaigns import campaign_reports, campaigns
from apps.campaigns.content import preview, variants
from apps.campaigns.models import Audience, Campaign, Content, Topic
from apps.integrations import mail
from apps.integrations.models import Connection

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such campaign in this workspace.")
NOT_NOW = OpenApiResponse(ERROR, description="It is not in a state for that, or was changed meanwhile.")


class SeenVersion(serializers.IntegerField):
    def __init__(self, *, required: bool = True) -> None:
        words = "The one that you read: another by now answers 409."
        super().__init__(required=required, min_value=0, max_value=2**31 - 1, help_text=words)


class CampaignSerializer(serializers.Serializer):
    """A message to many. version: send it back with a change."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Campaign.Kind.choices)
    state = serializers.ChoiceField(choices=Campaign.State.choices)
    state_reason = serializers.CharField()
    version = serializers.IntegerField()
    audience = serializers.UUIDField(source="audience.public_id", allow_null=True, default=None)
    topic = serializers.CharField(source="topic.key", allow_null=True, default=None)
    sender = serializers.UUIDField(source="sender.public_id", allow_null=True, default=None)
    goal = serializers.CharField(help_text="The conversion type that counts; empty for any.")
    goal_days = serializers.FloatField()
    starts_at = serializers.DateTimeField(allow_null=True)
    send_from_hour = serializers.IntegerField()
    send_until_hour = serializers.IntegerField()
    is_time_optimised = serializers.BooleanField()
    hold_out_share = serializers.FloatField(help_text="Of the audience, who get nothing to compare with.")
    test_share = serializers.FloatField(help_text="On whom variants are tried; the rest gets the winner.")
    test_hours = serializers.FloatField()
    weight = serializers.IntegerField(help_text="Of sending, against other campaigns at work.")
    rate_per_hour = serializers.IntegerField(allow_null=True)
    after_crash = serializers.ChoiceField(choices=Campaign.AfterCrash.choices)
    recipients = serializers.IntegerField()
    winner = serializers.CharField(help_text="The variant that the rest gets; empty while none is named.")
    winner_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    launched_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    archived_at = serializers.DateTimeField(allow_null=True)


class CampaignChangeSerializer(serializers.Serializer):
    """What may be said of a draft. audience and sender by id, topic by key."""

    name = serializers.CharField(max_length=120, required=False)
    kind = serializers.ChoiceField(choices=Campaign.Kind.choices, required=False)
    audience = serializers.UUIDField(required=False, allow_null=True)
    topic = serializers.CharField(max_length=60, required=False, allow_null=True)
    sender = serializers.UUIDField(required=False, allow_null=True)
    goal = serializers.CharField(max_length=60, required=False, allow_blank=True)
    goal_days = serializers.FloatField(required=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    send_from_hour = serializers.IntegerField(required=False, min_value=0, max_value=23)
    send_until_hour = serializers.IntegerField(required=False, min_value=1, max_value=24)
    is_time_optimised = serializers.BooleanField(required=False)
    hold_out_share = serializers.FloatField(required=False, min_value=0, max_value=0.5)
    test_share = serializers.FloatField(required=False, min_value=0.01, max_value=1)
    test_hours = serializers.FloatField(required=False, min_value=0.02, max_value=168)
    weight = serializers.IntegerField(required=False, min_value=1, max_value=100)
    rate_per_hour = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=100_000_000
    )
    after_crash = serializers.ChoiceField(choices=Campaign.AfterCrash.choices, required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """A field that is misspelt must not go unheard; what a campaign is read with may come back."""
        known = set(self.fields) | set(CampaignSerializer().fields)
        strange = sorted(map(str, set(self.initial_data) - known))
        if strange:
            raise serializers.ValidationError({name: ["A campaign has no such field."] for name in strange})
        return given

    def chosen(self) -> dict[str, Any]:
        """With the objects that are named. Raises NotHere."""
        given = dict(self.validated_data)
        for name, known in (("audience", _audience), ("topic", _topic), ("sender", _sender)):
            if given.get(name) is not None:
                given[name] = known(given[name])
        return given


class CampaignNewSerializer(CampaignChangeSerializer):
    name = serializers.CharField(max_length=120)


class CampaignPatchSerializer(CampaignChangeSerializer):
    version = SeenVersion()


class CampaignFilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=Campaign.State.choices, required=False)
    is_archived = serializers.BooleanField(default=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


class CampaignLaunchSerializer(serializers.Serializer):
    confirmed_people = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**53,
        help_text="Required above the workspace's limit: how many you know it reaches.",
    )
    version = SeenVersion(required=False)


class CampaignReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, allow_blank=True, default="")


class CampaignContentSerializer(serializers.Serializer):
    """A variant. Its texts are templates; whoever changes one withdraws its approval. version: send it back
    with a change or an approval.
    """

    key = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    subject = serializers.CharField(max_length=300)
    preheader = serializers.CharField(max_length=300, required=False, allow_blank=True)
    body = serializers.CharField(max_length=100_000, help_text="Markdown.")
    cta_label = serializers.CharField(max_length=120, required=False, allow_blank=True)
    cta_url = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    weight = serializers.IntegerField(required=False, min_value=1, max_value=100)
    made_by = serializers.ChoiceField(choices=Content.MadeBy.choices, read_only=True)
    angle = serializers.CharField(read_only=True)
    tone = serializers.CharField(read_only=True)
    prediction = serializers.JSONField(read_only=True)
    approved_at = serializers.DateTimeField(read_only=True)
    approved_by = serializers.CharField(read_only=True)


class CampaignContentSeenSerializer(serializers.Serializer):
    version = SeenVersion()


class CampaignContentPatchSerializer(CampaignContentSeenSerializer):
    """What may be said of a variant that is there."""

    subject = serializers.CharField(max_length=300, required=False)
    preheader = serializers.CharField(max_length=300, required=False, allow_blank=True)
    body = serializers.CharField(max_length=100_000, required=False, help_text="Markdown.")
    cta_label = serializers.CharField(max_length=120, required=False, allow_blank=True)
    cta_url = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    weight = serializers.IntegerField(required=False, min_value=1, max_value=100)


class CampaignFindingSerializer(serializers.Serializer):
    severity = serializers.CharField(help_text="error or advice.")
    where = serializers.CharField(help_text="A step of the builder, or a variant's key.")
    words = serializers.CharField()


class CampaignCheckSerializer(serializers.Serializer):
    """errors hold the launch, advice does not."""

    is_ready = serializers.SerializerMethodField()
    people = serializers.IntegerField(allow_null=True)
    limit = serializers.IntegerField()
    is_above_limit = serializers.BooleanField()
    findings = CampaignFindingSerializer(many=True)

    def get_is_ready(self, found: campaigns.Checked) -> bool:
        return not found.errors


class CampaignPreviewAskSerializer(serializers.Serializer):
    content = serializers.CharField(max_length=20, required=False, help_text="A variant's key.")
    user_id = serializers.CharField(
        max_length=200, required=False, help_text="As whom; absent: an example. Needs people:read."
    )


class CampaignPreviewSerializer(serializers.Serializer):
    subject = serializers.CharField()
    html = serializers.CharField()
    text = serializers.CharField()


class CampaignTestSerializer(CampaignPreviewAskSerializer):
    to = serializers.EmailField(max_length=254)


class CampaignTestSentSerializer(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()


class CampaignHeardSerializer(serializers.Serializer):
    """People, but for machine_clicks: events of scanners and proxies, which count nowhere else."""

    delivered = serializers.IntegerField()
    clicked = serializers.IntegerField()
    machine_clicks = serializers.IntegerField()
    bounced = serializers.IntegerField()
    complained = serializers.IntegerField()
    unsubscribed = serializers.IntegerField()
    replied = serializers.IntegerField()


class CampaignVariantStatsSerializer(serializers.Serializer):
    key = serializers.CharField(source="content.key")
    subject = serializers.CharField(source="content.subject")
    sent = serializers.IntegerField()
    to_come = serializers.IntegerField()
    heard = CampaignHeardSerializer()
    click_rate = serializers.FloatField(allow_null=True)
    click_low = serializers.FloatField(allow_null=True)
    click_high = serializers.FloatField(allow_null=True)
    converted = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)
    p_best = serializers.FloatField(source="judged.p_best", allow_null=True, default=None)
    expected_loss = serializers.FloatField(source="judged.expected_loss", allow_null=True, default=None)
    is_winner = serializers.BooleanField()
    prediction = serializers.JSONField(help_text="What was foretold when it was approved.")


class CampaignBroughtSerializer(serializers.Serializer):
    """What the message brought on top of sending nothing; null with the reason while too little is known."""

    total = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    people = serializers.IntegerField()
    held_out = serializers.IntegerField()
    more_people = serializers.IntegerField(allow_null=True, help_text="How many more it takes to say.")
    because = serializers.CharField()
    is_final = serializers.BooleanField()
    level = serializers.FloatField()


class CampaignStatsSerializer(serializers.Serializer):
    """What became of a campaign. Revenue in the workspace's currency."""

    recipients = serializers.IntegerField()
    to_send = serializers.IntegerField()
    waiting = serializers.IntegerField()
    held_out = serializers.IntegerField()
    sent = serializers.IntegerField()
    refused = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    skipped = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")
    heard = CampaignHeardSerializer()
    converted = serializers.IntegerField()
    conversions = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)
    variants = CampaignVariantStatsSerializer(many=True)
    verdict = serializers.CharField(source="reading.verdict", allow_null=True, default=None)
    because = serializers.CharField(source="reading.because", allow_null=True, default=None)
    brought_conversions = CampaignBroughtSerializer(allow_null=True)
    brought_revenue = CampaignBroughtSerializer(allow_null=True)
    own_hours = CampaignBroughtSerializer(
        allow_null=True,
        help_text="More people who clicked, or reached the goal, for their own hour; held_out: by lot at the "
        "common one. Nobody is counted before the last window is over.",
    )
    read_at = serializers.DateTimeField(allow_null=True)
    closes_at = serializers.DateTimeField(allow_null=True, help_text="The last window ends.")
    settles_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Until then refunds and what else comes in late is taken in; then it stands.",
    )
    is_settled = serializers.BooleanField(help_text="Nothing is taken in any more.")


def _audience(public_id: UUID) -> Audience:
    return _known(Audience.objects.filter(public_id=public_id), "audience")


def _topic(key: str) -> Topic:
    return _known(Topic.objects.filter(key=key), "topic")


def _sender(public_id: UUID) -> Connection:
    return _known(Connection.objects.filter(public_id=public_id, service=mail.SENDER), "sender")


def _known(rows: Any, what: str) -> Any:
    found = rows.first()
    if found is None:
        raise NotHere(f"There is no such {what} in this workspace.")
    return found


def _given(kind: type[Any], data: Any) -> Any:
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return asked


def _content(campaign: Campaign, key: str | None) -> Content:
    """The variant of that key, else the first."""
    if key:
        return variants.get(campaign, key)
    found = variants.of(campaign)
    if not found:
        raise NotHere("This campaign has no variants yet.")
    return found[0]


def _whose(actor: Actor, user_id: str | None) -> Person | None:
    """As whom a message is shown: what is known of them stands in it."""
    if not user_id:
        return None
    require(actor, "people:read")
    found: Person = _known(Person.objects.filter(external_id=user_id), "person")
    return found


class _View(APIView):
    rate_family = "campaigns"


class CampaignsView(_View):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_list",
        parameters=[CampaignFilterSerializer],
        responses=CampaignSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Campaigns, newest first."""
        given = _given(CampaignFilterSerializer, request.query_params).validated_data
        rows = Campaign.objects.select_related("audience", "topic", "sender").order_by("-pk")
        rows = rows.filter(archived_at__isnull=not given["is_archived"])
        if "state" in given:
            rows = rows.filter(state=given["state"])
        return Response(CampaignSerializer(rows[: given["limit"]], many=True).data)

    @extend_schema(
        operation_id="marketing_campaign_create",
        request=CampaignNewSerializer,
        responses={201: CampaignSerializer, 404: NOT_FOUND},
        examples=[
            OpenApiExample(
                "A test with a hold-out",
                {"name": "Spring", "hold_out_share": 0.1, "test_share": 0.3, "goal": "purchase"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Write one down as a draft."""
        chosen = _given(CampaignNewSerializer, request.data).chosen()
        made = campaigns.create(request._request.actor, now=timezone.now(), **chosen)
        return Response(CampaignSerializer(made).data, status=status.HTTP_201_CREATED)


class CampaignView(_View):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}

    @extend_schema(operation_id="marketing_campaign_get", responses={200: CampaignSerializer, 404: NOT_FOUND})
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """One campaign."""
        return Response(CampaignSerializer(campaigns.find(campaign_id)).data)

    @extend_schema(
        operation_id="marketing_campaign_change",
        request=CampaignPatchSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, campaign_id: UUID) -> Response:
        """Change a draft. With the version that you read: who changed it meanwhile is said, with what."""
        found = campaigns.find(campaign_id)
        chosen = _given(CampaignPatchSerializer, request.data).chosen()
        changed = campaigns.change(request._request.actor, found, now=timezone.now(), **chosen)
        return Response(CampaignSerializer(changed).data)

    @extend_schema(
        operation_id="marketing_campaign_archive",
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def delete(self, request: Request, campaign_id: UUID) -> Response:
        """Put away a draft, or one that is over; what it did stays."""
        found = campaigns.archive(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(found).data)


class CampaignLaunchView(_View):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_launch",
        request=CampaignLaunchSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Let it leave now, or at starts_at. Its checks must hold no error."""
        found = campaigns.find(campaign_id)
        given = _given(CampaignLaunchSerializer, request.data).validated_data
        launched = campaigns.launch(
            request._request.actor,
            found,
            now=timezone.now(),
            confirmed_people=given.get("confirmed_people"),
            version=given.get("version"),
        )
        return Response(CampaignSerializer(launched).data)


class CampaignPauseView(_View):
    action_needed = "campaigns:stop"

    @extend_schema(
        operation_id="marketing_campaign_pause",
        request=CampaignReasonSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Send nothing more for now."""
        found = campaigns.find(campaign_id)
        reason = _given(CampaignReasonSerializer, request.data).validated_data["reason"]
        paused = campaigns.pause(request._request.actor, found, now=timezone.now(), reason=reason)
        return Response(CampaignSerializer(paused).data)


class CampaignResumeView(_View):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_resume",
        request=None,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Go on with those who have not got it."""
        found = campaigns.resume(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(found).data)


class CampaignCancelView(_View):
    action_needed = "campaigns:stop"

    @extend_schema(
        operation_id="marketing_campaign_cancel",
        request=CampaignReasonSerializer,
        responses={200: CampaignSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """End it for good; one that is scheduled becomes a draft again."""
        found = campaigns.find(campaign_id)
        reason = _given(CampaignReasonSerializer, request.data).validated_data["reason"]
        ended = campaigns.cancel(request._request.actor, found, now=timezone.now(), reason=reason)
        return Response(CampaignSerializer(ended).data)


class CampaignDuplicateView(_View):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_campaign_duplicate",
        request=None,
        responses={201: CampaignSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """A draft with the same settings and words."""
        made = campaigns.duplicate(request._request.actor, campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignSerializer(made).data, status=status.HTTP_201_CREATED)


class CampaignStatsView(_View):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_campaign_stats", responses={200: CampaignStatsSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """What became of it. Judged by clicks of people and by conversions, never by opens."""
        report = campaign_reports.read(campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignStatsSerializer(report).data)


class CampaignCheckView(_View):
    action_needed = "campaigns:read"

    @extend_schema(
        operation_id="marketing_campaign_check", responses={200: CampaignCheckSerializer, 404: NOT_FOUND}
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """Everything that stands against it, without launching it."""
        found = campaigns.check(campaigns.find(campaign_id), now=timezone.now())
        return Response(CampaignCheckSerializer(found).data)


class CampaignPreviewView(_View):
    action_needed = "campaigns:write"

    @extend_schema(
        operation_id="marketing_campaign_preview",
        request=CampaignPreviewAskSerializer,
        responses={200: CampaignPreviewSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """A variant as one person would get it. A POST, since it may show what is known of them."""
        found = campaigns.find(campaign_id)
        given = _given(CampaignPreviewAskSerializer, request.data).validated_data
        whose = _whose(request._request.actor, given.get("user_id"))
        one = _content(found, given.get("content"))
        shown = preview.preview(found, one, whose, now=timezone.now())
        told = {"subject": shown.subject, "html": shown.html.decode(), "text": shown.text.decode()}
        return Response(CampaignPreviewSerializer(told).data)


class CampaignTestView(_View):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_test",
        request=CampaignTestSerializer,
        responses={202: CampaignTestSentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Send a variant to one address, to look at it there."""
        found = campaigns.find(campaign_id)
        given = _given(CampaignTestSerializer, request.data).validated_data
        actor, one = request._request.actor, _content(found, given.get("content"))
        whose = _whose(actor, given.get("user_id"))
        sent = preview.send_test(actor, found, one, given["to"], now=timezone.now(), whose=whose)
        return Response(CampaignTestSentSerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class CampaignContentsView(_View):
    action_needed = {"GET": "campaigns:read", "POST": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_content_list",
        responses={200: CampaignContentSerializer(many=True), 404: NOT_FOUND},
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        """Its variants, in their order."""
        found = variants.of(campaigns.find(campaign_id))
        return Response(CampaignContentSerializer(found, many=True).data)

    @extend_schema(
        operation_id="marketing_campaign_content_add",
        request=CampaignContentSerializer,
        responses={201: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        """Another variant, under the next letter."""
        found = campaigns.find(campaign_id)
        given = _given(CampaignContentSerializer, request.data).validated_data
        made = variants.add(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(made).data, status=status.HTTP_201_CREATED)


class CampaignContentView(_View):
    action_needed = {"GET": "campaigns:read", "PATCH": "campaigns:write", "DELETE": "campaigns:write"}

    @extend_schema(
        operation_id="marketing_campaign_content_get",
        responses={200: CampaignContentSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """One variant."""
        return Response(CampaignContentSerializer(variants.get(campaigns.find(campaign_id), key)).data)

    @extend_schema(
        operation_id="marketing_campaign_content_change",
        request=CampaignContentPatchSerializer,
        responses={200: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def patch(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Say it otherwise, or give it another part of the test. With the version that you read: who changed
        it meanwhile is said, with what.
        """
        found = variants.get(campaigns.find(campaign_id), key)
        given = _given(CampaignContentPatchSerializer, request.data).validated_data
        changed = variants.change(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(changed).data)

    @extend_schema(
        operation_id="marketing_campaign_content_remove",
        parameters=[CampaignContentSeenSerializer],
        responses={204: None, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def delete(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Take it away, as it is in the version that you read."""
        found = variants.get(campaigns.find(campaign_id), key)
        given = _given(CampaignContentSeenSerializer, request.query_params).validated_data
        variants.remove(request._request.actor, found, now=timezone.now(), **given)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CampaignContentApproveView(_View):
    action_needed = "campaigns:send"

    @extend_schema(
        operation_id="marketing_campaign_content_approve",
        request=CampaignContentSeenSerializer,
        responses={200: CampaignContentSerializer, 404: NOT_FOUND, 409: NOT_NOW},
    )
    def post(self, request: Request, campaign_id: UUID, key: str) -> Response:
        """Say yes to its words, as they are in the version that you read. A person's deed: no API key may."""
        found = variants.get(campaigns.find(campaign_id), key)
        variants.require_person(request._request.actor)
        given = _given(CampaignContentSeenSerializer, request.data).validated_data
        approved = variants.approve(request._request.actor, found, now=timezone.now(), **given)
        return Response(CampaignContentSerializer(approved).data)
