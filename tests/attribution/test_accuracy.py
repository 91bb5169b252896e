"""Each night models are judged on journeys that they have not seen, and drift is found and answered."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.utils import timezone

from apps.accounts.models import AuditEntry, Job, OutboxEvent
from apps.attribution import accuracy, conversion_training, drift_watch, goals, past_journeys
from apps.attribution.drift_watch import RecalibratedLately
from apps.attribution.models import (
    AccuracyNight,
    ConversionModel,
    DriftCheck,
    Goal,
    ModelAccuracy,
    Recalibration,
)
from apps.attribution.past_journeys import NotEnoughData
from tests.attribution.prediction_crowds import fill
from tests.attribution.stories import journey
from tests.factories import NOW, member

DAY = timedelta(days=1)


def loaded(workspace):
    return past_journeys.load(goals.default(workspace).lens, workspace=workspace)


def night(workspace, now=NOW):
    return accuracy.run_night(goals.default(workspace), workspace=workspace, now=now)


@pytest.fixture(autouse=True)
def _at_now(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def short_goal(workspace):
    return Goal.objects.create(
        workspace=workspace, key="buy", label="Buy", lookback_days=20, is_default=True, position=1
    )


def test_without_data_the_night_says_what_is_missing(workspace):
    journey(workspace, "email", value="10", end_days=100)

    found = night(workspace)

    assert "Not enough data yet" in found.missing
    assert not ModelAccuracy.objects.exists()
    assert not ConversionModel.objects.exists()
    assert accuracy.nights() == []


def test_every_model_is_judged_on_people_and_days_it_has_not_seen(workspace, short_goal, rng):
    fill(workspace, people=9_000, rng=rng)

    found = night(workspace)

    rows = {row.model: row for row in ModelAccuracy.objects.filter(night=found)}
    assert found.missing == ""
    assert found.until == NOW - 20 * DAY
    assert found.cut_at < found.until
    assert {"base_rate", "markov_1", "markov_4", "shapley_rate", "last_touch", "shapley"} <= set(rows)
    assert accuracy.PROBABILITY in rows
    assert (rows["base_rate"].skill, rows["base_rate"].auc) == (0.0, 0.5)
    assert rows["base_rate"].slope is None
    for row in rows.values():
        assert row.auc_low <= row.auc <= row.auc_high
        assert row.skill_low <= row.skill <= row.skill_high
        assert sum(size for *_, size in row.bins) == found.journeys
    assert rows["markov_1"].auc_high > 0.5
    assert accuracy.figures_of(accuracy.nights())[found.pk][0].skill == max(
        one.skill for one in rows.values()
    )


def test_a_night_is_measured_once(workspace, short_goal):
    journey(workspace, "email", value="10", end_days=100)

    first, second = night(workspace), night(workspace)
    tomorrow = night(workspace, NOW + DAY)

    assert second.pk == first.pk
    assert AccuracyNight.objects.count() == 2
    assert accuracy.newest() == tomorrow


def test_the_sweep_starts_a_night_where_something_converted(workspace, other_workspace):
    journey(workspace, "email", value="10", end_days=3)
    assert accuracy.sweep() in (0, 1)  # none before three at night
    accuracy.measure_night()
    accuracy.measure_night()

    assert AccuracyNight.objects.count() == 1


def crowd_that_fades(workspace, rng, *, days_ago, to, people=16_000):
    """The chance to convert of journeys begun in the last days falls to a part of what it was."""
    return fill(
        workspace,
        people=people,
        rng=rng,
        days=170,
        chance=lambda begins: np.where(begins < 170 - days_ago, 1.0, to),
    )


def trained_before(workspace, at):
    goal = goals.default(workspace)
    past = past_journeys.load(goal.lens, workspace=workspace)
    return conversion_training.train(past, goal=goal, now=at)


def watch(workspace, *, start, nights):
    past = loaded(workspace)  # all that ever happened, whatever the night
    for number in range(nights):
        drift_watch.check(past, now=start + number * 4 * DAY)


def test_a_steady_world_raises_no_alarm(workspace, short_goal, rng):
    crowd_that_fades(workspace, rng, days_ago=0, to=1.0)
    trained_before(workspace, NOW - 40 * DAY)

    watch(workspace, start=NOW - 36 * DAY, nights=10)

    checks = list(DriftCheck.objects.order_by("number"))
    assert len(checks) >= 4
    assert [check.alarms for check in checks] == [[]] * len(checks)
    assert not Recalibration.objects.exists()


def test_drift_is_told_answered_and_recorded(workspace, short_goal, rng):
    crowd_that_fades(workspace, rng, days_ago=60, to=0.1)
    before = trained_before(workspace, NOW - 40 * DAY)

    watch(workspace, start=NOW - 36 * DAY, nights=10)

    row = Recalibration.objects.latest("id")
    assert "lower" in row.alarms
    assert (row.before, row.by_itself) == (before, True)
    told = OutboxEvent.objects.get(name="attribution.drifted")
    assert told.payload["conversion_model_id"] == before.pk
    assert {"attribution.drifted", "attribution.recalibrated"} <= set(
        AuditEntry.objects.values_list("deed", flat=True)
    )
    assert Job.objects.filter(kind="attribution.markov_training").exists()
    assert Job.objects.filter(kind=conversion_training.KIND).count() == 1
    times = list(Recalibration.objects.order_by("created_at").values_list("created_at", flat=True))
    assert all(later - earlier >= 7 * DAY for earlier, later in pairwise(times))


def test_learning_anew_compares_before_and_after(workspace, short_goal, actor, rng):
    crowd_that_fades(workspace, rng, days_ago=60, to=0.6, people=24_000)
    before = trained_before(workspace, NOW - 40 * DAY)
    row = drift_watch.recalibrate(actor, now=NOW, reason="by hand")
    goal, past = goals.default(workspace), loaded(workspace)

    after = conversion_training.train(past, goal=goal, now=NOW, is_recent=True)
    conversion_training._compare(past, after, row.pk, now=NOW)

    row.refresh_from_db()
    assert (row.before, row.after, row.by_itself) == (before, after, False)
    assert not after.is_of_later_days
    assert row.figures["after"]["log_loss"]["value"] < row.figures["before"]["log_loss"]["value"]
    assert abs(row.figures["after"]["calibration_error"]["value"]) < abs(
        row.figures["before"]["calibration_error"]["value"]
    )


def test_where_the_newest_days_saw_too_few_the_recent_ones_calibrate(workspace, short_goal, rng):
    fill(workspace, people=7_500, rng=rng, days=170)

    made = conversion_training.train(
        loaded(workspace), goal=goals.default(workspace), now=NOW, is_recent=True
    )

    assert 200 <= made.sizes["judged"][0] < 300
    assert made.sizes["calibrated"][0] > 300


def test_learning_anew_is_never_done_twice_in_a_week(workspace, short_goal, actor):
    drift_watch.recalibrate(actor, now=NOW)

    with pytest.raises(RecalibratedLately):
        drift_watch.recalibrate(actor, now=NOW + 6 * DAY)
    assert Recalibration.objects.count() == 1
    drift_watch.recalibrate(actor, now=NOW + 8 * DAY)


def test_learning_anew_that_failed_may_be_tried_again(workspace, short_goal, actor):
    row = drift_watch.recalibrate(actor, now=NOW)
    job = Job.objects.get(kind=conversion_training.KIND)

    with pytest.raises(NotEnoughData):
        conversion_training.train_in_job(job)
    Job.objects.filter(pk=job.pk).update(state="failed")
    again = drift_watch.recalibrate(actor, now=NOW + DAY)

    row.refresh_from_db()
    assert (row.after, bool(row.finished_at)) == (None, True)
    assert again.pk != row.pk


@pytest.mark.parametrize("outcome", ["", "Not enough data yet to calibrate on."])
def test_the_page_shows_learning_anew_that_waits_or_came_to_nothing(
    workspace, short_goal, actor, page, outcome
):
    drift_watch.recalibrate(actor, now=NOW, reason="a new shop")
    Recalibration.objects.update(outcome=outcome, finished_at=NOW if outcome else None)

    shown = page.get("/attribution/accuracy/")

    assert shown.status_code == 200
    assert outcome in shown.content.decode()
    assert "a new shop" in shown.content.decode()


def test_nights_make_a_trend_of_every_model(workspace, short_goal, rng, page, api):
    fill(workspace, people=9_000, rng=rng)
    goal, past = goals.default(workspace), loaded(workspace)
    for back in (8, 4, 0):
        accuracy.measure(past, goal=goal, now=NOW - back * DAY)

    told = api.get("/api/v1/attribution/accuracy").json()["nights"]
    shown = page.get("/attribution/accuracy/")

    assert [one["night"] for one in told] == [f"{(NOW - back * DAY).date()}" for back in (8, 4, 0)]
    models = {tuple(sorted(row["model"] for row in one["models"])) for one in told}
    assert len(models) == 1
    assert len(models.pop()) >= 5
    assert all(
        row["skill"]["low"] <= row["skill"]["value"] <= row["skill"]["high"]
        for one in told
        for row in one["models"]
    )
    # Newest first, a column for each model on the line chart.
    rows = shown.context["trend_rows"]
    assert [row[0] for row in rows] == ["20 Nov 2026", "16 Nov 2026", "12 Nov 2026"]
    assert {len(row) for row in rows} == {len(shown.context["trend_columns"])}
    assert all(len(line["x"]) == 3 for line in shown.context["trend"]["data"])


def test_the_same_night_moves_the_charts_once(workspace, short_goal, rng):
    crowd_that_fades(workspace, rng, days_ago=0, to=1.0)
    trained_before(workspace, NOW - 20 * DAY)

    first = drift_watch.check(loaded(workspace), now=NOW)
    again = drift_watch.check(loaded(workspace), now=NOW)

    assert first.number == 1
    assert again is None
    assert DriftCheck.objects.count() == 1


def test_the_page_and_the_api_are_there_without_data_and_with_it(workspace, short_goal, rng, page, api):
    assert "Nothing has been predicted yet" in page.get("/attribution/accuracy/").content.decode()
    assert api.get("/api/v1/attribution/accuracy").json()["newest"] is None
    assert api.get("/api/v1/attribution/models/conversion").json()["code"] == "conversion_model_not_trained"

    fill(workspace, people=9_000, rng=rng)
    night(workspace)
    shown = page.get("/attribution/accuracy/").content.decode()
    told = api.get("/api/v1/attribution/accuracy").json()
    card = api.get("/api/v1/attribution/models/conversion").json()

    assert "Probability to convert" in shown
    assert "Calibration slope" in shown
    assert len(told["nights"]) == 1
    assert told["newest"]["models"][0]["skill"]["low"] <= told["newest"]["models"][0]["skill"]["value"]
    assert card["version"] == 1
    assert len(card["not_for"]) == 3
    assert card["weights"]


def test_the_api_predicts_one_many_and_all(workspace, short_goal, rng, api):
    fill(workspace, people=9_000, rng=rng)
    night(workspace)
    person = journey(workspace, "channel-c", "channel-d")
    now = timezone.now()

    path = {"touches": [{"channel": "channel-c", "occurred_at": now.isoformat()}]}
    one = api.post("/api/v1/attribution/predict/conversion", path, format="json").json()
    both = {"person_id": str(person.public_id), **path}
    refused = api.post("/api/v1/attribution/predict/conversion", both, format="json")
    stranger = api.post("/api/v1/attribution/predict/conversion", {"user_id": "nobody"}, format="json")
    named = {"people": [{"person_id": str(person.public_id)}]}
    several = api.post("/api/v1/attribution/predict/conversion/batch", named, format="json").json()
    of_all = api.post("/api/v1/attribution/predict/conversion/batch", {"limit": 5}, format="json").json()

    assert 0 < one["probability"] < 1
    assert one["parts"]
    assert refused.status_code == 400
    assert stranger.status_code == 404
    assert len(several["predictions"]) + several["without_open_journey"] == 1
    assert len(of_all["predictions"]) <= 5
    assert of_all["open_journeys"] >= len(of_all["predictions"])


def test_only_who_may_write_learns_anew(workspace, client):
    client.force_login(member(workspace, "viewer"))

    assert client.post("/attribution/accuracy/", {"do": "recalibrate"}).status_code == 403
    assert client.post("/attribution/accuracy/", {"do": "train"}).status_code == 403
    assert not Recalibration.objects.exists()
    assert not Job.objects.exists()


def test_by_hand_it_is_recorded_who_asked(workspace, page):
    page.post("/attribution/accuracy/", {"do": "recalibrate", "reason": "a new shop"})

    row = Recalibration.objects.get()
    assert (row.reason, row.by_itself, row.alarms) == ("a new shop", False, [])
    assert AuditEntry.objects.get(deed="attribution.recalibrated").actor_kind == "user"
