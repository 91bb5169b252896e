from typing import Any

from rest_framework import serializers

from apps.accounts.figures import CERTAIN
from apps.campaigns.models import Kind, Outcome, Policy, Recommendation, Run, RunForecast, SpendCap
from apps.campaigns.optimization import bid_quotes
from apps.campaigns.optimization.what_if import MOST_CAMPAIGNS

LARGEST = 1e12


class CampaignCurveSerializer(serializers.Serializer):
    """A campaign whose revenue of a day is a * budget ** k."""

    campaign = serializers.CharField(max_length=400, help_text="A name of your own.")
    a = serializers.FloatField(min_value=0, max_value=LARGEST)
    k = serializers.FloatField(
        required=False, help_text="Above 0 and below 1. 0.8, a rule of thumb, where it is absent."
    )
    min_budget = serializers.FloatField(min_value=0, max_value=LARGEST, default=0)
    max_budget = serializers.FloatField(min_value=0, max_value=LARGEST, required=False, allow_null=True)
    current_budget = serializers.FloatField(min_value=0, max_value=LARGEST, required=False, allow_null=True)
    is_locked = serializers.BooleanField(default=False, help_text="Stays at current_budget.")


class GroupSerializer(serializers.Serializer):
    """Campaigns that together get at least a floor and at most a cap."""

    name = serializers.CharField(max_length=200)
    campaigns = serializers.ListField(child=serializers.CharField(max_length=400), min_length=1)
    floor = serializers.FloatField(min_value=0, max_value=LARGEST, required=False, allow_null=True)
    cap = serializers.FloatField(min_value=0, max_value=LARGEST, required=False, allow_null=True)


class AllocateSerializer(serializers.Serializer):
    """A question that changes nothing. Exactly one of total_budget, target_revenue and target_roas."""

    campaigns = serializers.ListField(
        child=CampaignCurveSerializer(), min_length=1, max_length=MOST_CAMPAIGNS
    )
    total_budget = serializers.FloatField(min_value=0, max_value=LARGEST, required=False)
    target_revenue = serializers.FloatField(min_value=0, max_value=LARGEST, required=False)
    target_roas = serializers.FloatField(min_value=0, max_value=LARGEST, required=False)
    max_change_percent = serializers.FloatField(
        min_value=0, max_value=LARGEST, required=False, allow_null=True
    )
    moving_cost = serializers.FloatField(
        min_value=0,
        max_value=LARGEST,
        default=0,
        help_text="What moving one unit of money costs, in units of revenue.",
    )
    groups = serializers.ListField(child=GroupSerializer(), default=list, max_length=1_000)


class AllocationSerializer(serializers.Serializer):
    campaign = serializers.CharField()
    budget = serializers.FloatField()
    revenue = serializers.FloatField()
    marginal_return = serializers.FloatField(allow_null=True, help_text="What one more unit would bring.")
    binds = serializers.CharField()


class CollisionSerializer(serializers.Serializer):
    constraints = serializers.ListField(child=serializers.CharField())
    amount = serializers.FloatField()
    least_change = serializers.CharField()


class AnswerSerializer(serializers.Serializer):
    allocations = AllocationSerializer(many=True)
    revenue = serializers.FloatField(allow_null=True)
    marginal_return = serializers.FloatField(allow_null=True)
    certified_gap = serializers.FloatField(
        allow_null=True, help_text="No budgets within the limits earn more than this share on top."
    )
    infeasible = CollisionSerializer(many=True, allow_null=True)
    notes = serializers.ListField(child=serializers.CharField(), required=False)


class StartedSerializer(serializers.Serializer):
    """A job that was started; GET /api/v1/jobs/{id} says how far it is."""

    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()
    title = serializers.CharField()


class EngineRunSerializer(serializers.Serializer):
    """A look of the engine at all campaigns. Money in the workspace's currency, a day."""

    id = serializers.UUIDField(source="public_id")
    cadence = serializers.ChoiceField(choices=Run.Cadence.choices)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    first_day = serializers.DateField(allow_null=True)
    last_day = serializers.DateField(allow_null=True)
    campaigns = serializers.IntegerField()
    currency = serializers.CharField()
    total_budget = serializers.DecimalField(max_digits=20, decimal_places=2, allow_null=True)
    revenue_now = serializers.FloatField(allow_null=True)
    revenue_planned = serializers.FloatField(allow_null=True)
    gain = serializers.FloatField(allow_null=True, help_text="Profit a day that the plan adds.")
    gain_low = serializers.FloatField(allow_null=True)
    gain_high = serializers.FloatField(allow_null=True)
    marginal_return = serializers.FloatField(allow_null=True)
    certified_gap = serializers.FloatField(source="gap", allow_null=True)
    note = serializers.CharField()


class FilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=Recommendation.State.choices, required=False)
    kind = serializers.ChoiceField(choices=Kind.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


class OutcomeSerializer(serializers.Serializer):
    after_days = serializers.IntegerField()
    measured_at = serializers.DateTimeField()
    claimed = serializers.FloatField(allow_null=True)
    realised = serializers.FloatField(allow_null=True)
    realised_low = serializers.FloatField(allow_null=True)
    realised_high = serializers.FloatField(allow_null=True)
    verdict = serializers.ChoiceField(choices=Outcome.Verdict.choices)
    note = serializers.CharField()


class RecommendationSerializer(serializers.Serializer):
    """A change that would pay. before and after are in the account's currency; amount and gain in yours."""

    id = serializers.UUIDField(source="public_id")
    run = serializers.UUIDField(source="run.public_id")
    kind = serializers.ChoiceField(choices=Kind.choices)
    state = serializers.ChoiceField(choices=Recommendation.State.choices)
    state_reason = serializers.CharField()
    title = serializers.CharField()
    campaign = serializers.CharField(source="campaign.name")
    campaign_id = serializers.CharField(source="campaign.external_id")
    connection = serializers.UUIDField(source="campaign.connection.public_id")
    target = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    currency = serializers.CharField()
    amount = serializers.DecimalField(max_digits=20, decimal_places=2)
    gain = serializers.FloatField(allow_null=True, help_text="Expected profit a day.")
    gain_low = serializers.FloatField(allow_null=True)
    gain_high = serializers.FloatField(allow_null=True)
    confidence_percent = serializers.SerializerMethodField(
        help_text="Probability that it pays. 99 stands for 99 and more: nothing to come is certain."
    )
    reasons = serializers.ListField(child=serializers.CharField())
    doubts = serializers.ListField(child=serializers.CharField(), help_text="What would make it wrong.")
    evidence = serializers.DictField()
    is_doable = serializers.BooleanField(help_text="Whether it can be carried out from here.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)

    def get_confidence_percent(self, found: Recommendation) -> float:
        return round(100 * min(found.confidence, CERTAIN), 1)


class DecisionReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class DryRunSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField(
        default=False, help_text="Send nothing; answer the calls that would be made."
    )


class PlannedCallSerializer(serializers.Serializer):
    """A call that would be made, without its credentials."""

    method = serializers.CharField()
    path = serializers.CharField()
    body = serializers.CharField()


class ExecutionSerializer(serializers.Serializer):
    is_dry_run = serializers.BooleanField()
    recommendation = RecommendationSerializer()
    calls = PlannedCallSerializer(many=True)
    said = serializers.CharField(help_text="The platform's own check, where it has one.")
    obstacle = serializers.CharField(help_text="What stands in its way now; empty when nothing does.")


class ClaimBinSerializer(serializers.Serializer):
    low = serializers.FloatField()
    high = serializers.FloatField()
    count = serializers.IntegerField()
    hits = serializers.IntegerField()
    claimed = serializers.FloatField()
    rate = serializers.FloatField()
    rate_low = serializers.FloatField()
    rate_high = serializers.FloatField()


class TrackRecordSerializer(serializers.Serializer):
    """Claimed against realised, each change by its longest span. Profit a day."""

    measured = serializers.IntegerField()
    decided = serializers.IntegerField(help_text="Those whose interval leaves out nought.")
    came_true = serializers.IntegerField()
    cannot_tell = serializers.IntegerField()
    calibration_error = serializers.FloatField(source="error")
    claimed = serializers.FloatField()
    gain = serializers.FloatField()
    gain_low = serializers.FloatField()
    gain_high = serializers.FloatField()
    bins = ClaimBinSerializer(many=True)


class RoiForecastSerializer(serializers.Serializer):
    """What all campaigns together will cost and bring; medians with their 95 % intervals."""

    scenario = serializers.ChoiceField(choices=RunForecast.Scenario.choices)
    days = serializers.IntegerField()
    spend = serializers.FloatField(allow_null=True)
    revenue = serializers.FloatField(allow_null=True)
    revenue_low = serializers.FloatField(allow_null=True)
    revenue_high = serializers.FloatField(allow_null=True)
    profit = serializers.FloatField(allow_null=True)
    profit_low = serializers.FloatField(allow_null=True)
    profit_high = serializers.FloatField(allow_null=True)
    roi = serializers.FloatField(allow_null=True, help_text="Profit for each unit spent; 0.5 for 50 %.")
    roi_low = serializers.FloatField(allow_null=True)
    roi_high = serializers.FloatField(allow_null=True)
    without_curve = serializers.IntegerField(help_text="Campaigns whose spend is in it, and revenue is not.")
    because = serializers.CharField(help_text="Why there is no forecast; empty where there is one.")


class ForecastSerializer(serializers.Serializer):
    run = serializers.UUIDField(source="run.public_id")
    computed_at = serializers.DateTimeField(source="run.finished_at")
    currency = serializers.CharField(source="run.currency")
    from_day = serializers.DateField(allow_null=True, help_text="The first day that is foreseen.")
    forecasts = RoiForecastSerializer(many=True)


class PointSerializer(serializers.Serializer):
    total = serializers.FloatField()
    revenue = serializers.FloatField()
    marginal_return = serializers.FloatField()


class FrontierSerializer(serializers.Serializer):
    """What the best plan of each total earns, by the curves of the last run."""

    run = serializers.UUIDField(source="run.public_id")
    computed_at = serializers.DateTimeField(source="run.finished_at")
    currency = serializers.CharField(source="run.currency")
    total_now = serializers.FloatField()
    revenue_now = serializers.FloatField()
    points = PointSerializer(many=True)


class PolicySerializer(serializers.ModelSerializer):
    class Meta:
        model = Policy
        fields = (
            "is_on",
            "daily_at_hour",
            "weekly_on_weekday",
            "counts_revenue_by",
            "margin",
            "total_daily_budget",
            "spends_what_pays",
            "target_cost_per_conversion",
            "largest_change_percent",
            "cooldown_hours",
            "data_age_hours",
            "acts_from_hour",
            "acts_until_hour",
            "four_eyes_above",
            "rests_on_wedding_days",
            "report_to",
            "stopped_at",
            "stopped_by",
            "stop_reason",
        )
        read_only_fields = ("stopped_at", "stopped_by", "stop_reason")


class AutoRuleSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=Kind.choices)
    is_on = serializers.BooleanField()
    least_confidence = serializers.FloatField(min_value=0.5, max_value=1, default=0.9)
    most_amount = serializers.DecimalField(max_digits=20, decimal_places=2, min_value=0)
    demoted_at = serializers.DateTimeField(read_only=True)
    demoted_because = serializers.CharField(read_only=True)


class CapSerializer(serializers.Serializer):
    """A bound that no change may break. Of all campaigns, of an account, or of one campaign in it."""

    measure = serializers.ChoiceField(choices=SpendCap.Measure.choices)
    connection = serializers.UUIDField(required=False, allow_null=True, default=None)
    campaign_id = serializers.CharField(
        max_length=120,
        required=False,
        allow_null=True,
        default=None,
        help_text="The platform's id; with connection.",
    )
    amount = serializers.DecimalField(
        max_digits=20, decimal_places=2, min_value=0, allow_null=True, help_text="Null removes it."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["campaign_id"] is not None and attrs["connection"] is None:
            raise serializers.ValidationError({"connection": ["Say the account of the campaign."]})
        return attrs


class StandingSerializer(serializers.Serializer):
    measure = serializers.CharField(source="cap.measure")
    name = serializers.CharField()
    amount = serializers.DecimalField(source="cap.amount", max_digits=20, decimal_places=2)
    used = serializers.DecimalField(max_digits=20, decimal_places=2)
    left = serializers.DecimalField(max_digits=20, decimal_places=2)


class PersonSerializer(serializers.Serializer):
    user_id = serializers.CharField(max_length=200, required=False)
    anonymous_id = serializers.CharField(max_length=200, required=False)
    person_id = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give exactly one of user_id, anonymous_id and person_id.")
        return attrs


class BidItemSerializer(serializers.Serializer):
    """A click that may be bought. Tell conversion_probability, or of a person, whose journey says it."""

    key = serializers.CharField(max_length=200, help_text="Yours; comes back with the bid.")
    conversion_probability = serializers.FloatField(min_value=0, max_value=1, required=False)
    person = PersonSerializer(required=False)
    value = serializers.FloatField(
        min_value=0, max_value=LARGEST, default=0, help_text="Revenue of a conversion."
    )
    device = serializers.CharField(max_length=200, required=False)
    hour = serializers.CharField(max_length=200, required=False)
    placement = serializers.CharField(max_length=200, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("conversion_probability" in attrs) == ("person" in attrs):
            raise serializers.ValidationError("Give either conversion_probability or person.")
        return attrs


class PaceSerializer(serializers.Serializer):
    """The day so far."""

    spent = serializers.FloatField(min_value=0, max_value=LARGEST)
    planned = serializers.FloatField(min_value=0.000001, max_value=LARGEST, help_text="To be spent by now.")
    value = serializers.FloatField(min_value=0, max_value=LARGEST, default=0, help_text="Revenue so far.")
    budget_multiplier = serializers.FloatField(min_value=0.1, max_value=1, default=1)
    roas_multiplier = serializers.FloatField(min_value=0.1, max_value=1, default=1)


class BidsSerializer(serializers.Serializer):
    goal = serializers.ChoiceField(choices=[(one.value, one.value) for one in bid_quotes.Goal])
    target = serializers.FloatField(
        min_value=0.000001,
        max_value=LARGEST,
        required=False,
        help_text="Cost of a conversion, or return (4 for 400 %).",
    )
    margin = serializers.FloatField(
        min_value=0.000001, max_value=1, default=1, help_text="Of revenue, before advertising; for profit."
    )
    items = serializers.ListField(child=BidItemSerializer(), min_length=1, max_length=bid_quotes.MOST_QUOTES)
    floor = serializers.FloatField(min_value=0, max_value=LARGEST, required=False)
    cap = serializers.FloatField(min_value=0, max_value=LARGEST, required=False)
    connection = serializers.UUIDField(
        required=False, help_text="With campaign_id: the history of its devices, hours and placements counts."
    )
    campaign_id = serializers.CharField(max_length=120, required=False)
    pace = PaceSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        faults = {}
        if attrs["goal"] != bid_quotes.Goal.PROFIT and "target" not in attrs:
            faults["target"] = ["This goal needs a target."]
        if attrs.get("floor", 0) > attrs.get("cap", float("inf")):
            faults["cap"] = ["The cap is below the floor."]
        if ("campaign_id" in attrs) != ("connection" in attrs):
            faults["campaign_id"] = ["Give connection and campaign_id together."]
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class QuoteSerializer(serializers.Serializer):
    key = serializers.CharField()
    bid = serializers.FloatField(help_text="Per click.")
    base = serializers.FloatField(help_text="Before modifiers, pace, floor and cap.")
    conversion_probability = serializers.FloatField()
    modifiers = serializers.DictField(child=serializers.FloatField())
    multiplier = serializers.FloatField(help_text="Of the pace: the lower of budget's and return's.")


class QuotesSerializer(serializers.Serializer):
    bids = QuoteSerializer(many=True)
