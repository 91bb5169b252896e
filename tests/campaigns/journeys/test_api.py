"""Journeys by the API."""

import pytest

from apps.campaigns.models import Journey, JourneyRun
from tests.campaigns.built import audience
from tests.campaigns.journeys.conftest import API, drawn
from tests.factories import PersonFactory

ROOT = "/api/v1/marketing/journeys"
STEPS = {"wait": {"kind": "wait", "days": 2, "next": ""}}


@pytest.fixture
def made(api):
    answer = api.post(ROOT, {"name": "Road", "draft": drawn("wait", STEPS)}, format="json")
    assert answer.status_code == 201, answer.data
    return answer.data


def test_from_a_draft_to_people_on_it(api, made, workspace):
    one = f"{ROOT}/{made['id']}"
    assert api.get(f"{one}/checks").data == {"faults": []}
    assert (
        api.post(
            f"{one}/enter", {"people": [str(PersonFactory(workspace=workspace).public_id)]}, format="json"
        ).status_code
        == 409
    )
    assert api.post(f"{one}/publish").data["state"] == "live"
    ada = PersonFactory(workspace=workspace)
    told = api.post(f"{one}/enter", {"people": [str(ada.public_id)], "key": "k"}, format="json").data
    assert told["entered"] == [str(ada.public_id)]
    again = api.post(f"{one}/enter", {"people": [str(ada.public_id)], "key": "k"}, format="json").data
    assert again["refused"][0]["because"] == "known"

    stats = api.get(f"{one}/stats").data
    assert (stats["entered"], stats["in_flight"], stats["standing"]) == (1, 1, {"wait": 1})
    [version] = api.get(f"{one}/versions").data
    assert (version["number"], version["in_flight"]) == (1, 1)
    assert api.post(f"{one}/pause", {"reason": "odd"}, format="json").data["state"] == "paused"
    assert api.post(f"{one}/resume").data["state"] == "live"
    assert api.post(f"{one}/stop").data["state"] == "stopped"
    assert JourneyRun.objects.get().outcome == "stopped"


def test_what_stands_against_it_is_told_by_step(api, made):
    one = f"{ROOT}/{made['id']}"
    bad = drawn("wait", {"wait": {"kind": "wait", "days": 0, "next": "gone"}}, entries=[])
    changed = api.patch(one, {"draft": bad, "revision": made["revision"]}, format="json")
    assert changed.status_code == 200
    answer = api.post(f"{one}/publish")
    assert answer.status_code == 400
    assert set(answer.data["errors"]) == {"entries", "wait"}
    stale = api.patch(one, {"name": "B", "revision": made["revision"]}, format="json")
    assert stale.status_code == 409


def test_a_draft_that_cannot_be_read_is_refused(api, made):
    one = f"{ROOT}/{made['id']}"
    for draft in (
        7,
        [],
        {"steps": []},
        {"steps": {"x": {"kind": "dance"}}},
        {"what": 1},
        {"steps": {"A b": {}}},
    ):
        answer = api.patch(one, {"draft": draft}, format="json")
        assert answer.status_code == 400, draft
    assert Journey.objects.get().draft["steps"] == STEPS


def test_moving_people_is_foretold(api, made, workspace):
    one = f"{ROOT}/{made['id']}"
    api.post(f"{one}/publish")
    api.post(f"{one}/enter", {"people": [str(PersonFactory(workspace=workspace).public_id)]}, format="json")
    new = drawn("rest", {"rest": {"kind": "wait", "days": 9, "next": ""}}, entries=[API])
    api.patch(one, {"draft": new}, format="json")
    api.post(f"{one}/publish")

    lost = api.post(f"{one}/move", {"was": 1, "to": 2}, format="json")
    assert (lost.status_code, list(lost.data["errors"])) == (400, ["wait"])
    rule = {"was": 1, "to": 2, "rule": {"wait": "rest"}}
    foretold = api.post(f"{one}/move", rule, format="json").data
    assert foretold["lines"][0]["people"] == 1
    assert JourneyRun.objects.get().version == 1
    api.post(f"{one}/move", rule | {"dry_run": False}, format="json")
    assert JourneyRun.objects.get().version == 2


def test_a_list_goes_on_before_its_last(api, made):
    api.post(ROOT, {"name": "Other", "pattern": "welcome"}, format="json")
    newest, oldest = api.get(ROOT).data

    assert [row["name"] for row in api.get(f"{ROOT}?before={newest['id']}").data] == ["Road"]
    assert api.get(f"{ROOT}?before={oldest['id']}").data == []
    assert api.get(f"{ROOT}?before=01900000-0000-7000-8000-000000000001").status_code == 404


def test_a_draft_may_go_and_a_journey_stays(api, made):
    one = f"{ROOT}/{made['id']}"
    other = api.post(ROOT, {"name": "Other", "pattern": "welcome"}, format="json").data
    assert api.delete(f"{ROOT}/{other['id']}").status_code == 204
    api.post(f"{one}/publish")
    assert api.delete(one).status_code == 409
    assert [row["name"] for row in api.get(ROOT).data] == ["Road"]


def test_what_can_be_heard(api):
    told = {row["key"]: row for row in api.get(f"{ROOT}/sources").data}
    assert told["conversion.recorded"]["is_heard"]
    assert not told["churn.risk_rose"]["is_heard"]
    assert "campaigns.journey.left" in told
    assert {row["key"] for row in api.get(f"{ROOT}/patterns").data} >= {"welcome", "review"}


def test_who_enters_for_being_in_an_audience_is_sent_nothing_that_one_waits_for(
    api, workspace, campaign, message
):
    campaign.topic.basis = "service"
    campaign.topic.save()
    steps = {"hello": message()}
    crowd = audience(workspace, [])
    entries = [{"kind": "audience", "audience": str(crowd.public_id)}]

    def faults(**more):
        answer = api.post(
            ROOT, {"name": str(len(more)), "draft": drawn("hello", steps, **more)}, format="json"
        )
        return api.get(f"{ROOT}/{answer.data['id']}/checks").data["faults"]

    assert "asks nobody's consent" in str(faults(entries=entries))
    assert faults() == []
