"""One conversion explained: shares that sum to 1 and revenue that adds up to the cent."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest

from apps.accounts import jobs
from apps.accounts.errors import Invalid
from apps.attribution import journey_credit, markov_training
from apps.attribution.journey_shares import _spread_over
from apps.attribution.lenses import Lens
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Conversion, ConversionRecord, ModelRun, Touchpoint
from tests.attribution.stories import journey
from tests.factories import PersonFactory


def _explain(actor, person, now, model="linear", **chosen):
    return journey_credit.explain(actor, person, model_type=model, now=now, **chosen)


def _shares(credit):
    return {row.channel: pytest.approx(row.share) for row in credit.channels}


@pytest.mark.parametrize("model", [*MODELS, "markov"])
@pytest.mark.parametrize("path", [["meta", "google"], ["a", "b", "a", "direct"], ["a"], []])
def test_shares_sum_to_one_and_revenue_to_the_value(workspace, actor, now, model, path):
    person = journey(workspace, *path, value="99.99")
    journey(workspace, "a", "b", value="1")

    credit = _explain(actor, person, now, model)

    assert sum(row.share for row in credit.channels) == pytest.approx(1, abs=1e-12)
    assert sum(row.revenue for row in credit.channels) == Decimal("99.99")
    assert len(credit.touchpoints) == len(path)
    if path:
        assert sum(touch.credit for touch in credit.touchpoints) == pytest.approx(1, abs=1e-12)
        assert sum(touch.revenue for touch in credit.touchpoints) == Decimal("99.99")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("first_touch", [1, 0, 0]),
        ("last_touch", [0, 0, 1]),
        ("last_non_direct", [0, 1, 0]),
        ("linear", [1 / 3, 1 / 3, 1 / 3]),
        ("position_based", [0.4, 0.2, 0.4]),
    ],
)
def test_the_rules_credit_each_touch(workspace, actor, now, model, expected):
    person = journey(workspace, "email", "video", "direct", value="30")

    credit = _explain(actor, person, now, model)

    assert [touch.credit for touch in credit.touchpoints] == pytest.approx(expected)
    assert [touch.channel for touch in credit.touchpoints] == ["email", "video", "direct"]
    assert credit.basis == "rule"


def test_time_decay_halves_with_seven_days(workspace, actor, now):
    person = journey(workspace, "late", end_days=1)
    journey(workspace, "early", end_days=8, person=person)
    journey(workspace, value="30", person=person)

    credit = _explain(actor, person, now, "time_decay")

    assert [touch.credit for touch in credit.touchpoints] == pytest.approx([1 / 3, 2 / 3])


def test_touches_of_a_channel_share_its_credit_equally(workspace, actor, now):
    person = journey(workspace, "a", "b", "a", value="10")

    credit = _explain(actor, person, now, "shapley")

    assert [touch.credit for touch in credit.touchpoints] == pytest.approx([0.25, 0.5, 0.25])
    assert credit.basis == "equal_too_little_data"
    assert "share equally" in credit.note


def test_shapley_plays_the_game_on_the_rates_of_everyone(workspace, actor, now):
    """v(a) = 10/40, v(b) = 20/40, v(ab) = 60/120: phi a = 1/8, phi b = 3/8."""
    for path, converted, missed in ((["a"], 10, 30), (["b"], 20, 20), (["a", "b"], 30, 10)):
        for _ in range(converted):
            journey(workspace, *path, value="10")
        for _ in range(missed):
            journey(workspace, *path)
    person = Conversion.objects.order_by("-id").first().person

    credit = _explain(actor, person, now, "shapley")

    assert credit.basis == "coalition_rates"
    assert _shares(credit) == {"a": 0.25, "b": 0.75}
    assert credit.model_run.kind == ModelRun.Kind.ANALYSIS


def test_markov_splits_by_the_removal_effects_of_the_trained_version(workspace, actor, now):
    person = journey(workspace, "a", "b", value="10")
    journey(workspace, "a", value="20")
    jobs.run(job_id=markov_training.start(actor, 1).pk)
    effects = markov_training.latest(1).model.removal_effects

    credit = _explain(actor, person, now, "markov")

    assert _shares(credit) == {"a": effects[0] / effects.sum(), "b": effects[1] / effects.sum()}
    assert credit.model == "markov_1"
    assert credit.model_run.version == 1


def test_a_channel_the_trained_version_never_saw_earns_nothing(workspace, actor, now):
    journey(workspace, "a", value="10")
    jobs.run(job_id=markov_training.start(actor, 1).pk)
    person = journey(workspace, "a", "new", value="10")
    stranger = journey(workspace, "new", "newer", value="10")

    assert _shares(_explain(actor, person, now, "markov")) == {"a": 1, "new": 0}
    assert _shares(_explain(actor, stranger, now, "markov")) == {"new": 0.5, "newer": 0.5}
    assert _explain(actor, stranger, now, "markov").basis == "equal_no_effect"


def test_a_large_workspace_must_be_trained_first(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    person = journey(workspace, "a", "b", value="10")

    with pytest.raises(journey_credit.ModelNotTrained):
        _explain(actor, person, now, "markov_2")


def test_a_large_workspace_computes_its_rates_in_a_job(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    person = journey(workspace, "a", "b", value="10")

    with pytest.raises(journey_credit.RatesNotReady) as refusal:
        _explain(actor, person, now, "shapley")

    assert refusal.value.retry_after_seconds
    jobs.run(job_id=jobs.Job.objects.get().pk)
    assert _explain(actor, person, now, "shapley").basis == "equal_too_little_data"


def test_a_channel_that_the_kept_rates_do_not_know_shares_equally(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    person = journey(workspace, "a", "b", value="10")
    with pytest.raises(journey_credit.RatesNotReady):
        _explain(actor, person, now, "shapley")
    jobs.run(job_id=jobs.Job.objects.get().pk)
    ModelRun.objects.update(finished_at=now)
    late = journey(workspace, "a", "new", value="10")

    assert _shares(_explain(actor, late, now, "shapley")) == {"a": 0.5, "new": 0.5}


def test_the_latest_conversion_is_meant_unless_one_is_named(workspace, actor, now):
    person = journey(workspace, "early", value="10", end_days=9)
    journey(workspace, "late", value="20", person=person)
    first = Conversion.objects.get(value=10)

    assert _explain(actor, person, now).value == 20
    assert _explain(actor, person, now, conversion_id=first.pk).value == 10
    assert _shares(_explain(actor, person, now, conversion_id=first.pk)) == {"early": 1}


def test_a_conversion_is_named_by_its_event_or_its_order(workspace, actor, now):
    person = journey(workspace, "early", value="10", end_days=9, order_id="order-7")
    journey(workspace, "late", value="20", person=person)
    event_id = ConversionRecord.objects.get(revenue=10).event_id

    found = _explain(actor, person, now, conversion_id=event_id)

    assert (found.value, found.conversion_event_id) == (10, event_id)
    assert _explain(actor, person, now, conversion_id="order-7").value == 10
    with pytest.raises(journey_credit.NoConversion):
        _explain(actor, person, now, conversion_id=str(found.conversion.pk))


def test_only_touches_within_the_look_back_count(workspace, actor, now):
    person = journey(workspace, "b", value="10")
    journey(workspace, "a", end_days=20, person=person)

    assert _shares(_explain(actor, person, now, lens=Lens(lookback_days=7))) == {"b": 1}
    assert _shares(_explain(actor, person, now)) == {"a": 0.5, "b": 0.5}


def test_the_window_is_open_at_its_start_and_closed_at_the_conversion(workspace, actor, now):
    person = journey(workspace, "a", value="10")
    Touchpoint.objects.update(occurred_at=now - timedelta(days=30))
    assert [row.channel for row in _explain(actor, person, now).channels] == ["none"]

    Touchpoint.objects.update(occurred_at=now)
    assert [row.channel for row in _explain(actor, person, now).channels] == ["a"]


def test_a_refund_is_credited_no_more(workspace, actor, now):
    person = journey(workspace, "a", value="10")
    Conversion.objects.update(is_counted=False)

    with pytest.raises(journey_credit.NoConversion):
        _explain(actor, person, now)
    with pytest.raises(journey_credit.ConversionRefunded):
        _explain(actor, person, now, conversion_id=Conversion.objects.get().pk)


def test_somebody_elses_conversion_is_not_found(workspace, actor, now):
    person = journey(workspace, "a", value="10")
    journey(workspace, "a", value="20")

    with pytest.raises(journey_credit.NoConversion):
        _explain(actor, person, now, conversion_id=Conversion.objects.get(value=20).pk)


def test_an_unknown_model_names_the_models_there_are(workspace, actor, now):
    with pytest.raises(Invalid) as refusal:
        _explain(actor, journey(workspace, "a", value="10"), now, "magic")

    assert "first_touch" in refusal.value.errors["model_type"][0]


def test_a_person_is_found_by_any_id_and_a_merged_one_by_the_old(workspace):
    survivor = PersonFactory(workspace=workspace, external_id="ada")
    absorbed = PersonFactory(workspace=workspace, external_id=None, merged_into=survivor)

    assert journey_credit.find_person(user_id="ada") == survivor
    assert journey_credit.find_person(person_id=absorbed.public_id) == survivor
    with pytest.raises(journey_credit.PersonNotFound):
        journey_credit.find_person(user_id="nobody")


def test_people_of_another_workspace_are_not_found(workspace, other_workspace):
    stranger = PersonFactory(workspace=other_workspace)

    with pytest.raises(journey_credit.PersonNotFound):
        journey_credit.find_person(person_id=stranger.public_id)


def test_a_journey_of_many_touches_is_shared_in_no_time():
    keys = ["a", "b", "c", "d"] * 25_000
    started = time.perf_counter()

    shares = _spread_over(keys, {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1})

    assert time.perf_counter() - started < 20  # quadratic, it took minutes
    assert shares[:4] == pytest.approx([0.4 / 25_000, 0.3 / 25_000, 0.2 / 25_000, 0.1 / 25_000])
