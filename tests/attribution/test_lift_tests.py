"""Lift tests that say too much break no page, and hold-outs of several arms cover what they covered."""

from datetime import timedelta

import pytest

from apps.accounts.errors import Invalid
from apps.attribution import experiments, lift_tests
from apps.attribution.models import LiftTest, LiftTestCredit
from tests.attribution import crowds
from tests.attribution.stories import journey
from tests.factories import NOW, ChannelFactory

DAY = timedelta(days=1)
PAGES = ("/", "/attribution/", "/attribution/lift-tests/", "/attribution/channels/", "/attribution/models/")


def _enter(actor, **chosen):
    given = {
        "channel": "video",
        "name": "tc",
        "first_day": (NOW - 30 * DAY).date(),
        "last_day": (NOW - DAY).date(),
        "incremental": 120.0,
        "standard_error": 30.0,
        "now": NOW,
    }
    return lift_tests.enter(actor, **(given | chosen))


@pytest.fixture
def sold(workspace):
    """Forty sales that video began."""
    for _ in range(40):
        journey(workspace, "video", "email", value="10", end_days=5)


@pytest.mark.parametrize("share", [1e-300, 1e-9, 0.0009, 0.0, 1.1, float("nan")])
def test_a_test_of_a_sliver_of_a_channel_is_refused(actor, workspace, share):
    ChannelFactory(workspace=workspace, key="video")

    with pytest.raises(Invalid) as refused:
        _enter(actor, covered_share=share)
    assert set(refused.value.errors) == {"covered_share"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"incremental": 9e14, "covered_share": 0.01}, "incremental"),
        ({"incremental": float("inf")}, "incremental"),
        ({"standard_error": float("nan")}, "standard_error"),
    ],
)
def test_a_figure_that_stands_for_nothing_real_is_refused(actor, workspace, wrong, field):
    ChannelFactory(workspace=workspace, key="video")

    with pytest.raises(Invalid) as refused:
        _enter(actor, **wrong)
    assert field in refused.value.errors


@pytest.mark.parametrize("error", [9e14, 1e-300, 30.0])
def test_a_test_that_says_more_than_there_was_corrects_nothing_and_breaks_no_page(
    actor, workspace, sold, page, api, error
):
    made = _enter(actor, incremental=9e14, standard_error=error)
    assert lift_tests.compare_with_models(made, now=NOW)

    made = LiftTest.objects.get()
    assert (made.there_were, made.is_beyond) == (40, True)
    assert {row["multiplier"] for row in lift_tests.ratios(made)} == {None}
    assert lift_tests.calibrations_by_model(lift_tests.question(made)) == {}
    for address in (*PAGES, f"/attribution/lift-tests/{made.pk}/"):
        assert page.get(address).status_code == 200, address
    assert b"says more than there was" in page.get(f"/attribution/lift-tests/{made.pk}/").content
    (told,) = api.get("/api/v1/attribution/lift-tests").json()["results"]
    assert (told["is_beyond"], told["ratios"][0]["ratio"]) == (True, None)
    assert api.post(f"/api/v1/attribution/lift-tests/{made.pk}/retire").status_code == 200


def test_a_test_beyond_what_there_was_leaves_the_others_of_its_channel_alone(actor, workspace, sold):
    for incremental in (20.0, 9e14):
        lift_tests.compare_with_models(_enter(actor, incremental=incremental, standard_error=5.0), now=NOW)

    one = LiftTest.objects.order_by("pk").first()
    found = lift_tests.calibrations(lift_tests.question(one), model="first_touch")["video"]

    assert (found.tests, found.ratio) == (1, pytest.approx(0.5))


def test_what_cannot_be_divided_has_no_ratio(actor, workspace, sold):
    """Rows as they may stand from before there were bounds."""
    made = _enter(actor, incremental=20.0)
    LiftTestCredit.objects.create(
        workspace=workspace,
        lift_test=made,
        model="linear",
        attributed=0.0,
        standard_error=0.0,
        computed_at=NOW,
    )

    assert [row["multiplier"] for row in lift_tests.ratios(made)] == [None]
    assert lift_tests.calibrations(lift_tests.question(made), model="linear") == {}


# Hold-outs


def _held_out(actor, workspace, variants, *, variant="", shares=None, unit="person"):
    made = crowds.experiment(actor, variants=variants, metric="conversions", covariate_days=0.0, unit=unit)
    crowd = crowds.people(workspace, 3_000)
    crowds.show(made, crowd)
    if shares:
        experiments.reweigh(actor, made, shares, now=NOW + DAY, reason="more of it")
        crowds.show(made, crowds.people(workspace, 9_000), at=NOW + 2 * DAY)
    made = experiments.stop(actor, made, now=NOW + 3 * DAY)
    ChannelFactory(workspace=workspace, key="video")
    crowds.buy(workspace, crowd[:600], at=NOW + timedelta(hours=1))
    return lift_tests.enter_experiment(actor, made, channel="video", variant=variant, now=NOW + 30 * DAY)


def test_one_of_two_variants_with_the_channel_covers_half_of_it(actor, workspace):
    made = _held_out(actor, workspace, ("without", "one", "other"), variant="one")

    # Of those who had it, a third out of two thirds was measured.
    assert made.covered_share == pytest.approx(0.5)


def test_what_is_covered_is_of_all_phases(actor, workspace):
    made = _held_out(actor, workspace, ("without", "one", "other"), variant="one",
                     shares={"without": 1, "one": 1, "other": 6})  # fmt: skip

    # 3,000 by thirds, then 9,000 by eighths: a share of 0.177 for the control, and for the one.
    share = (3_000 / 3 + 9_000 / 8) / 12_000
    assert made.covered_share == pytest.approx(share / (1 - share))
