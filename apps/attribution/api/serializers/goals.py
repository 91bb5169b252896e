from typing import Any

from rest_framework import serializers

from apps.attribution.api.serializers.closed import ClosedSerializer
from apps.attribution.lenses import COUNTINGS, DIRECTS, MOST_DAYS, MOST_TRIM_TOUCHES, TRANSFORMS

LABEL = "What people call it."


class GoalChangeSerializer(ClosedSerializer):
    """What a goal is made of. Only what is given changes."""

    conversion_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        max_length=50,
        required=False,
        help_text="Those that count; an empty list for all.",
    )
    lookback_days = serializers.FloatField(
        min_value=0.001,
        max_value=MOST_DAYS,
        required=False,
        help_text="How long before a conversion a touch counts.",
    )
    counting = serializers.ChoiceField(
        choices=COUNTINGS, required=False, help_text="every conversion, or once: a person's first."
    )
    transform = serializers.ChoiceField(
        choices=TRANSFORMS, required=False, help_text="How a path is simplified before it is credited."
    )
    trim_touches = serializers.IntegerField(
        min_value=0,
        max_value=MOST_TRIM_TOUCHES,
        required=False,
        help_text="How many of the last touches the transform trim keeps; 0 for the others.",
    )
    direct = serializers.ChoiceField(
        choices=DIRECTS,
        required=False,
        help_text="Whether direct visits stay in journeys that have other touches too.",
    )
    is_default = serializers.BooleanField(
        required=False, help_text="What pages show first. The one that was is no longer."
    )
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    reason = serializers.CharField(max_length=500, required=False, help_text="For the audit log.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`label` is an attribute of the base class, so it cannot be declared above."""
        label = serializers.CharField(max_length=80, required=False, help_text=LABEL)
        return {"label": label, **super().get_fields()}


class GoalRequestSerializer(GoalChangeSerializer):
    key = serializers.RegexField(
        r"^[a-z0-9_-]+$",
        max_length=60,
        required=False,
        help_text="How the API calls it, for good. Absent: made from the label.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        label = serializers.CharField(max_length=80, help_text=LABEL)
        return {**super().get_fields(), "label": label}


class ReachSerializer(serializers.Serializer):
    counted = serializers.IntegerField(help_text="Conversions that the goal counts.")
    conversions = serializers.IntegerField(help_text="All of them.")
    days = serializers.IntegerField(help_text="Of the last so many days.")


class GoalSerializer(serializers.Serializer):
    key = serializers.CharField()
    conversion_types = serializers.ListField(child=serializers.CharField())
    lookback_days = serializers.FloatField()
    counting = serializers.CharField()
    transform = serializers.CharField()
    trim_touches = serializers.IntegerField()
    direct = serializers.CharField()
    is_default = serializers.BooleanField()
    position = serializers.IntegerField()
    is_archived = serializers.BooleanField()

    def get_fields(self) -> dict[str, Any]:
        return {"label": serializers.CharField(help_text=LABEL), **super().get_fields()}


class GoalDetailSerializer(GoalSerializer):
    reach = ReachSerializer(help_text="How much it counts.")
