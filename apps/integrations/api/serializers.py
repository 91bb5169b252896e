from typing import Any

from rest_framework import serializers

from apps.integrations import modes
from apps.integrations.models import AlertRule, Call, Connection, Incident, ModeSpell


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
    answered_at = serializers.DateTimeField(
        allow_null=True, help_text="When it last did what it should, by a test or a call; null: not known."
    )

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
    steps = serializers.IntegerField(help_text="Visits and clicks that it was told of, not counted above.")
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


class WebhookSerializer(serializers.Serializer):
    """An endpoint that is told of events. Its secret is never part of it."""

    id = serializers.UUIDField(source="public_id")
    url = serializers.CharField()
    event_names = serializers.ListField(child=serializers.CharField(), help_text='["*"] for all.')
    state = serializers.ChoiceField(choices=Connection.State.choices, source="connection.state")
    state_reason = serializers.CharField(source="connection.state_reason")
    failing_since = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class NewWebhookSerializer(serializers.Serializer):
    url = serializers.CharField(max_length=2_000, help_text="Begins with https://.")
    event_names = serializers.ListField(
        child=serializers.CharField(max_length=80), min_length=1, help_text='Names of events, or ["*"].'
    )


class WebhookSecretSerializer(serializers.Serializer):
    """The secret, which no other answer ever holds."""

    webhook = WebhookSerializer()
    secret = serializers.CharField()


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


class IncidentSerializer(serializers.Serializer):
    """Something that is or was wrong, and how far it was escalated."""

    id = serializers.UUIDField(source="public_id")
    key = serializers.CharField(source="dedup_key", help_text="The same while it lasts.")
    title = serializers.CharField()
    detail = serializers.CharField()
    severity = serializers.ChoiceField(choices=AlertRule.Severity.choices)
    state = serializers.ChoiceField(choices=Incident.State.choices)
    tier = serializers.IntegerField(help_text="How far it was escalated: 0 nobody was told, 3 everybody.")
    opened_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    escalates_at = serializers.DateTimeField(source="escalate_at", allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)


class TimelineSerializer(IncidentSerializer):
    """An incident with each step of it, and whether the chain of the steps holds."""

    steps = StepSerializer(many=True)
    faults = serializers.ListField(child=serializers.CharField())


class IncidentFilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=Incident.State.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=500, default=100)


class WhySerializer(serializers.Serializer):
    why = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class RuleSerializer(serializers.Serializer):
    """When somebody is told: a figure of a metric against a bound, for so long."""

    key = serializers.CharField()
    title = serializers.CharField()
    metric = serializers.CharField()
    labels = serializers.CharField()
    figure = serializers.ChoiceField(choices=AlertRule.Figure.choices)
    comparison = serializers.ChoiceField(choices=AlertRule.Comparison.choices)
    bound = serializers.FloatField()
    window_seconds = serializers.IntegerField()
    for_seconds = serializers.IntegerField(help_text="How long it must hold before an incident is opened.")
    severity = serializers.ChoiceField(choices=AlertRule.Severity.choices)
    action = serializers.CharField(help_text="What is done by itself, or empty.")
    is_on = serializers.BooleanField()
    silenced_until = serializers.DateTimeField(allow_null=True)
    holds_since = serializers.DateTimeField(allow_null=True)
    looked_at = serializers.DateTimeField(allow_null=True)
    last_value = serializers.FloatField(allow_null=True)


class RuleChangeSerializer(serializers.Serializer):
    """What is to be different; what is left out stays."""

    bound = serializers.FloatField(required=False, min_value=-1e12, max_value=1e12)
    for_seconds = serializers.IntegerField(required=False, min_value=0, max_value=7 * 86_400)
    severity = serializers.ChoiceField(choices=AlertRule.Severity.choices, required=False)
    is_on = serializers.BooleanField(required=False)
    silence_hours = serializers.IntegerField(
        required=False, min_value=0, max_value=168, help_text="Silent for so long from now on; 0 ends it."
    )
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class SpanSerializer(serializers.Serializer):
    calls = serializers.IntegerField()
    success = serializers.FloatField(allow_null=True, help_text="Share of calls that succeeded.")
    p95 = serializers.FloatField(allow_null=True, help_text="Seconds within which 95 % were answered.")


class ServiceStatusSerializer(serializers.Serializer):
    """How a service does, and what will need a person."""

    service = serializers.CharField(source="service.key")
    name = serializers.CharField(source="service.name")
    trouble = serializers.CharField(help_text="What a person should know now, or empty.")
    ahead = serializers.ListField(child=serializers.CharField(), help_text="What will need a person.")
    day = SpanSerializer(help_text="The last 24 hours.")
    month = SpanSerializer(help_text="The last 30 days.")
    uptime = serializers.FloatField(
        allow_null=True, help_text="Share of the hours with calls in which at least nine of ten succeeded."
    )
    objective = serializers.FloatField()
    meets_objective = serializers.BooleanField(allow_null=True)
    burn_hour = serializers.FloatField(
        help_text="How many times faster than allowed it fails, in the last hour."
    )
    burn_six_hours = serializers.FloatField()
    is_burning = serializers.BooleanField()
    spent = serializers.FloatField(help_text="Share of what may fail in 30 days that has failed.")
    hours_left = serializers.FloatField(
        allow_null=True, help_text="Until all that may fail has failed, at the pace of six hours."
    )


class ProofSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    is_good = serializers.BooleanField()
    is_over = serializers.BooleanField()
    said = serializers.CharField()


class AlertChannelSerializer(serializers.Serializer):
    """An alert channel and its last self-test."""

    proof = ProofSerializer(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """`label` is an attribute of the base class, so it cannot be declared above."""
        return {"label": serializers.CharField(), **super().get_fields()}


class StatusSerializer(serializers.Serializer):
    services = ServiceStatusSerializer(many=True)
    channels = AlertChannelSerializer(many=True)


class ActiveModeSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=ModeSpell.Kind.choices)
    until = serializers.DateTimeField()
    reason = serializers.CharField(allow_blank=True)


class ModeSerializer(serializers.Serializer):
    active = ActiveModeSerializer(allow_null=True, help_text="null on a day like any other.")
    wedding_days = serializers.ListField(
        child=serializers.CharField(), help_text="Changed with PATCH workspace: settings.wedding_days."
    )
    wedding_day_templates = serializers.ListField(
        child=serializers.CharField(),
        help_text="Messages that go first near their event; settings.wedding_day_templates.",
    )


class EmergencySerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=modes.LONGEST_REASON)
    hours = serializers.FloatField(min_value=0.01, max_value=modes.LONGEST_HOURS)


class ModeEndSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)
