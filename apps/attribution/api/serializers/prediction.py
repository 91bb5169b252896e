from typing import Any

from rest_framework import serializers

from apps.attribution.conversion_probability import MOST_PEOPLE, MOST_TOUCHES


class IdsSerializer(serializers.Serializer):
    user_id = serializers.CharField(max_length=200, required=False, help_text="Your own id of the person.")
    anonymous_id = serializers.CharField(max_length=200, required=False, help_text="A browser or device.")
    person_id = serializers.UUIDField(required=False, help_text="Our id of the person.")


class TouchSoFarSerializer(serializers.Serializer):
    channel = serializers.CharField(max_length=200, help_text="Key of a channel.")
    platform = serializers.CharField(max_length=200, required=False, allow_blank=True)
    occurred_at = serializers.DateTimeField(required=False, help_text="Now, where it is absent.")


class PredictRequestSerializer(IdsSerializer):
    """A person, or a journey that you tell of and that is stored nowhere."""

    touches = serializers.ListField(
        child=TouchSoFarSerializer(), required=False, min_length=1, max_length=MOST_TOUCHES
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(
                {"user_id": "Give exactly one of user_id, anonymous_id, person_id and touches."}
            )
        return attrs


class PredictBatchRequestSerializer(serializers.Serializer):
    people = serializers.ListField(
        child=IdsSerializer(),
        required=False,
        max_length=MOST_PEOPLE,
        help_text="Absent: everybody with an open journey, the likeliest first.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_PEOPLE, default=100, help_text="How many of all open journeys."
    )


class RecalibrateSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class PartSerializer(serializers.Serializer):
    feature = serializers.CharField()
    key = serializers.CharField(help_text="The channel, platform or part of the day, if it is about one.")
    log_odds = serializers.FloatField(help_text="What it adds against the average journey.")
    odds = serializers.FloatField(help_text="The same as a factor of the odds.")
    words = serializers.CharField()


class PredictionSerializer(serializers.Serializer):
    person_id = serializers.UUIDField(allow_null=True)
    probability = serializers.FloatField(
        help_text="That a conversion of the goal comes within lookback_days of asked_at."
    )
    log_odds = serializers.FloatField(help_text="base and the parts' log-odds add up to it.")
    base = serializers.FloatField()
    parts = PartSerializer(many=True)
    touches = serializers.IntegerField()
    last_touch_at = serializers.DateTimeField()
    lookback_days = serializers.FloatField()
    asked_at = serializers.DateTimeField()
    version = serializers.IntegerField(help_text="Of the model; its card is at models/conversion.")
    observed = serializers.FloatField(
        help_text="Of the journeys it was judged on that were told about this probability, the part that "
        "converted."
    )
    observed_of = serializers.IntegerField()
    is_calibrated = serializers.BooleanField(
        help_text="Whether the version was shown to tell probabilities as they come."
    )
    doubt = serializers.CharField(help_text="Why it was not; empty when it was.")


class PredictionsSerializer(serializers.Serializer):
    predictions = PredictionSerializer(many=True)
    without_open_journey = serializers.IntegerField(help_text="People asked about who have none.")
    open_journeys = serializers.IntegerField(
        allow_null=True, help_text="All there are; null where people were named."
    )
    expected_conversions = serializers.FloatField(
        allow_null=True, help_text="Sum of the probabilities of all open journeys; null as above."
    )


class FigureSerializer(serializers.Serializer):
    """A figure with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class BinSerializer(serializers.Serializer):
    predicted = serializers.FloatField()
    observed = serializers.FloatField()
    journeys = serializers.IntegerField()


class AccuracyFiguresSerializer(serializers.Serializer):
    auc = FigureSerializer(help_text="Chance that one who converted was given more than one who did not.")
    log_loss = FigureSerializer()
    skill = FigureSerializer(help_text="Part of the base rate's log-loss that is saved.")
    slope = FigureSerializer(allow_null=True)
    intercept = FigureSerializer(allow_null=True)
    calibration_error = FigureSerializer()
    by_chance = serializers.FloatField(help_text="What perfect calibration would show on so many journeys.")
    bins = BinSerializer(many=True)


class JudgedModelSerializer(AccuracyFiguresSerializer):
    model = serializers.CharField()


class NightSerializer(serializers.Serializer):
    night = serializers.DateField()
    goal = serializers.CharField()
    cut_at = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    learnt_journeys = serializers.IntegerField()
    learnt_conversions = serializers.IntegerField()
    journeys = serializers.IntegerField(help_text="Predicted, and settled since.")
    conversions = serializers.IntegerField()
    missing = serializers.CharField(help_text="What there was not enough of; empty where it was measured.")
    models = JudgedModelSerializer(many=True)


class DriftSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    number = serializers.IntegerField()
    until = serializers.DateTimeField()
    journeys = serializers.IntegerField()
    conversions = serializers.IntegerField()
    predicted = serializers.FloatField()
    worse = serializers.FloatField()
    higher = serializers.FloatField()
    lower = serializers.FloatField()
    threshold = serializers.FloatField(help_text="Above it a chart raises an alarm.")
    alarms = serializers.ListField(child=serializers.CharField())


class RecalibrationSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    reason = serializers.CharField()
    alarms = serializers.ListField(child=serializers.CharField())
    by_itself = serializers.BooleanField()
    version_before = serializers.IntegerField(allow_null=True)
    version_after = serializers.IntegerField(allow_null=True)
    before = AccuracyFiguresSerializer(allow_null=True, help_text="On the journeys `after` was judged on.")
    after = AccuracyFiguresSerializer(allow_null=True)
    outcome = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class AccuracySerializer(serializers.Serializer):
    newest = NightSerializer(allow_null=True)
    nights = NightSerializer(many=True, help_text="Measured ones, oldest first.")
    drift = DriftSerializer(allow_null=True, help_text="The last step of the charts.")
    recalibrations = RecalibrationSerializer(many=True, help_text="The last ten, newest first.")


class CardSerializer(AccuracyFiguresSerializer):
    """What a version of the probability to convert rests on, and what it must not be used for."""

    version = serializers.IntegerField()
    goal = serializers.CharField()
    lookback_days = serializers.FloatField()
    trained_at = serializers.DateTimeField()
    is_calibrated = serializers.BooleanField(
        help_text="Whether the version was shown to tell probabilities as they come."
    )
    doubt = serializers.CharField(help_text="Why it was not; empty when it was.")
    since = serializers.DateTimeField()
    cut_at = serializers.DateTimeField()
    until = serializers.DateTimeField()
    is_of_later_days = serializers.BooleanField()
    sizes = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Journeys and conversions: learnt from, calibrated on, judged on.",
    )
    journeys = serializers.IntegerField()
    converted = serializers.IntegerField()
    base_rate = serializers.FloatField()
    penalty = serializers.FloatField()
    weights = serializers.ListField(child=serializers.DictField())
    not_for = serializers.ListField(child=serializers.CharField())
