"""POST analyze/journey, analyze/batch, train/markov; GET models/status, health: what a program is told."""

from datetime import timedelta

import pytest

from apps.accounts import jobs, scoping
from apps.accounts.models import Job
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Conversion, ModelRun
from tests.attribution.stories import journey
from tests.conftest import api_client
from tests.factories import PersonFactory

URL = "/api/v1/attribution/"
JOURNEY, BATCH, TRAIN = URL + "analyze/journey", URL + "analyze/batch", URL + "train/markov"
STATUS, HEALTH = URL + "models/status", URL + "health"


def _post(api, url, **body):
    return api.post(url, body, format="json")


def _run_the_job(answer):
    jobs.run(job_id=Job.objects.get(public_id=answer.json()["job_id"]).pk)


def test_the_example_of_the_original_system(workspace, api):
    person = PersonFactory(workspace=workspace, external_id="user_123")
    journey(workspace, "meta", "google", value="99.99", person=person)

    answer = _post(api, JOURNEY, user_id="user_123", model_type="shapley")

    found = answer.json()
    assert answer.status_code == 200
    assert sum(row["share"] for row in found["channels"]) == 1
    assert round(sum(row["revenue"] for row in found["channels"]), 2) == 99.99
    assert [touch["channel"] for touch in found["touchpoints"]] == ["meta", "google"]
    assert found["person_id"] == str(person.public_id)
    assert found["conversion"]["revenue"] == 99.99
    assert found["basis"] == "equal_too_little_data"


def test_the_same_example_from_the_first_event_on(workspace, api):
    for platform in ("meta", "google"):
        touch = {"user_id": "user_123", "event_type": "click", "platform": platform, "campaign_id": "spring"}
        assert _post(api, URL + "track/event", **touch).status_code == 201
    order = {"user_id": "user_123", "conversion_type": "purchase", "revenue": 99.99}
    tracked = _post(api, URL + "track/conversion", **order).json()

    found = _post(api, JOURNEY, user_id="user_123", model_type="shapley", conversion_id=tracked["id"]).json()

    assert [touch["platform"] for touch in found["touchpoints"]] == ["meta", "google"]
    assert sum(row["share"] for row in found["channels"]) == pytest.approx(1, abs=1e-12)
    assert round(sum(row["revenue"] for row in found["channels"]), 2) == 99.99
    assert found["conversion"]["id"] == tracked["id"]


def test_a_journey_under_markov_without_a_trained_version(workspace, api):
    person = journey(workspace, "meta", "google", value="99.99")

    found = _post(api, JOURNEY, person_id=str(person.public_id), model_type="markov").json()

    assert found["model"] == "markov_1"
    assert found["model_version"] is None
    assert [row["revenue"] for row in found["channels"]] == [50.0, 49.99]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"user_id": "nobody"}, 404, "person_not_found"),
        ({"user_id": "idle"}, 404, "no_conversion"),
        ({"user_id": "ada", "conversion_id": 1}, 404, "no_conversion"),
        ({"user_id": "ada", "model_type": "magic"}, 400, "invalid"),
        ({"user_id": "ada", "lookback_days": 0}, 400, "invalid"),
        ({"user_id": "ada", "lookback_days": "nan"}, 400, "invalid"),
        ({"user_id": "ada", "conversion_id": 2**70}, 404, "no_conversion"),
        ({"user_id": "ada", "conversion_id": [1]}, 400, "invalid"),
        ({"user_id": ["ada"]}, 400, "invalid"),
        ({"person_id": "not-a-uuid"}, 400, "invalid"),
        ({}, 400, "invalid"),
    ],
)
def test_a_journey_that_cannot_be_explained_says_why(workspace, api, body, status, code):
    PersonFactory(workspace=workspace, external_id="idle")
    journey(workspace, "meta", value="1", person=PersonFactory(workspace=workspace, external_id="ada"))

    answer = _post(api, JOURNEY, **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]


@pytest.mark.parametrize("body", [[], "text", 7, None, {"user_id": {"a": 1}}])
def test_rubbish_is_refused_in_the_one_shape(workspace, api, body):
    for url in (JOURNEY, BATCH, TRAIN):
        answer = api.post(url, body, format="json")

        assert answer.status_code in {200, 202, 400}
        assert answer.status_code != 400 or set(answer.json()) == {"detail", "code", "errors"}


def test_an_unknown_model_lists_the_models_there_are(workspace, api):
    answer = _post(api, BATCH, model_type="magic")

    assert "position_based" in answer.json()["errors"]["model_type"][0]


def test_a_batch_of_all_models(workspace, api):
    journey(workspace, "meta", "google", value="99.99")
    journey(workspace, "meta")

    found = _post(api, BATCH, model_type="all").json()

    assert len(found["models"]) == len(MODELS)
    assert found["totals"] == {"journeys": 2, "conversions": 1, "revenue": 99.99, "cost": 0.0}
    for model in found["models"]:
        rows = [row for row in found["rows"] if row["model"] == model]
        assert round(sum(row["revenue"] for row in rows), 2) == 99.99
        assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_days_of_the_period_are_both_included(workspace, api, now):
    journey(workspace, "meta", value="10", end_days=2)
    journey(workspace, "meta", value="20", end_days=1)
    journey(workspace, "meta", value="40")
    day = (now - timedelta(days=1)).date().isoformat()

    found = _post(api, BATCH, **{"from": day, "to": day}).json()

    assert found["totals"]["revenue"] == 20
    assert found["from"] == "2026-11-19T00:00:00Z"
    assert found["to"] == "2026-11-20T00:00:00Z"


def test_moments_limit_the_period_exactly(workspace, api, now):
    journey(workspace, "meta", value="10")

    before = _post(api, BATCH, to="2026-11-20T12:00:00Z").json()
    after = _post(api, BATCH, to="2026-11-20T13:00:00.000001+01:00").json()

    assert before["totals"]["revenue"] == 0
    assert after["totals"]["revenue"] == 10


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"to": "2026-01-01T00:00:00"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "to"),
        ({"from": 20260101}, "from"),
        ({"group_by": "moon"}, "group_by"),
        ({"model_type": [1]}, "model_type"),
        ({"model_type": []}, "model_type"),
        ({"half_life_days": -1}, "half_life_days"),
    ],
)
def test_a_batch_names_the_field_at_fault(workspace, api, body, field):
    answer = _post(api, BATCH, **body)

    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_a_large_batch_is_a_job_whose_result_can_be_fetched(workspace, api, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    journey(workspace, "meta", "google", value="99.99")

    asked = _post(api, BATCH, model_type=["linear", "shapley"])
    early = api.get(asked.json()["result_url"])
    _run_the_job(asked)
    found = api.get(asked.json()["result_url"])

    assert (asked.status_code, early.status_code, found.status_code) == (202, 202, 200)
    assert api.get(asked.json()["status_url"]).json()["state"] == "done"
    assert found.json()["models"] == ["linear", "shapley"]
    assert found.json()["totals"]["revenue"] == 99.99
    assert _post(api, BATCH, model_type="linear").status_code == 200


def test_a_cancelled_batch_has_no_result(workspace, api, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    journey(workspace, "meta", "google", value="99.99")
    asked = _post(api, BATCH)
    jobs.cancel(Job.objects.get())

    answer = api.get(asked.json()["result_url"])

    assert (answer.status_code, answer.json()["code"]) == (409, "job_has_no_result")


def test_training_is_a_job_and_the_status_shows_its_version(workspace, api):
    journey(workspace, "meta", "google", value="10")
    journey(workspace, "meta")

    asked = _post(api, TRAIN, order=2)
    waiting = {row["order"]: row for row in api.get(STATUS).json()["models"]}
    _run_the_job(asked)
    trained = {row["order"]: row for row in api.get(STATUS).json()["models"]}

    assert asked.status_code == 202
    assert waiting[2]["training_job_id"] == asked.json()["job_id"]
    assert (waiting[2]["state"], waiting[2]["version"]) == ("not_trained", None)
    assert (trained[2]["state"], trained[2]["version"], trained[2]["journeys"]) == ("current", 1, 2)
    assert set(trained[2]["removal_effects"]) == {"google", "meta"}
    assert trained[1]["state"] == "not_trained"


@pytest.mark.parametrize("order", [0, 5, "two", None, 1.5])
def test_an_order_that_does_not_exist_is_refused(workspace, api, order):
    answer = _post(api, TRAIN, order=order)

    assert answer.status_code == 400
    assert not Job.objects.exists()


def test_health_of_an_empty_workspace_is_idle(workspace, api):
    assert api.get(HEALTH).json()["status"] == "idle"


def test_health_tells_what_arrived_and_what_failed(workspace, api, now):
    journey(workspace, "meta", value="10")
    _run_the_job(_post(api, TRAIN))
    well = api.get(HEALTH).json()
    Job.objects.update(state="failed")
    ill = api.get(HEALTH).json()

    assert well["status"] == "healthy"
    assert well["last_conversion_at"] == "2026-11-20T12:00:00Z"
    assert well["models"] == {"markov_1": 1}
    assert ill["status"] == "degraded"
    assert "1 jobs failed" in ill["reasons"][0]


@pytest.mark.parametrize(
    ("scope", "allowed"), [("track", set()), ("read", {JOURNEY, BATCH}), ("write", {JOURNEY, BATCH, TRAIN})]
)
def test_reading_analyses_and_only_writing_trains(workspace, now, scope, allowed):
    client = api_client(workspace, [scope], now)
    journey(workspace, "meta", value="1", person=PersonFactory(workspace=workspace, external_id="ada"))

    for url in (JOURNEY, BATCH, TRAIN):
        answer = _post(client, url, user_id="ada")
        assert (answer.status_code != 403) == (url in allowed), url
    for url in (STATUS, HEALTH):
        assert (client.get(url).status_code == 200) == (scope != "track")
    if scope == "track":
        assert not ModelRun.objects.exists()


def test_somebody_elses_people_jobs_and_data_are_not_here(workspace, other_workspace, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    with scoping.workspace(other_workspace):
        stranger = PersonFactory(workspace=other_workspace, external_id="ada")
        journey(other_workspace, "meta", "google", value="99.99", person=stranger, order_id="order-1")
        conversion = Conversion.objects.get()
        theirs = _post(api_client(other_workspace, ["admin"], now), BATCH)
    mine = api_client(workspace, ["admin"], now)

    assert _post(mine, JOURNEY, user_id="ada").status_code == 404
    assert (
        _post(mine, JOURNEY, person_id=str(stranger.public_id), conversion_id=conversion.order_id).status_code
        == 404
    )
    assert mine.get(theirs.json()["result_url"]).status_code == 404
    assert _post(mine, BATCH).json()["totals"]["conversions"] == 0


def test_nobody_is_answered_without_a_key(db, client):
    for url in (JOURNEY, BATCH, TRAIN):
        assert client.post(url, {}, content_type="application/json").status_code == 401
    for url in (STATUS, HEALTH):
        assert client.get(url).status_code == 401
