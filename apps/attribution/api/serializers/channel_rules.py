from rest_framework import serializers

from apps.attribution.api.serializers.tracking import ChannelRuleSerializer


class RuleVersionSerializer(serializers.Serializer):
    """The rules as they stood from a moment on."""

    number = serializers.IntegerField()
    is_in_force = serializers.BooleanField()
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    note = serializers.CharField()
    applied_at = serializers.DateTimeField(
        allow_null=True, help_text="When history was last moved to where these rules put it."
    )
    touches_moved = serializers.IntegerField(allow_null=True)


class RuleVersionDetailSerializer(RuleVersionSerializer):
    rules = ChannelRuleSerializer(many=True)


class RuleReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(
        max_length=500, required=False, default="", allow_blank=True, help_text="For the audit log."
    )


class RulePreviewRequestSerializer(serializers.Serializer):
    """Rules to try: a list of them, an earlier version, or, with neither, those in force."""

    rules = serializers.ListField(
        child=serializers.DictField(),
        max_length=500,
        required=False,
        help_text="As PUT channel-rules takes them.",
    )
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    days = serializers.IntegerField(
        min_value=1,
        max_value=3_650,
        required=False,
        default=90,
        allow_null=True,
        help_text="Touches of the last so many days; null for all of history.",
    )

    def validate(self, given):
        if "rules" in given and "version" in given:
            raise serializers.ValidationError({"version": "Name a version or give rules, not both."})
        return given


class ShiftSerializer(serializers.Serializer):
    to = serializers.CharField()
    touches = serializers.IntegerField()
    revenue_linear = serializers.FloatField(help_text="That these touches earned by linear credit.")
    revenue_last_touch = serializers.FloatField(help_text="That they earned as the last touch.")
    spend = serializers.FloatField(help_text="That follows its campaign.")

    def get_fields(self):
        """`from` is a word of Python, so it cannot be declared above."""
        return {"from": serializers.CharField(), **super().get_fields()}


class ExampleSerializer(serializers.Serializer):
    to = serializers.CharField()
    touches = serializers.IntegerField()
    platform = serializers.CharField()
    event_type = serializers.CharField()
    campaign = serializers.CharField()
    utm_source = serializers.CharField()
    utm_medium = serializers.CharField()
    referrer_host = serializers.CharField()
    click_id = serializers.CharField()

    def get_fields(self):
        return {"from": serializers.CharField(), **super().get_fields()}


class RulePreviewSerializer(serializers.Serializer):
    days = serializers.IntegerField(allow_null=True)
    looked_at = serializers.IntegerField(help_text="Touches of the period: all of them, no sample.")
    moved = serializers.IntegerField(help_text="Those that would move.")
    named = serializers.IntegerField(help_text="Those whose sender named the channel: they never move.")
    unclear = serializers.IntegerField(
        help_text="Those that stay as well: of erased people, and those stored before it was kept who named "
        "a channel, where no known version explains theirs."
    )
    shifts = ShiftSerializer(many=True)
    examples = ExampleSerializer(many=True, help_text="The most frequent kinds of them.")
    currency = serializers.CharField()
    goal = serializers.CharField(help_text="Name of the goal whose conversions the revenue is of.")
    lookback_days = serializers.FloatField()
    computed_at = serializers.DateTimeField()
