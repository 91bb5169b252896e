from datetime import date, datetime
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.attribution.lenses import COUNTINGS, DIRECTS, MOST_DAYS, MOST_TRIM_TOUCHES, TRANSFORMS
from apps.attribution.maths.models import MODELS
from apps.attribution.questions import GROUPS

MODEL_NAMES = ", ".join(MODELS)
FIRST_YEAR, LAST_YEAR = 1970, 2200


@extend_schema_field({"type": "string", "example": "2026-10-01"})
class MomentField(serializers.Field):
    """A day (YYYY-MM-DD, of the workspace's clock) or a moment (ISO 8601 with an offset)."""

    default_error_messages = {
        "shape": "Give a day such as 2026-10-01, or a moment with its offset such as 2026-10-01T09:00:00Z.",
        "year": f"Give a year from {FIRST_YEAR} to {LAST_YEAR}.",
    }

    def to_internal_value(self, data: Any) -> date | datetime:
        found = _moment(data) if isinstance(data, str) and len(data) <= 40 else None
        if found is None or (isinstance(found, datetime) and found.tzinfo is None):
            self.fail("shape")
        if not FIRST_YEAR <= found.year <= LAST_YEAR:
            self.fail("year")
        return found

    def to_representation(self, value: Any) -> str:
        return value.isoformat()


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
class ModelTypesField(serializers.Field):
    """One model, a list of them, or "all"."""

    default_error_messages = {"shape": f"Name models: {MODEL_NAMES}, markov, a list of them, or all."}

    def to_internal_value(self, data: Any) -> tuple[str, ...]:
        names = [data] if isinstance(data, str) else data
        if not isinstance(names, list) or not names or len(names) > 2 * len(MODELS):
            self.fail("shape")
        if not all(isinstance(name, str) for name in names):
            self.fail("shape")
        return tuple(MODELS) if "all" in names else tuple(names)

    def to_representation(self, value: Any) -> Any:
        return list(value)


class LensSerializer(serializers.Serializer):
    """Which journeys: a goal's, and what is chosen otherwise."""

    goal = serializers.CharField(
        max_length=60,
        required=False,
        allow_null=True,
        help_text="Key of a goal. Absent: all conversions with the workspace's look-back. What stands beside "
        "it in the question wins over the goal.",
    )
    conversion_type = serializers.CharField(
        max_length=60, required=False, allow_null=True, help_text="Count conversions of this type only."
    )
    lookback_days = serializers.FloatField(
        min_value=0.001,
        max_value=MOST_DAYS,
        required=False,
        allow_null=True,
        help_text="How long before a conversion a touch counts; 30 unless the goal or the workspace says "
        "otherwise.",
    )
    counting = serializers.ChoiceField(
        choices=COUNTINGS,
        required=False,
        allow_null=True,
        help_text="every: each conversion; once: only the first of a person.",
    )
    transform = serializers.ChoiceField(
        choices=TRANSFORMS,
        required=False,
        allow_null=True,
        help_text="unique: the path as it is; exposure: neighbours of a channel as one; first: the first "
        "touch of each channel; frequency: the same, telling how often it came; trim: the last trim_touches.",
    )
    trim_touches = serializers.IntegerField(
        min_value=0, max_value=MOST_TRIM_TOUCHES, required=False, allow_null=True, help_text="For trim."
    )
    direct = serializers.ChoiceField(
        choices=DIRECTS,
        required=False,
        allow_null=True,
        help_text="Whether direct visits stay in journeys that have other touches too.",
    )


class PeriodSerializer(LensSerializer):
    """`from` and `to` limit when a journey ended; both days are included."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it cannot be declared above."""
        limits: dict[str, serializers.Field] = {
            name: MomentField(required=False, allow_null=True, help_text=MomentField.__doc__)
            for name in ("from", "to")
        }
        return limits | super().get_fields()


class JourneyRequestSerializer(LensSerializer):
    user_id = serializers.CharField(max_length=200, required=False, help_text="Your own id of the person.")
    anonymous_id = serializers.CharField(max_length=200, required=False, help_text="A browser or device.")
    person_id = serializers.UUIDField(required=False, help_text="Our id of the person.")
    model_type = serializers.CharField(
        max_length=60, default="shapley", help_text=f"{MODEL_NAMES}, or markov."
    )
    conversion_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="The event id or order id it was tracked with; the latest that counts, if left out.",
    )


class BatchRequestSerializer(PeriodSerializer):
    model_type = ModelTypesField(default=("shapley",), help_text=ModelTypesField.__doc__)
    group_by = serializers.ChoiceField(choices=GROUPS, default="channel")
    half_life_days = serializers.FloatField(
        min_value=0.001, max_value=MOST_DAYS, default=7.0, help_text="Of time_decay."
    )


class TrainRequestSerializer(PeriodSerializer):
    order = serializers.IntegerField(min_value=1, max_value=4, default=1, help_text="Touches in a state.")


class JourneyConversionSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="The event id it was tracked with.")
    conversion_type = serializers.CharField()
    order_id = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    revenue = serializers.FloatField(help_text="Net of refunds, in the workspace's currency.")
    currency = serializers.CharField()


class JourneyTouchpointSerializer(serializers.Serializer):
    event_id = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    channel = serializers.CharField()
    platform = serializers.CharField()
    campaign_id = serializers.CharField()
    creative_id = serializers.CharField()
    event_type = serializers.CharField()
    credit = serializers.FloatField(help_text="Share of the conversion; these add up to 1.")
    revenue = serializers.FloatField(help_text="These add up to the conversion's revenue, to the cent.")


class JourneyChannelSerializer(serializers.Serializer):
    channel = serializers.CharField(help_text='"none" where no touchpoint is known.')
    share = serializers.FloatField(help_text="These add up to 1.")
    revenue = serializers.FloatField(help_text="These add up to the conversion's revenue, to the cent.")


class ModelVersionSerializer(serializers.Serializer):
    run_id = serializers.IntegerField()
    version = serializers.IntegerField()
    computed_at = serializers.DateTimeField()


class JourneyAnswerSerializer(serializers.Serializer):
    person_id = serializers.UUIDField()
    model = serializers.CharField()
    conversion = JourneyConversionSerializer()
    lookback_days = serializers.FloatField()
    touchpoints = JourneyTouchpointSerializer(many=True)
    channels = JourneyChannelSerializer(many=True)
    basis = serializers.CharField(
        help_text="What the shares rest on: rule, coalition_rates, removal_effects, equal_…"
    )
    note = serializers.CharField(help_text="The basis in words.")
    model_version = ModelVersionSerializer(allow_null=True, help_text="The stored run that was used.")


def _interval(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2, **options)


class IntervalsSerializer(serializers.Serializer):
    """[low, high] of 95 %: what chance alone leaves open, not whether the model is right."""

    conversions = _interval()
    revenue = _interval()
    share = _interval(help_text="Of the conversions.")


class CalibratedSerializer(serializers.Serializer):
    """The row's credit times what lift tests of its channel measured for each unit of it."""

    measure = serializers.CharField(help_text="conversions or revenue")
    amount = serializers.FloatField()
    interval = _interval()
    lift_tests = serializers.IntegerField(help_text="How many it pools.")
    as_of = serializers.DateTimeField()


class CreditRowSerializer(serializers.Serializer):
    model = serializers.CharField()
    channel = serializers.CharField(
        help_text='"none" where no touchpoint is known; empty in finer groupings.'
    )
    platform = serializers.CharField()
    campaign_id = serializers.CharField()
    creative_id = serializers.CharField()
    name = serializers.CharField(help_text="Of the row, for a person.")
    conversions = serializers.FloatField()
    revenue = serializers.FloatField(help_text="A model's rows add up to the total, to the cent.")
    share = serializers.FloatField(help_text="Of the conversions.")
    intervals = IntervalsSerializer(allow_null=True, help_text="null: not enough data yet.")
    calibrated = CalibratedSerializer(allow_null=True, help_text="null: no lift test of this channel.")
    cost = serializers.FloatField(allow_null=True, help_text="null: none is known.")
    roas = serializers.FloatField(allow_null=True, help_text="Revenue for each unit of cost.")
    cpa = serializers.FloatField(allow_null=True, help_text="Cost of a conversion.")


class TotalsSerializer(serializers.Serializer):
    journeys = serializers.IntegerField()
    conversions = serializers.IntegerField()
    revenue = serializers.FloatField()
    cost = serializers.FloatField()


class BatchAnswerSerializer(serializers.Serializer):
    models = serializers.ListField(child=serializers.CharField())
    group_by = serializers.CharField()
    conversion_type = serializers.CharField(allow_null=True, help_text="null: not exactly one.")
    conversion_types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")
    lookback_days = serializers.FloatField()
    counting = serializers.CharField()
    transform = serializers.CharField()
    trim_touches = serializers.IntegerField()
    direct = serializers.CharField()
    half_life_days = serializers.FloatField()
    currency = serializers.CharField()
    computed_at = serializers.DateTimeField()
    rows = CreditRowSerializer(many=True)
    notes = serializers.DictField(
        help_text="What a model decided by itself: the order that markov_auto chose and why, the channels "
        "that shapley_rate gave nothing because they lower the rate. ids_cut: how many ids did more than a "
        "person does (500 touches or conversions), as of the last night: their journeys are cut."
    )
    totals = TotalsSerializer()

    def get_fields(self) -> dict[str, serializers.Field]:
        moments = {name: serializers.DateTimeField(allow_null=True) for name in ("from", "to")}
        return moments | super().get_fields()


class StartedJobSerializer(serializers.Serializer):
    job_id = serializers.UUIDField()
    state = serializers.CharField()
    status_url = serializers.CharField(help_text="Progress; poll it every few seconds.")
    result_url = serializers.CharField(help_text="Where the result will be.")


class MarkovStatusSerializer(serializers.Serializer):
    model = serializers.CharField()
    order = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["not_trained", "current", "stale"])
    version = serializers.IntegerField(allow_null=True)
    trained_at = serializers.DateTimeField(allow_null=True)
    conversion_type = serializers.CharField(allow_null=True)
    lookback_days = serializers.FloatField(allow_null=True)
    journeys = serializers.IntegerField(allow_null=True)
    conversions = serializers.IntegerField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    p_conversion = serializers.FloatField(allow_null=True)
    removal_effects = serializers.DictField(child=serializers.FloatField())
    training_job_id = serializers.UUIDField(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        moments = {name: serializers.DateTimeField(allow_null=True) for name in ("from", "to")}
        return super().get_fields() | moments


class ModelsStatusSerializer(serializers.Serializer):
    models = MarkovStatusSerializer(many=True)


class HealthJobsSerializer(serializers.Serializer):
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    failed_last_day = serializers.IntegerField()


class HealthSerializer(serializers.Serializer):
    status = serializers.ChoiceField(choices=["healthy", "degraded", "idle"])
    reasons = serializers.ListField(child=serializers.CharField())
    last_event_at = serializers.DateTimeField(allow_null=True)
    last_conversion_at = serializers.DateTimeField(allow_null=True)
    lag_seconds = serializers.FloatField(allow_null=True)
    last_analysis_at = serializers.DateTimeField(allow_null=True)
    models = serializers.DictField(child=serializers.IntegerField(), help_text="Newest version by model.")
    jobs = HealthJobsSerializer()


def _moment(text: str) -> date | datetime | None:
    try:
        return parse_date(text) or parse_datetime(text)
    except ValueError:
        return None
