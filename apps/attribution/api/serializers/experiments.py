import math
from typing import Any

from rest_framework import serializers

from apps.attribution.api.serializers.closed import ClosedSerializer
from apps.attribution.models import Experiment, LiftTest

MOST_UNITS = 1_000
MOST_ROWS = 20_000
SLUG = "Letters, digits, - and _."


class FiniteField(serializers.FloatField):
    default_error_messages = {"finite": "Give a finite number."}

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("finite")
        return value


class VariantSerializer(ClosedSerializer):
    key = serializers.SlugField(max_length=60, help_text=SLUG)
    name = serializers.CharField(max_length=120, required=False)
    share = FiniteField(default=1.0, min_value=1e-6, max_value=1e6, help_text="Of the traffic, on any scale.")
    is_control = serializers.BooleanField(
        required=False, help_text="What the others are held against. Exactly one; absent: the first."
    )


class ExperimentSerializer(ClosedSerializer):
    key = serializers.SlugField(max_length=60, help_text=SLUG)
    name = serializers.CharField(max_length=120)
    variants = serializers.ListField(child=VariantSerializer(), max_length=10, help_text="2 to 10.")
    hypothesis = serializers.CharField(max_length=4_000, required=False)
    unit = serializers.ChoiceField(
        choices=Experiment.Unit.values, default="person", help_text="What is assigned by lot."
    )
    reading = serializers.ChoiceField(
        choices=Experiment.Reading.values,
        default="prove_lift",
        help_text="send_winner: ever more get what does better. prove_lift: planned looks, a stated chance "
        "of error. always_valid: no horizon, may be read at any time.",
    )
    metric = serializers.CharField(
        max_length=60,
        default="conversion",
        help_text="conversion, conversions, revenue, or a registered one.",
    )
    goal = serializers.CharField(
        max_length=60, required=False, allow_blank=True, help_text="The conversion type; absent: all."
    )
    outcome_window_days = FiniteField(
        default=14.0, help_text="How long after the exposure an outcome counts."
    )
    covariate_days = FiniteField(
        default=30.0, help_text="What happened before the exposure, for CUPED; 0 for none."
    )
    layer = serializers.CharField(
        max_length=60, required=False, allow_blank=True, help_text="Experiments of a layer share no unit."
    )
    traffic_share = FiniteField(default=1.0)
    duration_days = FiniteField(default=28.0)
    planned_looks = serializers.IntegerField(default=5, min_value=1, max_value=50)
    alpha = FiniteField(default=0.05)
    power = FiniteField(default=0.8)
    minimum_effect = FiniteField(default=0.1, help_text="Relative to the control; 0.1 is one tenth more.")
    baseline = FiniteField(required=False, help_text="For prove_lift: the rate expected of the control.")
    planned_units = serializers.IntegerField(
        required=False, min_value=2, max_value=10**12, help_text="Over all variants, instead of baseline."
    )
    reallocate_hours = FiniteField(default=24.0)


class ExperimentAnswerSerializer(ExperimentSerializer):
    state = serializers.CharField(help_text="draft, running, stopped or decided.")
    holdout_share = serializers.FloatField(help_text="Held out of every experiment, as it was at the start.")
    shares = serializers.DictField(child=serializers.FloatField(), help_text="Variant → its share now.")
    phase = serializers.IntegerField(help_text="How often shares were set.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True, help_text="The next look, or the next new shares.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()
    decision = serializers.CharField()
    is_overridden = serializers.BooleanField(help_text="The winner was named despite the reading.")
    winner = serializers.CharField(allow_null=True)


class ExperimentReasonSerializer(ClosedSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class DecisionSerializer(ExperimentReasonSerializer):
    winner = serializers.CharField(max_length=60, allow_null=True, help_text="null: it ends without one.")
    despite_reading = serializers.BooleanField(
        default=False, help_text="Name a winner that the reading does not. Needs a reason."
    )


class SharesSerializer(ExperimentReasonSerializer):
    shares = serializers.DictField(
        child=FiniteField(min_value=1e-6, max_value=1e6), help_text="Every variant → its share, on any scale."
    )


class CallerSerializer(ClosedSerializer):
    user_id = serializers.CharField(max_length=200, required=False)
    anonymous_id = serializers.CharField(max_length=200, required=False)
    person_id = serializers.UUIDField(required=False, help_text="Our id of the person.")
    unit = serializers.CharField(
        max_length=200, required=False, help_text="What is assigned, where that is not a person."
    )


class AssignSerializer(ClosedSerializer):
    units = serializers.ListField(child=CallerSerializer(), min_length=1, max_length=MOST_UNITS)


class AssignedSerializer(serializers.Serializer):
    variant = serializers.CharField(allow_null=True, help_text="null: do as if there were no experiment.")
    why = serializers.CharField(help_text="assigned, kept, decided, held_out, outside or not_running.")


class AssignmentsSerializer(serializers.Serializer):
    experiment = serializers.CharField()
    assignments = AssignedSerializer(many=True, help_text="In the order of the units.")


class SightingSerializer(CallerSerializer):
    variant = serializers.CharField(
        max_length=60, required=False, help_text="What was shown; absent: what assign answers."
    )
    occurred_at = serializers.DateTimeField(required=False, help_text="Absent: now.")


class ExposeSerializer(ClosedSerializer):
    exposures = serializers.ListField(child=SightingSerializer(), min_length=1, max_length=MOST_UNITS)


class LoggedSerializer(serializers.Serializer):
    stored = serializers.IntegerField(help_text="Not seen before.")
    known = serializers.IntegerField(help_text="Seen before: the first time counts.")
    refused = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="By reason: not_in_experiment, unknown_variant, no_person, outside_period.",
    )


class EffectSerializer(serializers.Serializer):
    difference = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    standard_error = serializers.FloatField()
    relative = serializers.FloatField(allow_null=True)
    relative_low = serializers.FloatField(allow_null=True)
    relative_high = serializers.FloatField(allow_null=True)


class ArmReadingSerializer(serializers.Serializer):
    name = serializers.CharField()
    units = serializers.IntegerField()
    events = serializers.IntegerField(allow_null=True)
    mean = serializers.FloatField(help_text="The rate, or the mean a unit.")
    low = serializers.FloatField()
    high = serializers.FloatField()
    effect = EffectSerializer(allow_null=True, help_text="Against the control.")
    p_value = serializers.FloatField(allow_null=True, help_text="For all variants and looks together.")
    p_best = serializers.FloatField(allow_null=True)
    expected_loss = serializers.FloatField(allow_null=True)
    next_share = serializers.FloatField(allow_null=True)
    standing = serializers.CharField(help_text="control, better, worse or undecided.")


class SampleRatioSerializer(serializers.Serializer):
    p_value = serializers.FloatField(allow_null=True)
    mismatch = serializers.BooleanField(help_text="True: the lot was broken, and nothing may be concluded.")
    units = serializers.ListField(child=serializers.IntegerField())
    expected = serializers.ListField(child=serializers.FloatField())


class MethodReadingSerializer(serializers.Serializer):
    verdict = serializers.CharField(
        help_text="not_enough_data, keep_going, no_difference_found, winner or sample_ratio_mismatch."
    )
    winner = serializers.CharField(allow_null=True)
    because = serializers.CharField(help_text="In words.")
    arms = ArmReadingSerializer(many=True, help_text="The control first.")
    sample_ratio = SampleRatioSerializer()
    units = serializers.IntegerField()
    more_units = serializers.IntegerField(allow_null=True, help_text="How many more are needed.")
    level = serializers.FloatField()
    information = serializers.FloatField(allow_null=True, help_text="Part of the horizon that was seen.")


class ReadingSerializer(serializers.Serializer):
    experiment = serializers.CharField()
    read_at = serializers.DateTimeField()
    look = serializers.IntegerField(allow_null=True, help_text="The look that `reading` is of.")
    looked_at = serializers.DateTimeField(allow_null=True)
    reading = MethodReadingSerializer(
        allow_null=True, help_text="By the experiment's own method; of its last look where a lift is proved."
    )
    watched = MethodReadingSerializer(
        allow_null=True,
        help_text="Where a lift is proved: intervals that hold at any time. No basis to decide.",
    )
    sample_ratio = SampleRatioSerializer(allow_null=True, help_text="Of everybody exposed so far.")
    exposed = serializers.IntegerField()
    counted = serializers.IntegerField(help_text="Whose outcome window has passed.")
    waiting = serializers.IntegerField(help_text="Whose window has not.")
    mixed = serializers.IntegerField(help_text="Who saw another variant as well; counted for their first.")
    off_lot = serializers.IntegerField(help_text="Exposures to another variant than the lot had drawn.")
    left_out = serializers.IntegerField(
        help_text="Counted, but of phases in which a variant got fewer than two units."
    )
    fault = serializers.CharField(help_text="Why the metric cannot be read; empty when it can.")
    variance_reduction = serializers.FloatField(allow_null=True, help_text="By CUPED.")


class RegionDaySerializer(ClosedSerializer):
    region = serializers.CharField(max_length=80)
    day = serializers.DateField()
    is_treated = serializers.BooleanField()
    outcome = FiniteField(min_value=0, max_value=1e15)


class LiftTestSerializer(ClosedSerializer):
    """external needs incremental, standard_error and both days; geo needs rows and first_day; holdout needs
    experiment.
    """

    kind = serializers.ChoiceField(choices=LiftTest.Kind.choices)
    channel = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=120, required=False)
    measure = serializers.ChoiceField(choices=LiftTest.Measure.values, default="conversions")
    goal = serializers.CharField(max_length=60, required=False, allow_blank=True)
    first_day = serializers.DateField(required=False, help_text="Of the workspace's clock.")
    last_day = serializers.DateField(required=False)
    incremental = FiniteField(required=False, help_text="What the channel caused in these days.")
    standard_error = FiniteField(required=False)
    covered_share = FiniteField(
        default=1.0,
        help_text="The part of the channel's effect that lay where the test measured, from 0.001 to 1.",
    )
    experiment = serializers.SlugField(max_length=60, required=False)
    variant = serializers.CharField(max_length=60, required=False, help_text="Which had the channel.")
    rows = serializers.ListField(child=RegionDaySerializer(), required=False, max_length=MOST_ROWS)
    source = serializers.CharField(  # type: ignore[assignment] # the base class has one of that name
        max_length=200, required=False, allow_blank=True
    )
    notes = serializers.CharField(max_length=4_000, required=False, allow_blank=True)


class RatioSerializer(serializers.Serializer):
    model = serializers.CharField()
    attributed = serializers.FloatField()
    ratio = serializers.FloatField(
        allow_null=True,
        help_text="Measured to attributed; null where the test cannot be held against models.",
    )
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    computed_at = serializers.DateTimeField()


class LiftTestAnswerSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    channel = serializers.CharField()
    name = serializers.CharField()
    measure = serializers.CharField()
    goal = serializers.CharField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    incremental = serializers.FloatField()
    standard_error = serializers.FloatField()
    covered_share = serializers.FloatField()
    there_were = serializers.FloatField(
        allow_null=True, help_text="By all channels in these days; null until compared with models."
    )
    is_beyond = serializers.BooleanField(
        help_text="It measured more than there was to cause, and corrects no model."
    )
    experiment = serializers.CharField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment] # the base class has one of that name
    notes = serializers.CharField()
    entered_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)
    ratios = RatioSerializer(many=True, help_text="By model; empty until they are computed.")
