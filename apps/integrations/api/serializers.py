from typing import Any

from rest_framework import serializers

from apps.integrations.models import Call, Connection


class ConnectionSerializer(serializers.Serializer):
    """A connection and how it does. Credentials are never part of it."""

    id = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="service.key")
    service_name = serializers.CharField(source="service.name")
    reach = serializers.CharField(source="service.reach", help_text="What it can honestly do.")
    account = serializers.CharField(source="connection.account")
    state = serializers.ChoiceField(choices=Connection.State.choices, source="connection.state")
    trouble = serializers.CharField(help_text="What a person should know, or empty.")
    scopes = serializers.ListField(child=serializers.CharField(), source="connection.scopes")
    waiting = serializers.IntegerField()
    held = serializers.IntegerField(help_text="Calls that wait until the connection works again.")
    dead = serializers.IntegerField(help_text="Calls that were given up.")
    done_today = serializers.IntegerField(help_text="Calls done in the last 24 hours.")
    days_to_sunset = serializers.IntegerField(source="sunset_days", allow_null=True)
    checked_at = serializers.DateTimeField(source="connection.checked_at", allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """`label` is an attribute of the base class, so it cannot be declared above."""
        return {**super().get_fields(), "label": serializers.CharField(source="connection.label")}


class ConversionsFilterSerializer(serializers.Serializer):
    days = serializers.IntegerField(min_value=1, max_value=90, default=28)


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(source="words")
    count = serializers.IntegerField()


class TellingSerializer(serializers.Serializer):
    """One destination of conversions, over the conversions that came in the last `days` days."""

    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="service.key")
    days = serializers.SerializerMethodField(help_text="The period of every number here.")
    known = serializers.IntegerField(help_text="Conversions that it was to be told of.")
    sent = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    confirmed = serializers.IntegerField(help_text="By its later word, where it has one.")
    waiting = serializers.IntegerField()
    kept_back = serializers.IntegerField(help_text="Not sent: no consent, too old, nobody to recognise.")
    changes = serializers.IntegerField(help_text="Refunds and corrections that it was told of.")
    repeated = serializers.IntegerField(help_text="Events that came again and were not sent again.")
    by_email = serializers.FloatField(allow_null=True, help_text="Share of what was sent; null: too little.")
    by_phone = serializers.FloatField(allow_null=True)
    by_click_id = serializers.FloatField(allow_null=True)
    oldest_waiting_at = serializers.DateTimeField(allow_null=True)
    reasons = ReasonSerializer(many=True)

    def get_days(self, telling: Any) -> int:
        return int(self.context["days"])


class TestedSerializer(serializers.Serializer):
    said = serializers.CharField(help_text="What the service answered, in words.")


class CallSerializer(serializers.Serializer):
    """A call to a service that waits, is over, or was given up. Its content is not shown."""

    id = serializers.UUIDField(source="public_id")
    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField()
    operation = serializers.CharField()
    lane = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=Call.State.choices)
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True)
    last_kind = serializers.CharField(help_text="What became of the last attempt.")
    last_reason = serializers.CharField()
    reference = serializers.CharField(help_text="The service's own id of what it did.")
    is_possible_duplicate = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)

    def get_lane(self, call: Call) -> str:
        return str(call.get_lane_display())


class CallFilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=Call.State.choices, required=False)
    connection = serializers.UUIDField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=500, default=100)


class StepSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    data: Any = serializers.JSONField()


class TrailSerializer(serializers.Serializer):
    """The life of a call, step by step, and whether its chain holds."""

    steps = StepSerializer(many=True)
    faults = serializers.ListField(child=serializers.CharField())
