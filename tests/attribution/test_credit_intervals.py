"""Intervals of stored answers: kept with the run, read in every grouping, given by the API."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from apps.attribution import analysis, lift_test_comparisons, reports
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Channel, CreditErrors, LiftTest, LiftTestCredit, ModelRun
from apps.attribution.questions import Query
from tests.attribution.stories import journey
from tests.factories import ConversionFactory, PersonFactory, SourceFactory, TouchpointFactory

BATCH = "/api/v1/attribution/analyze/batch"


@pytest.fixture
def market(workspace):
    """24 orders of 10 over a and b, some of them of nobody known, and as many journeys without one."""
    for place in range(24):
        path = (["a", "b"], ["a"], ["b", "a", "b"], [])[place % 4]
        journey(workspace, *path, value="10")
        journey(workspace, *path[:1])


def _ask(actor, now, **query):
    return analysis.ask(actor, Query(**query), now=now).result


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("model", [name for name in MODELS if name != "shapley_rate"])
def test_each_figure_lies_within_its_interval(actor, now, model):
    for row in _ask(actor, now, models=(model,)).rows:
        assert row.conversions_low <= row.conversions <= row.conversions_high
        assert row.revenue_low <= row.revenue <= row.revenue_high
        assert 0 <= row.share_low <= row.share <= row.share_high <= 1
        assert row.revenue_share_low <= row.revenue_share <= row.revenue_share_high
        assert row.conversions_low < row.conversions_high


@pytest.mark.usefixtures("market")
def test_what_no_touchpoint_explains_is_as_sure_as_its_count(actor, now):
    (row,) = [one for one in _ask(actor, now, models=("linear",)).rows if one.is_none]

    assert row.conversions == 6
    assert 2.0 < row.conversions_low < 2.8  # Jeffreys: 2.5 to 12.4
    assert 12.0 < row.conversions_high < 13.5


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("group_by", ["platform", "campaign", "creative"])
def test_finer_groups_have_theirs(actor, now, group_by):
    result = _ask(actor, now, models=("linear", "markov_1"), group_by=group_by)

    assert all(row.conversions_low < row.conversions < row.conversions_high for row in result.rows)


def test_a_part_of_a_campaign_inside_a_channel_is_less_sure_for_its_size(workspace, actor, now):
    for channel in ("a", "b"):
        source = SourceFactory(workspace=workspace, channel__key=channel, platform="p", campaign_id="spring")
        for _ in range(10):
            person = PersonFactory(workspace=workspace)
            TouchpointFactory(workspace=workspace, person=person, source=source, age_days=1)
            ConversionFactory(workspace=workspace, person=person, value=Decimal(10), occurred_at=now)

    result = _ask(actor, now, models=("linear",), group_by="campaign")
    (whole,) = result.rows
    (inside,) = result.within(channel="a", group_by="campaign")

    assert (whole.conversions, inside.conversions) == (20, 10)
    wide = inside.conversions_high - inside.conversions_low
    assert wide < whole.conversions_high - whole.conversions_low
    assert wide / 10 > (whole.conversions_high - whole.conversions_low) / 20


def test_below_five_conversions_there_is_not_enough_data(workspace, actor, now):
    for _ in range(4):
        journey(workspace, "a", value="10")

    (row,) = _ask(actor, now, models=("linear",)).rows

    assert row.conversions_low is None
    assert row.revenue_low is None


@pytest.mark.usefixtures("market")
def test_the_game_of_rates_says_nothing_of_its_sureness_with_few_conversions_a_channel(actor, now):
    result = _ask(actor, now, models=("shapley_rate",))

    assert all(row.conversions_low is None for row in result.rows)
    assert result.notes("shapley_rate")["permutations"] == 0


@pytest.mark.usefixtures("market")
def test_the_order_chosen_and_why_is_kept(actor, now):
    notes = _ask(actor, now, models=("markov_auto",)).notes("markov_auto")

    assert notes["order"] in (1, 2, 3, 4)
    assert len(notes["likelihoods"]) == len(notes["behind_errors"]) == 4


@pytest.mark.usefixtures("market")
def test_steps_and_ways_are_kept_with_channel_keys(actor, now):
    notes = _ask(actor, now, models=("markov_1",)).notes("markov_1")

    assert {tuple(codes) for codes, *_ in notes["steps"]} == {("a", "b"), ("b", "a")}
    for _, effect, low, high in notes["steps"] + notes["ways"]:
        assert 0 <= low <= effect <= high <= 1


@pytest.mark.usefixtures("market")
def test_the_same_question_has_the_same_intervals(actor, now):
    first = _ask(actor, now).rows
    ModelRun.objects.all().delete()

    assert not CreditErrors.objects.exists()
    assert [(row.model, row.share_low, row.share_high) for row in _ask(actor, now).rows] == [
        (row.model, row.share_low, row.share_high) for row in first
    ]


@pytest.mark.usefixtures("market")
def test_a_run_of_before_intervals_shows_none(actor, now):
    _ask(actor, now, models=("linear",))
    CreditErrors.objects.all().delete()

    result = _ask(actor, now, models=("linear",))

    assert all(row.share_low is None for row in result.rows)
    assert result.notes("linear") == {}


@pytest.mark.usefixtures("market")
def test_programs_get_the_intervals(api):
    answer = api.post(BATCH, {"model_type": ["linear", "markov_auto"]}, format="json").json()

    for row in answer["rows"]:
        low, high = row["intervals"]["revenue"]
        assert low <= row["revenue"] <= high
        assert row["calibrated"] is None
    assert answer["notes"]["markov_auto"]["order"] in (1, 2, 3, 4)


@pytest.mark.usefixtures("market")
def test_what_lift_tests_measured_stands_beside_the_models_figure(workspace, actor, api, page, now):
    """40 conversions were attributed where the test measured 20: half of each credit, give or take."""
    lift_test = LiftTest.objects.create(
        workspace=workspace,
        name="a withheld",
        channel=Channel.objects.get(key="a"),
        first_day=now.date() - timedelta(days=40),
        last_day=now.date() - timedelta(days=11),
        incremental=20,
        standard_error=3,
        entered_by="test",
    )
    LiftTestCredit.objects.create(
        workspace=workspace,
        lift_test=lift_test,
        model="linear",
        attributed=40,
        standard_error=2,
        computed_at=now,
    )

    shown = reports.overview(actor, Query(), model="linear", now=now)
    told = api.post(BATCH, {"model_type": "linear"}, format="json").json()
    html = page.get(reverse("attribution:overview"), {"period": "all", "model": "linear"}).content.decode()

    (row,) = shown.calibrated_rows
    assert row.calibrated.amount == pytest.approx(row.conversions / 2, rel=0.05)
    assert row.calibrated.low < row.calibrated.amount < row.calibrated.high
    (given,) = [one["calibrated"] for one in told["rows"] if one["channel"] == "a"]
    assert given["amount"] == pytest.approx(row.calibrated.amount)
    assert given["lift_tests"] == 1
    assert "from 1 lift test" in html.replace("\N{NO-BREAK SPACE}", " ")
    assert "/attribution/lift-tests/?channel=a" in html


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(("measure", "figure"), [("conversions", "conversions"), ("revenue", "revenue")])
def test_a_lift_test_is_weighed_against_the_models_own_interval(workspace, actor, now, measure, figure):
    lift_test = _withheld(workspace, now, measure)

    assert lift_test_comparisons.compare_with_models(lift_test, now=now)

    asked = analysis.ask(actor, lift_test_comparisons.question(lift_test), now=now).result
    for credit in LiftTestCredit.objects.exclude(model="shapley_rate"):
        (row,) = [one for one in asked.grouped("channel") if (one.model, one.channel) == (credit.model, "a")]
        low, high = (float(getattr(row, f"{figure}_{end}")) for end in ("low", "high"))
        assert credit.standard_error == pytest.approx((high - low) / 3.92)


def test_a_lift_test_of_few_conversions_is_weighed_by_their_count(workspace, now):
    for _ in range(4):
        journey(workspace, "a", value="10")

    assert lift_test_comparisons.compare_with_models(_withheld(workspace, now, "revenue"), now=now)

    credit = LiftTestCredit.objects.get(model="linear")
    assert credit.attributed == 40
    assert credit.standard_error == pytest.approx(20)


def _withheld(workspace, now, measure):
    return LiftTest.objects.create(
        workspace=workspace,
        name="a withheld",
        channel=Channel.objects.get(key="a"),
        measure=measure,
        first_day=now.date() - timedelta(days=40),
        last_day=now.date(),
        incremental=20,
        standard_error=3,
        entered_by="test",
    )
