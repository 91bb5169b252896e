"""Experiments and lift tests over HTTP: a whole life, who may do what, and what is refused in which words."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import Person
from apps.attribution import experiments
from apps.attribution.models import Experiment, Exposure, LiftTest
from tests.attribution import crowds
from tests.attribution.stories import journey
from tests.conftest import api_client
from tests.factories import NOW, ChannelFactory

URL = "/api/v1/attribution/experiments"
LIFTS = "/api/v1/attribution/lift-tests"
GOALS = "/api/v1/attribution/goals"
ASKED = {
    "key": "subject-line",
    "name": "A question as the subject",
    "variants": [{"key": "statement"}, {"key": "question"}],
    "baseline": 0.1,
    "minimum_effect": 0.5,
    "outcome_window_days": 7,
    "duration_days": 10,
}


@pytest.fixture(autouse=True)
def _at_noon():
    with time_machine.travel(NOW, tick=False):
        yield


def _post(api, url, **body):
    return api.post(url, body, format="json")


@pytest.fixture
def running(api):
    assert _post(api, URL, **ASKED).status_code == 201
    assert _post(api, f"{URL}/subject-line/start").status_code == 200
    return f"{URL}/subject-line"


@pytest.mark.parametrize(
    ("url", "asked", "unknown", "known"),
    [
        (URL, ASKED | {"minimum_efect": 0.2}, "minimum_efect", "minimum_effect"),
        (URL, ASKED | {"variants": [{"key": "a", "weight": 9}, {"key": "b"}]}, "weight", "share"),
        (
            LIFTS,
            {"kind": "external", "channel": "email", "starts_on": "2026-01-01"},
            "starts_on",
            "first_day",
        ),
        (GOALS, {"label": "Buy", "count": "once"}, "count", "counting"),
    ],
)
def test_a_field_that_nobody_knows_is_refused_and_those_known_are_told(api, url, asked, unknown, known):
    answer = _post(api, url, **asked)

    told = str(answer.json()["errors"])
    assert answer.status_code == 400
    assert unknown in told
    assert "There is no such field here" in told
    assert known in told
    assert not Experiment.objects.exists()


@pytest.mark.parametrize(
    ("deed", "asked", "unknown", "known"),
    [
        ("assign", {"units": [{"user": "u"}]}, "user", "user_id"),
        ("assign", {"units": [{"user_id": "u"}], "unit": "u"}, "unit", "units"),
        ("expose", {"exposures": [{"user_id": "u", "varient": "question"}]}, "varient", "variant"),
        ("expose", {"exposures": [{"user_id": "u"}], "at": "2026-11-20"}, "at", "exposures"),
    ],
)
def test_a_misspelt_field_of_somebody_who_comes_is_refused(api, running, deed, asked, unknown, known):
    answer = _post(api, f"{running}/{deed}", **asked)

    told = str(answer.json()["errors"])
    assert answer.status_code == 400
    assert f"{unknown}'" in told
    assert "There is no such field here" in told
    assert known in told
    assert not Exposure.objects.exists()


def test_a_misspelt_field_of_a_region_is_refused(api):
    row = {"region": "Leeds", "day": "2026-10-01", "is_treated": True, "outcome": 3, "spent": 9}

    answer = _post(api, LIFTS, kind="geo", channel="email", first_day="2026-10-01", rows=[row])

    assert answer.status_code == 400
    assert "There is no such field here" in str(answer.json()["errors"])
    assert not LiftTest.objects.exists()


def test_a_misspelt_field_changes_no_goal(api):
    assert _post(api, GOALS, label="Buy", lookback_days=30).status_code == 201

    answer = api.patch(f"{GOALS}/buy", {"lookback_day": 7}, format="json")

    assert answer.status_code == 400
    assert "lookback_days" in str(answer.json()["errors"])
    assert api.get(f"{GOALS}/buy").json()["lookback_days"] == 30


@pytest.mark.parametrize(
    ("url", "asked", "told"),
    [
        (URL, ASKED | {"reading": "win"}, '"win" is none of send_winner, prove_lift, always_valid.'),
        (LIFTS, {"kind": "platform", "channel": "email"}, '"platform" is none of holdout, geo, external.'),
        (
            GOALS,
            {"label": "Buy", "counting": "{0}"},
            '"{0}" is none of every, once.',
        ),
    ],
)
def test_a_choice_that_there_is_not_is_told_which_there_are(api, url, asked, told):
    answer = _post(api, url, **asked)

    assert answer.status_code == 400
    assert [told] in answer.json()["errors"].values()


def test_a_whole_life(api, workspace, running):
    ids = [{"user_id": f"u-{number}"} for number in range(1_000)]
    answers = _post(api, f"{running}/assign", units=ids).json()["assignments"]
    lot = {one["user_id"]: got["variant"] for one, got in zip(ids, answers, strict=True)}
    came = crowds.of_each(list(lot), list(lot.values()), 420)
    logged = _post(api, f"{running}/expose", exposures=[{"user_id": one} for one in came]).json()
    assert logged == {"stored": 840, "known": 0, "refused": {}}
    people = [Person.objects.get(external_id=one).pk for one in came]
    assigned = [lot[one] for one in came]
    crowds.buy_by_variant(workspace, people, assigned, {"statement": 0.1, "question": 0.3})
    experiments.turn(experiments.find("subject-line"), now=NOW + timedelta(days=9))

    found = api.get(f"{running}/reading").json()
    decided = _post(api, f"{running}/decide", winner="question").json()
    after = _post(api, f"{running}/assign", units=[{"user_id": "somebody-new"}]).json()

    assert (found["look"], found["reading"]["verdict"], found["reading"]["winner"]) == (
        1,
        "winner",
        "question",
    )
    assert (found["exposed"], found["mixed"], found["sample_ratio"]["mismatch"]) == (840, 0, False)
    assert (decided["state"], decided["winner"]) == ("decided", "question")
    assert after["assignments"] == [{"variant": "question", "why": "decided"}]


def test_what_was_asked_is_answered(api):
    made = _post(api, URL, **ASKED).json()

    assert made["state"] == "draft"
    assert made["shares"] == {"statement": 0.5, "question": 0.5}
    assert [one["is_control"] for one in made["variants"]] == [True, False]
    assert made["planned_units"] > 1_000
    assert api.get(f"{URL}/subject-line").json() == made
    assert [one["key"] for one in api.get(URL).json()["results"]] == ["subject-line"]


def test_assigning_logs_no_exposure_and_is_the_same_each_time(api, running):
    units = [{"anonymous_id": f"browser-{number}"} for number in range(50)]

    first = _post(api, f"{running}/assign", units=units).json()

    assert _post(api, f"{running}/assign", units=units).json() == first
    assert Exposure.objects.count() == 0


def test_an_anonymous_visitor_keeps_their_variant_when_they_sign_in(api, running):
    before = _post(api, f"{running}/assign", units=[{"anonymous_id": "browser-5"}]).json()["assignments"]
    _post(api, f"{running}/expose", exposures=[{"anonymous_id": "browser-5"}])
    _post(api, "/api/v1/attribution/identify", anonymous_id="browser-5", user_id="ada")

    after = _post(api, f"{running}/assign", units=[{"user_id": "ada"}]).json()["assignments"]

    assert after == [{"variant": before[0]["variant"], "why": "kept"}]


def test_a_key_for_tracking_assigns_and_exposes_and_does_no_more(workspace, running, now):
    tracker = api_client(workspace, ["track"], now)

    assert _post(tracker, f"{running}/assign", units=[{"user_id": "a"}]).status_code == 200
    assert _post(tracker, f"{running}/expose", exposures=[{"user_id": "a"}]).status_code == 200
    assert _post(tracker, f"{running}/stop").status_code == 403
    assert tracker.get(f"{running}/reading").status_code == 403
    assert Experiment.objects.get().state == "running"


def test_a_key_for_reading_changes_nothing(workspace, running, now):
    reader = api_client(workspace, ["read"], now)

    assert reader.get(f"{running}/reading").status_code == 200
    assert _post(reader, f"{running}/decide", winner=None).status_code == 403
    assert _post(reader, URL, **(ASKED | {"key": "other"})).status_code == 403
    assert list(Experiment.objects.values_list("key", "state")) == [("subject-line", "running")]


def test_refusals_say_what_to_do(api, running):
    refused = _post(api, f"{running}/decide", winner="question")
    assert (refused.status_code, refused.json()["code"]) == (409, "winner_not_proven")
    assert "Wait for the next look" in refused.json()["detail"]

    again = _post(api, f"{running}/start")
    assert (again.status_code, again.json()["code"]) == (409, "experiment_not_in_that_state")

    twice = _post(api, URL, **ASKED)
    assert (twice.status_code, twice.json()["code"]) == (409, "experiment_key_taken")

    nobody = _post(api, f"{running}/assign", units=[{"unit": "x"}])
    assert (nobody.status_code, nobody.json()["errors"].keys()) == (400, {"units"})


def test_shares_change_by_a_new_phase(api, running):
    changed = _post(api, f"{running}/shares", shares={"statement": 1, "question": 3}, reason="more").json()

    assert (changed["phase"], changed["shares"]) == (2, {"statement": 0.25, "question": 0.75})


# Lift tests


def test_a_result_from_elsewhere_is_kept_with_its_error(api, workspace):
    ChannelFactory(workspace=workspace, key="email")
    given = {
        "kind": "external",
        "channel": "email",
        "name": "No mail for a week",
        "first_day": "2026-10-01",
        "last_day": "2026-10-07",
        "incremental": 120,
        "standard_error": 30,
    }

    made = _post(api, LIFTS, **given)

    assert made.status_code == 201
    assert made.json()["ratios"] == []
    found = api.get(f"{LIFTS}/{made.json()['id']}").json()
    assert {name: found[name] for name in given} == given
    retired = _post(api, f"{LIFTS}/{found['id']}/retire", reason="old").json()
    assert retired["retired_at"] is not None
    assert LiftTest.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"standard_error": 0}, "standard_error"),
        ({"standard_error": None}, "standard_error"),
        ({"last_day": "2026-09-01"}, "last_day"),
        ({"last_day": "2027-09-01"}, "last_day"),
        ({"channel": "pigeons"}, "channel"),
        ({"covered_share": 0}, "covered_share"),
        ({"kind": "geo"}, "rows"),
        ({"kind": "holdout"}, "experiment"),
    ],
)
def test_a_result_that_cannot_be_used_is_refused(api, workspace, wrong, field):
    journey(workspace, "email", value="10")
    given = {
        "kind": "external",
        "channel": "email",
        "name": "x",
        "first_day": "2026-10-01",
        "last_day": "2026-10-07",
        "incremental": 120,
        "standard_error": 30,
    }

    refused = _post(api, LIFTS, **(given | wrong))

    assert refused.status_code == 400
    assert field in refused.json()["errors"]
    assert LiftTest.objects.count() == 0
