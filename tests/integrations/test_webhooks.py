"""Webhooks out: who is told, signed by whom, when it stops, and that no address inside is ever reached."""

import json
import socket
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from apps.accounts import events, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry, OutboxEvent
from apps.accounts.redis_link import link
from apps.integrations import addresses, outbox, trail, webhooks
from apps.integrations.events import AdFiguresRead, CallSettled, ConnectionRestored
from apps.integrations.models import Call, Connection, WebhookEndpoint
from apps.integrations.monitoring import incidents, self_test, status
from apps.integrations.resilience.lanes import Lane
from tests.factories import NOW
from tests.fakes.server import Answer, Drip, Reply, ResetAfter
from tests.fakes.webhook import Webhook
from tests.integrations.test_addresses import BAD

URL = "https://shop.example.com/hooks/bellwether?x=1"


@pytest.fixture
def theirs(settings):
    with Webhook() as fake:
        settings.INTEGRATION_URLS = {"webhook": fake.url}
        yield fake


@pytest.fixture
def made(actor, theirs):
    return webhooks.create(actor, url=URL, event_names=["*"], now=timezone.now())


@pytest.fixture
def endpoint(made):
    return made[0]


@pytest.fixture
def publish(workspace, django_capture_on_commit_callbacks):
    def publish(event=None):
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            return events.publish(
                event or AdFiguresRead(workspace_id=workspace.pk, connection_id=7, since="2026-11-01")
            )

    return publish


def relay():
    return outbox.relay(lane=int(Lane.TRANSACTIONAL))


def fresh(endpoint):
    return webhooks.get(endpoint.public_id)


def test_an_event_is_told_thinly_and_signed(made, theirs, publish):
    endpoint, secret = made
    row = publish()
    relay()

    [seen] = theirs.seen
    assert seen.raw.startswith(b"POST /hooks/bellwether?x=1 HTTP/1.1\r\n")
    assert seen.json == {
        "type": "integrations.ad_figures.read",
        "timestamp": row.created_at.isoformat(),
        "data": {"connection_id": 7, "since": "2026-11-01"},
    }
    assert seen.headers["webhook-id"] == f"evt_{row.pk}"
    assert abs(int(seen.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert theirs.is_signed(seen, secret)
    assert [call.state for call in webhooks.log_of(endpoint)] == [Call.State.DONE]


def test_only_what_was_asked_for_is_told(actor, theirs, publish, workspace):
    webhooks.create(actor, url=URL, event_names=["integrations.connection.restored"], now=NOW)
    publish()
    publish(ConnectionRestored(workspace_id=workspace.pk, connection_id=1))
    relay()

    assert [seen.json["type"] for seen in theirs.seen] == ["integrations.connection.restored"]


def test_without_an_endpoint_no_delivery_is_started(publish, workspace):
    assert publish(ConnectionRestored(workspace_id=workspace.pk, connection_id=1)).due_at is None


def test_another_workspace_is_told_nothing(made, theirs, other_workspace):
    with scoping.workspace(other_workspace), transaction.atomic():
        row = events.publish(ConnectionRestored(workspace_id=other_workspace.pk, connection_id=1))

    assert (row.due_at, theirs.seen) == (None, [])


def test_an_event_delivered_twice_is_told_once(endpoint, theirs, publish):
    row = publish()
    events.replay(row, subscriber="apps.integrations.webhooks.tell")
    events.deliver(event_id=row.pk)
    relay()

    assert len(theirs.seen) == 1


def test_a_message_does_not_tell_of_its_own_delivery(endpoint, theirs, publish, workspace):
    publish()
    for _ in range(5):
        relay()
        for row in OutboxEvent.objects.exclude(due_at=None):
            events.deliver(event_id=row.pk)

    assert len(theirs.seen) == 1
    publish(CallSettled(workspace_id=workspace.pk, call_id=1, service="post", operation="x", state="done"))
    relay()
    assert len(theirs.seen) == 2


def test_a_large_event_is_cut_to_a_thin_message(endpoint, theirs, publish, workspace):
    publish(AdFiguresRead(workspace_id=workspace.pk, connection_id=7, since="x" * 30_000))
    relay()

    assert len(theirs.seen[0].body) < 20_000
    assert theirs.seen[0].json["data"] == {"is_left_out": True}


def test_both_secrets_sign_for_a_day(made, theirs, publish, actor):
    endpoint, old = made
    new = webhooks.rotate(actor, endpoint, now=timezone.now())
    publish()
    relay()
    assert theirs.is_signed(theirs.seen[0], old)
    assert theirs.is_signed(theirs.seen[0], new)

    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        publish()
        relay()
    assert not theirs.is_signed(theirs.seen[1], old)
    assert theirs.is_signed(theirs.seen[1], new)


@pytest.mark.parametrize(
    "fault",
    [Answer(Reply(status)) for status in (301, 302, 307, 400, 401, 403, 404, 500, 502, 503)]
    + [ResetAfter(), Answer(Reply(429, b"", {"Retry-After": "120"}))],
)
def test_whatever_is_not_accepted_is_tried_again_by_the_schedule(endpoint, theirs, publish, fault):
    theirs.misbehave(fault)
    publish()
    relay()
    [call] = webhooks.log_of(endpoint)
    assert (call.state, len(theirs.seen)) == (Call.State.WAITING, 1)
    assert fresh(endpoint).failing_since is not None or call.last_kind == "throttled"

    with time_machine.travel(call.due_at + timedelta(seconds=1)):
        link().client.flushdb()
        relay()

    assert Call.objects.get(pk=call.pk).state == Call.State.DONE
    assert fresh(endpoint).failing_since is None
    ids = {seen.headers["webhook-id"] for seen in theirs.seen}
    assert (len(theirs.seen), len(ids)) == (2, 1)


def test_a_redirect_is_not_followed(endpoint, theirs, publish):
    theirs.misbehave(Answer(Reply(302, b"", {"Location": f"{theirs.url}/elsewhere"})))
    publish()
    relay()

    assert [seen.path for seen in theirs.seen] == ["/hooks/bellwether"]


def test_an_endpoint_that_is_gone_is_switched_off_and_its_messages_are_held(endpoint, theirs, publish, actor):
    theirs.misbehave(Answer(Reply(410)))
    publish()
    relay()

    assert fresh(endpoint).connection.state == Connection.State.SWITCHED_OFF
    assert "gone" in fresh(endpoint).connection.state_reason
    call = webhooks.log_of(endpoint)[-1]
    assert call.state == Call.State.HELD

    webhooks.turn_on(actor, fresh(endpoint), now=timezone.now())
    relay()
    assert Call.objects.get(pk=call.pk).state == Call.State.DONE


def test_five_days_of_failure_switch_it_off(endpoint, theirs, publish, actor):
    theirs.misbehave(Answer(Reply(500)), times=2)
    publish()
    relay()
    with time_machine.travel(timezone.now() + timedelta(days=4, hours=23)):
        publish()
        relay()
        assert fresh(endpoint).is_on
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=5, minutes=1))
    theirs.misbehave(Answer(Reply(500)))
    publish()
    relay()

    assert fresh(endpoint).connection.state_reason == "Nothing was accepted for five days."


def test_a_slow_endpoint_is_cut_off(endpoint, theirs, publish, monkeypatch):
    monkeypatch.setattr(webhooks, "TIMEOUT_SECONDS", 0.5)
    theirs.misbehave(Drip(0.2))
    publish()
    relay()

    assert webhooks.log_of(endpoint)[0].state == Call.State.WAITING


def test_a_message_of_the_log_is_sent_again_with_the_same_id(endpoint, theirs, publish, actor):
    publish()
    relay()
    [call] = webhooks.log_of(endpoint)

    again = webhooks.redeliver(actor, endpoint, call.public_id, now=timezone.now())
    relay()

    assert again.pk != call.pk
    first, second = theirs.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert AuditEntry.objects.filter(deed="webhook.redelivered").count() == 1


def test_deleting_one_with_very_many_messages_that_wait_costs_few_queries(
    endpoint, actor, django_assert_max_num_queries
):
    now = timezone.now()
    for number in range(30):
        webhooks._enqueue(endpoint, f"evt_{number}", f"evt_{number}", "{}", now=now)

    with django_assert_max_num_queries(25):
        webhooks.delete(actor, endpoint, now=now)

    calls = Call.objects.all()
    assert {(call.state, call.due_at, call.payload_sealed) for call in calls} == {("cancelled", None, None)}
    assert [fault for call in calls for fault in trail.faults(call.stream)] == []
    assert AuditEntry.objects.get(deed="webhook.deleted").after == {"cancelled": 30}
    assert OutboxEvent.objects.filter(name=CallSettled.name).count() == 30


def test_what_is_deleted_is_told_nothing_more(endpoint, theirs, publish, actor):
    theirs.misbehave(Answer(Reply(500)))
    publish()
    webhooks.delete(actor, endpoint, now=timezone.now())
    publish()
    relay()

    assert len(theirs.seen) == 1
    assert [call.state for call in webhooks.log_of(endpoint)] == [Call.State.CANCELLED]
    assert webhooks.endpoints().count() == 0
    assert Connection.objects.get(pk=endpoint.connection_id).credentials_sealed is None


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/x",
        "https://",
        "https:///x",
        "ftp://shop.example.com",
        "https://user:secret@shop.example.com/",
        "https://shop.example.com:99999/",
        "https://shop.example.com/\r\nHost: x",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_address_that_cannot_be_one_is_refused(actor, url):
    with pytest.raises(Invalid):
        webhooks.create(actor, url=url, event_names=["*"], now=NOW)


@pytest.mark.parametrize("names", [[], ["no.such.event"]])
def test_events_that_are_none_are_refused(actor, names):
    with pytest.raises(Invalid):
        webhooks.create(actor, url=URL, event_names=names, now=NOW)


@pytest.mark.parametrize("address", [one for one in BAD if "." not in one or one[0].isdigit() or ":" in one])
def test_no_address_inside_is_reached(actor, settings, publish, address, monkeypatch):
    """Written as it is, and as what a name stands for at the moment of sending."""
    settings.INTEGRATION_URLS = {}
    reached = []
    monkeypatch.setattr(
        socket, "create_connection", lambda target, *a, **k: reached.append(target)
    )  # the network, not our code
    host = f"[{address}]" if ":" in address else address
    endpoint, _ = webhooks.create(actor, url=f"https://{host}/x", event_names=["*"], now=timezone.now())
    publish()
    relay()

    assert reached == []
    assert not fresh(endpoint).is_on
    with pytest.raises(addresses.NotPublic):
        addresses.pinned("rebound.example.com", 443, resolver=lambda host, port: ["93.184.215.14", address])


def test_numbers_that_stand_for_this_machine_are_not_reached(actor, settings, publish):
    settings.INTEGRATION_URLS = {}
    with Webhook() as inside:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::1]", "[::]"):
            webhooks.create(
                actor, url=f"https://{host}:{inside.port}/x", event_names=["*"], now=timezone.now()
            )
        publish()
        relay()

        assert inside.seen == []


# Pages and API


def test_the_pages_walk_through_a_life(page, theirs, publish):
    assert "No system of yours" in page.get("/integrations/webhooks/").content.decode()
    answer = page.post("/integrations/webhooks/", {"url": URL})
    assert answer.status_code == 201
    assert "whsec_" in answer.content.decode()
    endpoint = webhooks.endpoints().get()
    base = f"/integrations/webhooks/{endpoint.public_id}/"

    page.post(f"{base}test/")
    relay()
    shown = page.get(base).content.decode()
    assert "Send again" in shown
    assert "whsec_" not in shown
    publish()
    relay()
    call = webhooks.log_of(endpoint)[0]
    page.post(f"{base}redeliver/{call.public_id}/")
    relay()
    assert len(theirs.seen) == 3
    assert "whsec_" in page.post(f"{base}rotate/").content.decode()
    theirs.misbehave(Answer(Reply(410)))
    page.post(f"{base}test/")
    relay()
    assert "is switched off" in page.get(base).content.decode()
    assert "is switched off" in page.get("/integrations/webhooks/").content.decode()
    page.post(f"{base}turn-on/")
    assert fresh(endpoint).is_on
    page.post(f"{base}delete/")
    assert page.get(base).status_code == 404


def test_a_bad_address_is_told_at_its_field(page):
    answer = page.post("/integrations/webhooks/", {"url": "http://x"})

    assert answer.status_code == 400
    assert "begins with https://" in answer.content.decode()


def test_the_api_does_the_same(api, theirs, publish):
    base = "/api/v1/integrations/webhooks"
    made = api.post(base, {"url": URL, "event_names": ["*"]}, format="json")
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    one = f"{base}/{made.json()['webhook']['id']}"
    assert "secret" not in json.dumps(api.get(base).json())
    assert api.get(one).json()["state"] == "connected"
    assert api.post(f"{one}/test").status_code == 202
    publish()
    relay()
    messages = api.get(f"{one}/messages").json()
    assert [message["state"] for message in messages] == ["done", "done"]
    assert api.post(f"{one}/messages/{messages[0]['id']}/redeliver").status_code == 202
    assert api.post(f"{one}/messages/{messages[1]['id']}/redeliver").status_code == 409
    assert api.post(f"{one}/rotate").json()["secret"] != made.json()["secret"]
    assert api.post(f"{one}/turn-on").status_code == 200
    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == 404


def test_a_webhook_is_told_of_incidents_as_events_and_is_no_alert_channel(workspace, actor, now):
    webhooks.create(actor, url="https://example.com/hook", event_names=["*"], now=now)

    opened = incidents.open_(key="rule:x", title="Calls fail", detail="", severity="critical", now=now)

    assert opened.tier == 1
    assert self_test.run() == 0
    assert status.proven() == []
