"""The API of optimisation at its door."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.campaigns.models import Change, Recommendation
from apps.campaigns.optimization import runs
from apps.integrations.models import AdDay, AdSegmentDay
from tests.campaigns.conftest import recommend, with_history
from tests.conftest import api_client
from tests.factories import NOW

URL = "/api/v1/optimization/"
State = Recommendation.State


def test_a_plan_for_curves_that_the_caller_tells_of(api):
    asked = {
        "campaigns": [{"campaign": "spring", "a": 10, "k": 0.5}, {"campaign": "brand", "a": 5, "k": 0.5}],
        "total_budget": 100,
    }

    answer = api.post(f"{URL}allocate", asked, format="json")

    assert answer.status_code == 200
    found = answer.json()
    assert [one["budget"] for one in found["allocations"]] == pytest.approx([80, 20])
    assert found["revenue"] == pytest.approx(10 * 80**0.5 + 5 * 20**0.5)
    assert found["certified_gap"] < 1e-9
    assert found["infeasible"] is None


def test_a_plan_that_cannot_be_names_what_collides(api):
    asked = {
        "campaigns": [
            {"campaign": "spring", "a": 10, "min_budget": 80},
            {"campaign": "b", "a": 5, "min_budget": 40},
        ],
        "total_budget": 100,
    }

    found = api.post(f"{URL}allocate", asked, format="json").json()

    assert found["allocations"] == []
    [collision] = found["infeasible"]
    assert collision["amount"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"total_budget": None, "target_roas": None}, "campaigns"),
        ({"campaigns": []}, "campaigns"),
        ({"campaigns": [{"campaign": "a", "a": 1}, {"campaign": "a", "a": 2}]}, "campaigns"),
        ({"campaigns": [{"campaign": "a", "a": 1, "k": 1.5}]}, "campaigns"),
        ({"max_change_percent": 20}, "campaigns"),
        ({"groups": [{"name": "g", "campaigns": ["nobody"], "cap": 5}]}, "groups"),
    ],
)
def test_rubbish_is_refused_with_its_field(api, change, field):
    asked = {"campaigns": [{"campaign": "spring", "a": 10, "k": 0.5}], "total_budget": 100} | change
    asked = {name: value for name, value in asked.items() if value is not None}

    answer = api.post(f"{URL}allocate", asked, format="json")

    assert answer.status_code == 400
    assert field in answer.json()["errors"] or any(name.startswith(field) for name in answer.json()["errors"])


def test_from_analysis_to_a_change_at_the_platform_and_back(api, account):
    with_history(account)
    assert api.get(f"{URL}frontier").status_code == 404
    assert api.post(f"{URL}analyze").status_code == 202
    runs.make("asked", now=NOW)
    run = api.get(f"{URL}runs/latest").json()
    assert run["campaigns"] == 3

    [one] = [
        row
        for row in api.get(f"{URL}recommendations?kind=budget&state=proposed").json()
        if row["campaign"] == "Spring brides"
    ]
    assert one["confidence_percent"] > 90
    path = f"{URL}recommendations/{one['id']}"
    assert api.get(path).json()["reasons"] == one["reasons"]
    assert api.post(f"{path}/execute", {}, format="json").status_code == 409
    dry = api.post(f"{path}/execute", {"dry_run": True}, format="json")
    assert dry.status_code == 200
    assert dry.json()["calls"][0]["method"] == "POST"
    assert not Change.objects.exists()
    assert api.post(f"{path}/approve").json()["state"] == "approved"
    begun = api.post(f"{path}/execute", {}, format="json")
    assert (begun.status_code, begun.json()["recommendation"]["state"]) == (202, "executing")
    assert api.post(f"{path}/execute", {}, format="json").status_code == 409
    assert Change.objects.get().after == "48"

    frontier = api.get(f"{URL}frontier").json()
    assert len(frontier["points"]) == 50
    assert frontier["total_now"] == pytest.approx(120)
    assert api.get(f"{URL}track-record").json()["measured"] == 0


def test_no_is_no(api, account):
    found = recommend(account.campaigns[0], "46")

    answer = api.post(
        f"{URL}recommendations/{found.public_id}/reject", {"reason": "Not in May."}, format="json"
    )

    assert (answer.status_code, answer.json()["state_reason"]) == (200, "Not in May.")
    assert api.post(f"{URL}recommendations/{found.public_id}/approve").status_code == 409


def test_a_key_that_may_write_may_not_approve_and_changes_nothing(workspace, account, now):
    found = recommend(account.campaigns[0], "46")
    key = api_client(workspace, ["write"], now)

    assert key.post(f"{URL}recommendations/{found.public_id}/approve").status_code == 403

    found.refresh_from_db()
    assert found.state == State.PROPOSED


def test_policy_caps_and_rules_are_read_and_changed(api, account):
    changed = api.patch(f"{URL}policy", {"cooldown_hours": 24, "four_eyes_above": "100.00"}, format="json")
    assert changed.json()["cooldown_hours"] == 24
    refused = api.patch(f"{URL}policy", {"largest_change_percent": 300}, format="json")
    assert refused.status_code == 400

    cap = {"measure": "daily_budget", "amount": "500.00"}
    caps = api.put(f"{URL}caps", cap, format="json").json()
    assert {one["amount"] for one in caps if one["measure"] == "daily_budget"} == {"500.00"}

    rule = {"kind": "budget", "is_on": True, "least_confidence": 0.95, "most_amount": "20.00"}
    assert api.put(f"{URL}auto-rules", rule, format="json").json()["is_on"]
    assert len(api.get(f"{URL}auto-rules").json()) == 5


def test_everything_stops_and_starts(api, account):
    stopped = api.post(f"{URL}stop", {"reason": "Odd figures."}, format="json").json()
    assert (stopped["stop_reason"], stopped["stopped_at"] is not None) == ("Odd figures.", True)
    assert api.post(f"{URL}restart").json()["stopped_at"] is None


def test_bids_follow_probability_goal_history_and_pace(api):
    asked = {
        "goal": "target_cpa",
        "target": 40,
        "items": [{"key": "1", "conversion_probability": 0.035}],
    }
    assert api.post(f"{URL}bids", asked, format="json").json()["bids"][0]["bid"] == pytest.approx(1.4)

    slowed = asked | {"pace": {"spent": 60, "planned": 50}}
    answer = api.post(f"{URL}bids", slowed, format="json").json()["bids"][0]
    assert answer["multiplier"] < 1
    assert answer["bid"] == pytest.approx(1.4 * answer["multiplier"])

    profit = {
        "goal": "profit",
        "margin": 0.5,
        "cap": 0.9,
        "items": [{"key": "1", "conversion_probability": 0.05, "value": 60}],
    }
    assert api.post(f"{URL}bids", profit, format="json").json()["bids"][0]["bid"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    "change",
    [
        {"target": None},
        {"items": [{"key": "1"}]},
        {"items": [{"key": "1", "conversion_probability": 1.5}]},
        {"floor": 2, "cap": 1},
        {"campaign_id": "12"},
    ],
)
def test_a_bid_that_cannot_be_is_refused(api, change):
    asked = {
        "goal": "target_cpa",
        "target": 40,
        "items": [{"key": "1", "conversion_probability": 0.1}],
    } | change
    asked = {name: value for name, value in asked.items() if value is not None}

    assert api.post(f"{URL}bids", asked, format="json").status_code == 400


def test_device_modifiers_come_from_the_campaigns_history(api, account):
    campaign = account.campaigns[0]
    common = {"workspace_id": campaign.workspace_id, "campaign": campaign, "currency": "GBP", "read_at": NOW}
    day = NOW.date() - timedelta(days=3)
    AdDay.objects.create(on=day, spend=Decimal(500), clicks=10_000, conversions=Decimal(400), **common)
    for value, conversions in (("mobile", 100), ("desktop", 300)):
        AdSegmentDay.objects.create(
            on=day,
            dimension="device",
            value=value,
            spend=Decimal(250),
            clicks=5_000,
            conversions=Decimal(conversions),
            **common,
        )
    asked = {
        "goal": "target_cpa",
        "target": 10,
        "items": [
            {"key": one, "conversion_probability": 0.1, "device": one} for one in ("mobile", "desktop", "tv")
        ],
        "connection": str(account.connection.public_id),
        "campaign_id": campaign.external_id,
    }

    answer = api.post(f"{URL}bids", asked, format="json").json()["bids"]

    factors = {one["key"]: one["modifiers"]["device"] for one in answer}
    assert factors["mobile"] == pytest.approx((100 + 20) / (200 + 20))
    assert factors["desktop"] == pytest.approx((300 + 20) / (200 + 20))
    assert factors["tv"] == 1
