"""The page and the API of conversions that were told to others."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.integrations import conversion_reports
from apps.integrations.models import Call, ForwardedConversion
from tests.integrations.connected import connection_to

ADDRESS, API = "/integrations/conversions/", "/api/v1/integrations/conversions"


@pytest.fixture
def destination(workspace):
    return connection_to(workspace, "meta_conversions", account="1", secrets={"access_token": "t"})


@pytest.fixture
def told(workspace, destination):
    def told(number, *, state="done", kept_back="", reason="", **changes):
        now = timezone.now()
        call = None
        if not kept_back:
            call = Call.objects.create(
                workspace=workspace,
                connection=destination,
                service=destination.service,
                operation="conversions.send",
                lane=2,
                dedup_key=f"k{number}",
                state=state,
                due_at=now if state in {"waiting", "sending", "unknown"} else None,
                sent_at=now if state in {"done", "dead"} else None,
                last_reason=reason,
            )
        return ForwardedConversion.objects.create(
            **{
                "workspace": workspace,
                "connection": destination,
                "call": call,
                "event_id": f"e{number}",
                "kind": "purchase",
                "value": Decimal(1),
                "currency": "GBP",
                "has_email": True,
                "has_phone": False,
                "has_click_id": number % 2 == 0,
                "kept_back": kept_back,
                "occurred_at": now,
                **changes,
            }
        )

    return told


def test_nothing_is_connected_yet(page):
    shown = page.get(ADDRESS).content.decode()

    assert "Nobody is told of conversions yet." in shown


def test_what_became_of_conversions_by_destination(page, api, told):
    for number in range(40):
        told(number, repeats=number == 0)
    told(50, state="dead", reason="Meta 100: no")
    told(51, state="waiting")
    told(52, kept_back="It is older than the 7 days that are taken.")
    told(53, verdict="rejected", verdict_reason="LATER")
    told(54, stage="change", step="0")

    shown = page.get(f"{ADDRESS}?days=7").content.decode()
    [row] = api.get(API, {"days": 7}).json()

    assert "<em>42</em> sent in 7 days, <em>2</em> rejected." in shown
    assert "Meta 100: no" in shown
    names = ("days", "known", "sent", "accepted", "rejected", "waiting", "kept_back", "changes", "repeated")
    assert [row[name] for name in names] == [7, 44, 42, 40, 2, 1, 1, 1, 1]
    assert (row["by_email"], row["by_phone"]) == (1.0, 0.0)
    assert row["by_click_id"] == pytest.approx(21 / 42)
    assert row["oldest_waiting_at"] is not None
    assert {one["reason"] for one in row["reasons"]} == {
        "Meta 100: no",
        "It is older than the 7 days that are taken.",
        "LATER",
    }


def test_too_little_to_say_is_said_so(page, api, told):
    told(1)

    assert "Not enough data yet: 30 are needed." in page.get(ADDRESS).content.decode()
    [row] = api.get(API).json()
    assert (row["sent"], row["by_email"], row["days"]) == (1, None, 28)


def test_what_came_before_the_period_is_not_counted(told):
    told(1, created_at=datetime.now(UTC) - timedelta(days=8))

    [row] = conversion_reports.tellings(days=7, now=timezone.now())

    assert row.known == 0


@pytest.mark.parametrize("days", ["0", "91", "x"])
def test_a_period_that_is_none_is_refused_by_the_api(api, days):
    assert api.get(API, {"days": days}).status_code == 400
