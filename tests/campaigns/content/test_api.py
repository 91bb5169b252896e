"""Variants over HTTP: asked for, read, taken; the switch."""

import pytest
from rest_framework.test import APIClient

from apps.accounts import jobs
from apps.accounts.models import Job
from apps.campaigns.models import AiDraft, Content
from tests.conftest import api_client
from tests.factories import NOW

URL = "/api/v1/marketing/ai-content"


@pytest.fixture
def brief(campaign):
    return {
        "campaign": str(campaign.public_id),
        "about": "Our barn is open on 6 June.",
        "links": [{"label": "Say that you come", "url": "https://barn.example"}],
    }


def test_from_a_brief_to_contents(api, brief):
    asked = api.post(URL, brief, format="json")
    assert asked.status_code == 202
    waiting = api.get(f"{URL}/{asked.json()['draft']}").json()
    assert (waiting["state"], waiting["variants"]) == ("asked", [])

    jobs.run(job_id=Job.objects.get(public_id=asked.json()["job"]).pk)
    done = api.get(f"{URL}/{asked.json()['draft']}").json()
    taken = api.post(f"{URL}/{done['id']}/take", {"variants": [1, 3]}, format="json")

    assert (done["state"], done["made_by"], done["why"], len(done["variants"])) == (
        "done", "rules", "not_connected", 5
    )  # fmt: skip
    assert [(one["key"], one["made_by"], one["approved_at"]) for one in taken.json()] == [
        ("a", "rules", None), ("b", "rules", None)
    ]  # fmt: skip
    assert Content.objects.count() == 2


def test_a_brief_is_checked(api, brief):
    bad = api.post(URL, brief | {"links": [{"label": "x", "url": "javascript:x"}]}, format="json")

    assert (bad.status_code, list(bad.json()["errors"])) == (400, ["links"])
    assert api.post(URL, {"about": "x"}, format="json").status_code == 400
    other = brief | {"campaign": "01900000-0000-7000-8000-000000000009"}
    assert api.post(URL, other, format="json").status_code == 404
    assert not AiDraft.objects.exists()


def test_it_is_counted_apart(api, brief):
    assert api.post(URL, brief, format="json").headers["RateLimit-Policy"] == '"ai_content";q=20;w=60'


def test_the_switch(api, page, workspace):
    assert api.get(f"{URL}/switch").json()["is_on"] is True

    off = api.put(f"{URL}/switch", {"is_on": False, "reason": "a trial"}, format="json")
    assert off.json() | {"changed_at": None} == {
        "is_on": False, "reason": "a trial", "changed_by": off.json()["changed_by"], "changed_at": None
    }  # fmt: skip
    assert api.put(f"{URL}/switch", {"is_on": True}, format="json").status_code == 403
    assert api.get(f"{URL}/switch").json()["is_on"] is False


def test_a_person_switches_on_over_the_api(workspace, owner):
    api_client(workspace, ["admin"], NOW).put(f"{URL}/switch", {"is_on": False}, format="json")
    mine = APIClient()
    mine.force_login(owner)

    assert mine.put(f"{URL}/switch", {"is_on": True, "reason": "seen"}, format="json").json()["is_on"] is True
