"""Experiments on the simulated company, whose every effect is known: is the truth inside the interval?

Each person lives twice in the simulator, with the same luck: as things are, and with one thing changed. What
differs is what that thing causes. The experiment sees one life of each.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from apps.accounts import people
from apps.attribution import demo, experiments, ingest, lift_tests, orders, parsing
from apps.attribution.experiments import Arm
from apps.attribution.maths import simulator
from apps.attribution.maths.experiments.assignment import Split, places
from apps.attribution.models import Exposure, LiftTest
from tests.factories import NOW

DAYS = 60
MARKET = simulator.WEDDING_SUPPLIERS
WINDOW = float(DAYS)


def _company(count, market):
    rng = np.random.default_rng(20261121)
    return simulator.simulate(count, days=DAYS, end=NOW, rng=rng, market=market)


def _with_effect(key, times):
    changed = tuple(
        replace(one, effect=one.effect * times) if one.key == key else one for one in MARKET.channels
    )
    return replace(MARKET, channels=changed)


def _known(workspace, company, begins):
    ids = company.people.external_ids()
    found = people.resolve_many([(one, None) for one in ids], workspace_id=workspace.pk, seen_at=begins)
    return np.asarray(found)


def _expose(made, keys, company, begins):
    """Everybody at the start; answers the variant of each.

    The lot is drawn on the experiment's key and their ids in the company, which are the same each time, and
    not on keys of this database: of twenty fair lots one leaves the truth outside the interval.
    """
    split = Split(salt=made.key, variants=tuple(experiments.current_shares(made)), weights=(1.0, 1.0))
    drawn = places([one.encode() for one in company.people.external_ids()], split)
    variant = np.array(split.variants)[drawn]
    seen = [
        experiments.of_person(one, at=begins, variant=got)
        for one, got in zip(keys.tolist(), variant.tolist(), strict=True)
    ]
    assert experiments.expose(made, seen, now=begins).stored == len(keys)
    return variant


def _track(actor, company, lives_here):
    """Orders of those who live in this world, through the door that real ones take."""
    rows, ids = company.conversions, company.people.external_ids()
    events, order_ids = rows.event_ids(), rows.order_ids()
    given = []
    for row in np.flatnonzero(lives_here[rows.person]).tolist():
        record = {
            "event_id": events[row],
            "order_id": order_ids[row],
            "user_id": ids[rows.person[row]],
            "conversion_type": simulator.CONVERSION_TYPES[rows.conversion_type[row]],
            "revenue": Decimal(int(rows.value_minor[row])) / 100,
            "replaces": simulator.RECORD_KINDS[rows.record_kind[row]] == "replacement",
            "occurred_at": demo._moment(rows.occurred_at[row]),
        }
        given.append(parsing.conversion(record, received_at=NOW))
    for start in range(0, len(given), 5_000):
        orders.store_conversions(actor, given[start : start + 5_000], now=NOW)


def _touch(actor, company, lives_here):
    """Touches of those who live in this world."""
    persons = company.touches.person[company.touch_deliveries.event]
    kept = [
        touch for touch, person in zip(demo._touches(company), persons, strict=True) if lives_here[person]
    ]
    for start in range(0, len(kept), 5_000):
        ingest.store_touchpoints(actor, kept[start : start + 5_000], now=NOW)
    _stitch(actor, company, lives_here)


def _stitch(actor, company, lives_here):
    """Tie the devices that gave their person away to them."""
    devices = company.devices
    known = np.flatnonzero(np.isfinite(devices.identified_at) & lives_here[devices.person])
    known = known[np.argsort(devices.identified_at[known], kind="stable")]
    anonymous, external = devices.anonymous_ids(), company.people.external_ids()
    pairs = [(external[devices.person[row]], anonymous[row]) for row in known.tolist()]
    moments = [demo._moment(at) for at in devices.identified_at[known]]
    people.resolve_many(pairs, workspace_id=actor.workspace_id, seen_at=moments)


def _started(actor, begins, *variants, **chosen):
    arms = experiments.with_control_first([Arm(key=one) for one in variants])
    made = experiments.create(
        actor,
        key="worlds",
        name="Two worlds",
        variants=arms,
        now=begins,
        goal="trial",
        outcome_window_days=WINDOW,
        covariate_days=0.0,
        **chosen,
    )
    return experiments.start(actor, made, now=begins)


@pytest.mark.parametrize("times", [1, 12])
def test_the_effect_of_better_letters_is_recovered(actor, workspace, times):
    as_is, changed = _company(6_000, MARKET), _company(6_000, _with_effect("email", times))
    begins = demo._moment(as_is.start)
    truth = np.isfinite(changed.people.signed_up_at).mean() - np.isfinite(as_is.people.signed_up_at).mean()
    made = _started(
        actor,
        begins,
        "as_is",
        "better_letters",
        planned_units=6_000,
        minimum_effect=0.2,
        planned_looks=1,
    )

    keys = _known(workspace, as_is, begins)
    variant = _expose(made, keys, as_is, begins)
    _track(actor, as_is, variant == "as_is")
    _track(actor, changed, variant == "better_letters")
    look = experiments.turn(made, now=begins + timedelta(days=100))

    arm = look.figures["arms"][1]
    assert arm["effect"]["low"] <= truth <= arm["effect"]["high"]
    assert look.favours == ("" if times == 1 else "better_letters")
    assert (truth == 0) == (times == 1)


def test_what_a_channel_caused_is_measured_by_doing_without_it(actor, workspace):
    count, channel = 8_000, "paid_social"
    market = _with_effect(channel, 3)
    with_it, without = _company(count, market), _company(count, market.without(channel))
    begins = demo._moment(with_it.start)
    place = with_it.truth.channels.index(channel)
    made = _started(actor, begins, "without", "with", metric="conversions", planned_units=count)

    keys = _known(workspace, with_it, begins)
    variant = _expose(made, keys, with_it, begins)
    for company, lives_here in ((without, variant == "without"), (with_it, variant == "with")):
        _track(actor, company, lives_here)
        _touch(actor, company, lives_here)
    made = experiments.stop(actor, made, now=begins + timedelta(hours=1))
    measured = lift_tests.enter_experiment(
        actor, made, channel=channel, now=begins + timedelta(days=DAYS + 2)
    )

    lost = np.isfinite(with_it.people.signed_up_at) & ~np.isfinite(without.people.signed_up_at)
    truth = with_it.truth.incremental_sign_ups[place].sum()
    assert lost.sum() == truth
    here = truth * (variant == "with").mean()
    assert abs(measured.incremental - here) < 1.96 * measured.standard_error
    assert measured.incremental > 1.96 * measured.standard_error
    assert measured.covered_share == 1.0
    assert Exposure.objects.count() == count

    assert lift_tests.compare_with_models(measured, now=NOW)
    ratios = {row["model"]: row["multiplier"] for row in lift_tests.ratios(LiftTest.objects.get())}
    found = lift_tests.calibrations(lift_tests.question(measured), model="last_touch")[channel]
    assert found.ratio == pytest.approx(ratios["last_touch"].ratio)
    assert found.low < here / _credited(measured, "last_touch") < found.high


def _credited(measured, model):
    return next(row["attributed"] for row in lift_tests.ratios(measured) if row["model"] == model)
