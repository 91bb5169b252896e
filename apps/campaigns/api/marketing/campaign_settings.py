"""How a campaign is written down in the API, and what may be said of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from apps.accounts.errors import NotHere
from apps.accounts.models import Workspace
from apps.campaigns.api.doors import ERROR, BeforeSerializer
from apps.campaigns.models import Audience, Campaign, Topic
from apps.integrations import mail
from apps.integrations.models import Connection

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


class WorkspaceTime(serializers.DateTimeField):
    """A moment; without an offset it is read on the workspace's clock, as the page reads it."""

    def __init__(self, **options: Any) -> None:
        words = "With an offset, such as 2027-03-01T09:00:00Z; without one, on the workspace's clock."
        super().__init__(help_text=words, **options)

    def enforce_timezone(self, value: datetime) -> datetime:
        """An hour that the clocks skip, or show twice, is no moment."""
        if value.tzinfo is not None:
            return value
        zone = Workspace.objects.get().zone
        if zone.utcoffset(value) != zone.utcoffset(value.replace(fold=1)):
            self.fail("make_aware", timezone=zone)
        return value.replace(tzinfo=zone)


class CampaignChangeSerializer(serializers.Serializer):
    """What may be said of a draft. audience and sender by id, topic by key."""

    name = serializers.CharField(max_length=120, required=False)
    kind = serializers.ChoiceField(choices=Campaign.Kind.choices, required=False)
    audience = serializers.UUIDField(required=False, allow_null=True)
    topic = serializers.CharField(max_length=60, required=False, allow_null=True)
    sender = serializers.UUIDField(required=False, allow_null=True)
    goal = serializers.CharField(max_length=60, required=False, allow_blank=True)
    goal_days = serializers.FloatField(required=False)
    starts_at = WorkspaceTime(required=False, allow_null=True)
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


class CampaignFilterSerializer(BeforeSerializer):
    state = serializers.ChoiceField(choices=Campaign.State.choices, required=False)
    is_archived = serializers.BooleanField(default=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


def _audience(public_id: UUID) -> Audience:
    return known(Audience.objects.filter(public_id=public_id), "audience")


def _topic(key: str) -> Topic:
    return known(Topic.objects.filter(key=key), "topic")


def _sender(public_id: UUID) -> Connection:
    return known(Connection.objects.filter(public_id=public_id, service=mail.SENDER), "sender")


def known(rows: Any, what: str) -> Any:
    found = rows.first()
    if found is None:
        raise NotHere(f"There is no such {what} in this workspace.")
    return found
