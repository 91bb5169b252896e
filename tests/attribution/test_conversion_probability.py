"""The probability to convert: trained on what has settled, kept as rows, explained, refused without data."""

from datetime import timedelta
from math import exp

import numpy as np
import pytest

from apps.accounts.errors import Invalid
from apps.attribution import (
    conversion_probability,
    conversion_training,
    conversion_versions,
    goals,
    past_journeys,
)
from apps.attribution.conversion_probability import NoOpenJourney, TouchSoFar
from apps.attribution.conversion_versions import NotTrained
from apps.attribution.maths import snapshots
from apps.attribution.models import Conversion, ConversionModel, ConversionWeight, Goal, Touchpoint
from apps.attribution.past_journeys import NotEnoughData
from tests.attribution.prediction_crowds import fill
from tests.attribution.stories import journey
from tests.factories import NOW, ConversionFactory, PersonFactory


def trained(workspace, **chosen):
    goal = goals.default(workspace)
    past = past_journeys.load(goal.lens, workspace=workspace)
    return conversion_training.train(past, goal=goal, now=NOW, **chosen)


@pytest.fixture
def crowd(workspace, rng):
    Goal.objects.create(
        workspace=workspace, key="buy", label="Buy", lookback_days=20, is_default=True, position=1
    )
    return fill(workspace, people=9_000, rng=rng)


def test_without_data_it_says_how_much_is_missing(workspace, actor):
    journey(workspace, "email", "direct", value="10", end_days=90)

    with pytest.raises(NotEnoughData, match=r"needs 500 journeys .* 50 that converted, and has"):
        trained(workspace)
    assert not ConversionModel.objects.exists()


def test_before_a_look_back_has_passed_it_says_how_long_to_wait(workspace):
    journey(workspace, "email", end_days=10)

    with pytest.raises(NotEnoughData, match="Wait 20 more days"):
        trained(workspace)


def test_before_it_is_trained_nothing_is_predicted(workspace):
    person = journey(workspace, "email")

    with pytest.raises(NotTrained):
        conversion_probability.predict_one(person, now=NOW)
    with pytest.raises(NotTrained):
        conversion_probability.predict_path([TouchSoFar(channel="email")], now=NOW)


def test_a_version_carries_its_card(workspace, crowd):
    row = trained(workspace)

    assert (row.version, row.goal_key, row.is_of_later_days) == (1, "buy", True)
    assert row.until == NOW - timedelta(days=20)
    assert row.since < row.cut_at - timedelta(days=20)
    assert set(row.sizes) == {"learnt", "calibrated", "judged"}
    assert row.sizes["judged"][0] == row.figures["journeys"] >= 200
    assert row.figures["auc"]["low"] < row.figures["auc"]["value"] < row.figures["auc"]["high"]
    assert row.figures["calibration_error"]["value"] < 0.08
    assert row.reference["sums"]["journeys"] == row.figures["journeys"]
    kinds = set(ConversionWeight.objects.filter(conversion_model=row).values_list("kind", flat=True))
    assert {"touches", "last_channel", "seen", "hours_since_last", "daypart"} <= kinds
    assert trained(workspace).version == 2


def test_what_was_stored_predicts_the_same_as_what_was_trained(workspace, crowd):
    row = trained(workspace)
    person = journey(workspace, "channel-c", "channel-d")
    before = conversion_probability.predict_one(person, now=NOW)

    conversion_versions._rebuilt.cache_clear()
    after = conversion_probability.predict_one(person, now=NOW)

    assert after == before
    assert after.version == row.version
    assert after.person_public_id == person.public_id


def test_the_parts_add_up_to_the_probability(workspace, crowd):
    trained(workspace)
    found = conversion_probability.predict_path(
        [TouchSoFar(channel="channel-c", at=NOW - timedelta(days=2)), TouchSoFar(channel="channel-d")],
        now=NOW,
    )

    assert found.log_odds == pytest.approx(found.base + sum(part.log_odds for part in found.parts))
    assert found.probability == pytest.approx(1 / (1 + exp(-found.log_odds)))
    assert any(part.words.startswith("last channel: channel-d") for part in found.parts)
    assert 0 <= found.observed <= 1
    assert found.observed_of > 0


def test_a_path_told_is_predicted_as_the_same_path_stored(workspace, crowd):
    trained(workspace)
    person = journey(workspace, "channel-c", "channel-d")
    moments = [NOW - timedelta(hours=25), NOW - timedelta(hours=1)]
    told = conversion_probability.predict_path(
        [
            TouchSoFar(channel="channel-c", platform="email", at=moments[0]),
            TouchSoFar(channel="channel-d", platform="email", at=moments[1]),
        ],
        now=NOW,
    )

    stored = conversion_probability.predict_one(person, now=NOW)

    assert told.probability == pytest.approx(stored.probability, abs=1e-6)


def test_only_open_journeys_are_predicted(workspace, crowd):
    trained(workspace)
    long_ago, never = journey(workspace, "channel-a", end_days=21), PersonFactory(workspace=workspace)
    now_ = journey(workspace, "channel-a", end_days=1)

    found = conversion_probability.predict([long_ago, now_, never], now=NOW)

    assert [one.person_public_id for one in found] == [now_.public_id]
    with pytest.raises(NoOpenJourney):
        conversion_probability.predict_one(long_ago, now=NOW)
    with pytest.raises(Invalid):
        conversion_probability.predict_path(
            [TouchSoFar(channel="channel-a", at=NOW - timedelta(days=20))], now=NOW
        )
    with pytest.raises(Invalid):
        conversion_probability.predict_path(
            [TouchSoFar(channel="channel-a", at=NOW + timedelta(hours=1))], now=NOW
        )


def test_all_open_journeys_come_likeliest_first(workspace, crowd):
    trained(workspace)

    found = conversion_probability.open_journeys(now=NOW, most=50)

    told = [one.probability for one in found.predictions]
    assert told == sorted(told, reverse=True)
    assert len(told) == 50 < found.journeys
    assert 0 < found.expected < found.journeys


def test_who_counts_once_and_has_converted_is_no_longer_open(workspace, crowd):
    Goal.objects.update(counting="once")
    trained(workspace)
    person = journey(workspace, "channel-a", end_days=1)
    ConversionFactory(workspace=workspace, person=person, occurred_at=NOW - timedelta(days=2))

    assert conversion_probability.predict([person], now=NOW) == []


def test_nothing_of_later_or_of_other_people_is_learnt_from(workspace, crowd):
    """What comes after the cut, and what held-out people did, changes no weight."""
    first = trained(workspace)
    goal = goals.default(workspace)
    past = past_journeys.load(goal.lens, workspace=workspace)
    cut = first.cut_at
    ids = np.unique(past.history.person)
    out = ids[snapshots.groups(ids) >= 0.7]
    for one in out[:200].tolist():
        ConversionFactory(workspace=workspace, person_id=one, occurred_at=cut + timedelta(days=3))
    learners = ids[snapshots.groups(ids) < 0.7]
    for one in learners[:200].tolist():
        ConversionFactory(workspace=workspace, person_id=one, occurred_at=cut + timedelta(seconds=1))

    second = trained(workspace)

    columns = ("kind", "key", "mean", "scale", "weight")
    weights = [
        list(ConversionWeight.objects.filter(conversion_model=row).order_by("position").values_list(*columns))
        for row in (first, second)
    ]
    assert weights[0] == weights[1]
    assert (first.slope, first.shift) == (second.slope, second.shift)
    assert first.figures != second.figures


GOOD = {"value": 0.9, "low": 0.7, "high": 1.1}
SKILLED = {"value": 0.05, "low": 0.01, "high": 0.09}


@pytest.mark.parametrize(
    ("slope", "skill", "said"),
    [
        (GOOD, SKILLED, ""),
        ({"value": 0.57, "low": 0.19, "high": 0.95}, SKILLED, "slope 0.57, 0.19 to 0.95"),
        (None, SKILLED, "slope none"),
        (GOOD, {"value": 0.02, "low": -0.01, "high": 0.05}, "Not enough evidence yet"),
    ],
)
def test_a_version_is_calibrated_only_where_its_figures_show_it(slope, skill, said):
    doubt = conversion_versions.doubt_of({"slope": slope, "skill": skill})

    assert said in doubt
    assert bool(doubt) == bool(said)


def test_a_version_that_is_not_calibrated_says_so_in_every_answer(workspace, crowd, page, api):
    row = trained(workspace)
    figures = row.figures | {"slope": {"value": 0.57, "low": 0.19, "high": 0.95}}
    ConversionModel.objects.filter(pk=row.pk).update(figures=figures)
    conversion_versions._rebuilt.cache_clear()

    told = conversion_probability.predict_path([TouchSoFar(channel="channel-a")], now=NOW)
    card = api.get("/api/v1/attribution/models/conversion").json()

    assert not told.is_calibrated
    assert "slope 0.57" in told.doubt
    assert (card["is_calibrated"], card["doubt"]) == (False, told.doubt)
    assert "Not calibrated." in page.get("/attribution/accuracy/").content.decode()


def _alike(workspace, rng):
    """One touch each, and orders at any moment after it, whatever came before: nothing tells who orders."""
    firsts = list(Touchpoint.objects.order_by("person_id", "occurred_at").distinct("person_id"))
    Touchpoint.objects.exclude(pk__in=[one.pk for one in firsts]).delete()
    Conversion.objects.all().delete()
    waits = rng.exponential(200, (len(firsts), 4)).cumsum(axis=1).tolist()
    orders = [
        (one.person_id, one.occurred_at + timedelta(days=wait))
        for one, several in zip(firsts, waits, strict=True)
        for wait in several
    ]
    Conversion.objects.bulk_create(
        Conversion(
            workspace=workspace,
            person_id=person_id,
            conversion_type="purchase",
            occurred_at=at,
            value=10,
            updated_at=at,
        )
        for person_id, at in orders
        if at < NOW
    )


def test_a_version_that_knows_nothing_comes_into_force_with_its_doubt_and_replaces_none(workspace, rng):
    Goal.objects.create(
        workspace=workspace, key="buy", label="Buy", lookback_days=20, is_default=True, position=1
    )
    fill(workspace, people=12_000, rng=rng)
    _alike(workspace, rng)

    first = trained(workspace)
    doubt = conversion_versions.doubt_of(first.figures)
    second = trained(workspace)

    assert "Not enough evidence yet" in doubt
    assert (first.is_held_back, second.is_held_back) == (False, True)
    assert conversion_versions.newest() == first
    assert not conversion_probability.predict_path([TouchSoFar(channel="channel-a")], now=NOW).is_calibrated
