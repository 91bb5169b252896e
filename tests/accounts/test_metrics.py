"""What Prometheus reads, and who may."""

import re
from typing import Any

import pytest

from apps.accounts import jobs, metrics
from apps.accounts.models import Delivery, OutboxEvent
from apps.accounts.permissions import system


def _value(client: Any, sample: str) -> float:
    text = client.get("/metrics").content.decode()
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_requests_are_counted_by_route_and_not_by_path(client, api, db):
    sample = 'bellwether_requests_total{method="GET",route="api/v1/jobs/<uuid:public_id>",status="404"}'
    before = _value(client, sample)

    for number in range(3):
        api.get(f"/api/v1/jobs/00000000-0000-4000-8000-00000000000{number}")

    assert _value(client, sample) == before + 3
    assert "00000000-0000" not in client.get("/metrics").content.decode()


def test_made_up_methods_and_paths_share_one_series(client, db):
    sample = 'bellwether_requests_total{method="other",route="(none)",status="404"}'
    before = _value(client, sample)

    for number in range(3):
        client.generic(f"BREW{number}", f"/pot/{number}")

    assert _value(client, sample) == before + 3


def test_times_are_in_a_histogram(client, db):
    client.get("/health/live")

    assert (
        _value(client, 'bellwether_request_seconds_bucket{le="+Inf",method="GET",route="health/live"}') >= 1
    )


def test_what_waits_is_counted_over_all_workspaces(client, workspace, monkeypatch):
    monkeypatch.setitem(jobs._kinds, "tests.nothing", lambda job: None)
    waiting, queued, dead = (
        _value(client, name)
        for name in ("bellwether_events_waiting", 'bellwether_jobs{state="queued"}', "bellwether_events_dead")
    )

    event = OutboxEvent.objects.create(workspace=workspace, name="tests.x", payload={})
    Delivery.objects.create(workspace=workspace, event=event, subscriber="a", state="dead")
    jobs.begin(system(workspace.pk), "tests.nothing", title="x", params={})

    assert _value(client, "bellwether_events_waiting") == waiting + 1
    assert _value(client, "bellwether_events_dead") == dead + 1
    assert _value(client, 'bellwether_jobs{state="queued"}') == queued + 1


def test_refusals_are_counted():
    before = metrics.RATE_LIMIT_REFUSALS.labels("viral", "over_limit")._value.get()
    metrics.RATE_LIMIT_REFUSALS.labels("viral", "over_limit").inc()

    text = metrics.generate_latest(metrics.REGISTRY).decode()
    sample = 'bellwether_rate_limit_refusals_total{family="viral",reason="over_limit"} '
    assert f"{sample}{before + 1}" in text


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, True),
        ({"REMOTE_ADDR": "::1"}, True),
        ({"REMOTE_ADDR": "10.0.0.7"}, False),
        ({"REMOTE_ADDR": ""}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.9"}, False),
    ],
)
def test_without_a_token_only_this_machine_reads(client, db, sent, allowed):
    assert client.get("/metrics", **sent).status_code == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("header", "allowed"),
    [("Bearer letmein", True), ("Bearer wrong", False), ("Bearer lëtmein", False), ("", False)],
)
def test_with_a_token_whoever_has_it_reads(client, db, settings, header, allowed):
    settings.METRICS_TOKEN = "letmein"

    answer = client.get("/metrics", REMOTE_ADDR="10.0.0.7", headers={"Authorization": header})

    assert answer.status_code == (200 if allowed else 403)
    assert allowed or "bellwether" not in answer.content.decode()
