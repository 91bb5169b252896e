"""Pages and API of incidents, rules and status, as somebody who is woken uses them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import AuditEntry
from apps.integrations import metrics, outbox, sealed_json
from apps.integrations.models import AlertRule, Call, Connection, MetricPoint
from apps.integrations.monitoring import alert_channels, health, incidents, rules, self_test, status
from tests import factories
from tests.conftest import api_client
from tests.factories import NOW
from tests.fakes.server import Answer, Fake, Reply, route, text_reply
from tests.fakes.slack import HOOK, Slack
from tests.fakes.twilio import ACCOUNT, TOKEN, TwilioCalls

API = "/api/v1/integrations"


@pytest.fixture
def incident(workspace):
    return incidents.open_(
        key="rule:x", title="Calls fail", detail="Half of them.", severity="critical", now=timezone.now()
    )


def text_of(answer):
    return " ".join(answer.content.decode().replace("<em>", "").replace("</em>", "").split())


def connect(workspace, service="slack", **secrets):
    connection = Connection(workspace=workspace, service=service, label=service, state_changed_at=NOW)
    connection.account = ACCOUNT if service.startswith("twilio") else ""
    connection.options = {"to_number": "+447700900123", "from_number": "+15005550006"}
    sealed_json.put(connection, "credentials_sealed", secrets)
    connection.save()
    return connection


def count(service, *, at, calls, failures, seconds=0.2):
    """Figures of an hour, as the roll-up leaves them."""
    for name, good, bad in (("calls.success", 1.0, 0.0), ("calls.seconds", seconds, seconds)):
        sketch = metrics.Sketch()
        if calls > failures:
            sketch.add(good, calls - failures)
        if failures:
            sketch.add(bad, failures)
        labels = metrics.labels_of(service=service)
        for resolution in MetricPoint.Resolution:
            row = metrics._point(name, labels, metrics._start_of(at, resolution), sketch, resolution)
            MetricPoint.objects.bulk_create([row], ignore_conflicts=True)


def test_nothing_is_wrong(page):
    shown = text_of(page.get("/integrations/incidents/"))

    assert "Nothing is wrong." in shown
    assert "Incidents will stand here." in shown


def test_an_incident_is_taken_and_resolved_on_the_pages(page, incident, owner):
    shown = text_of(page.get("/integrations/incidents/"))
    assert "1 thing is wrong." in shown
    assert "Half of them." in shown
    assert "circle 1 of 3 was told" in shown

    page.post(f"/integrations/incidents/{incident.public_id}/acknowledge/")
    incident.refresh_from_db()
    assert (incident.state, incident.acknowledged_by, incident.escalate_at) == ("acknowledged", owner, None)
    page.post(f"/integrations/incidents/{incident.public_id}/resolve/", {"why": "Fixed."})

    shown = text_of(page.get(f"/integrations/incidents/{incident.public_id}/"))
    assert "Calls fail (over)" in shown
    assert "its chain holds" in shown
    assert [one for one in ("opened", "told", "acknowledged", "resolved", "Fixed.") if one not in shown] == []
    assert "Nothing is wrong." in text_of(page.get("/integrations/incidents/"))
    assert AuditEntry.objects.filter(deed__startswith="incident.").count() == 2


def test_what_is_over_cannot_be_taken(page, incident):
    page.post(f"/integrations/incidents/{incident.public_id}/resolve/")

    answer = page.post(f"/integrations/incidents/{incident.public_id}/acknowledge/", follow=True)
    assert "It is resolved already." in answer.content.decode()


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("analyst", 403), ("operator", 302)])
def test_operators_take_incidents_and_viewers_read_them(client, workspace, incident, role, status):
    client.force_login(factories.member(workspace, role))

    assert client.get(f"/integrations/incidents/{incident.public_id}/").status_code == 200
    address = f"/integrations/incidents/{incident.public_id}/acknowledge/"
    assert client.post(address).status_code == status


def test_rules_are_silenced_and_switched_off_on_their_page(page):
    shown = text_of(page.get("/integrations/rules/"))
    assert f"None of {len(rules.DEFAULTS)} rules holds now." in shown
    assert "no figure" in shown

    page.post("/integrations/rules/calls_failing/", {"silence": "24"})
    rule = AlertRule.objects.get(key="calls_failing")
    assert timedelta(hours=23) < rule.silenced_until - timezone.now() < timedelta(hours=25)
    assert "silent" in text_of(page.get("/integrations/rules/"))
    page.post("/integrations/rules/calls_failing/", {"silence": "0"})
    page.post("/integrations/rules/calls_failing/", {"is_on": "off"})
    rule.refresh_from_db()
    assert (rule.silenced_until, rule.is_on) == (None, False)
    page.post("/integrations/rules/calls_failing/", {"is_on": "on"})
    rule.refresh_from_db()
    assert rule.is_on
    assert page.post("/integrations/rules/calls_failing/", {"silence": "9"}).status_code == 400
    assert page.post("/integrations/rules/nothing/", {"silence": "1"}).status_code == 404
    assert AuditEntry.objects.filter(deed="alert_rule.changed").count() == 4


def test_a_rule_that_holds_is_in_the_first_line(page, workspace):
    rules.listed()
    AlertRule.objects.filter(key="calls_late").update(holds_since=NOW, last_value=1_000)

    shown = text_of(page.get("/integrations/rules/"))
    assert "1 rule of" in shown
    assert ">1,000<" in shown


def test_a_connection_says_where_its_service_reaches_us(page, workspace):
    made = connect(workspace)
    shown = text_of(page.get(f"/integrations/{made.public_id}/"))

    assert f"<code>http://localhost:8000/hooks/slack/{made.public_id}/</code>" in shown
    mail = connect(workspace, "alert_email")
    assert "/hooks/" not in text_of(page.get(f"/integrations/{mail.public_id}/"))


def test_the_status_of_nothing(page):
    shown = text_of(page.get("/integrations/status/"))

    assert "Nothing is connected yet." in shown
    assert "Connect a service" in shown


def test_times_are_told_to_the_millisecond(page, workspace, api):
    connect(workspace)
    count("slack", at=timezone.now() - timedelta(hours=2), calls=10, failures=0, seconds=1 / 3)

    [one] = api.get("/api/v1/integrations/status").json()["services"]

    assert one["day"]["p95"] == round(one["day"]["p95"], 3) == pytest.approx(1 / 3, rel=0.02)
    assert f"95&nbsp;% within {one['day']['p95']:.3f}&nbsp;s" in text_of(page.get("/integrations/status/"))


def test_success_uptime_and_budget_come_from_the_figures(page, workspace):
    connect(workspace)
    now = timezone.now()
    count("slack", at=now - timedelta(hours=30), calls=1_000, failures=0)
    count("slack", at=now - timedelta(hours=2), calls=100, failures=50, seconds=2.0)

    [one] = status.statuses(now=now)

    assert (one.day.calls, one.day.success) == (100, 0.5)
    assert (one.month.calls, round(one.month.success, 4)) == (1_100, 0.9545)
    assert one.day.p95 == pytest.approx(2.0, rel=0.02)
    assert one.uptime == 0.5
    assert one.meets_objective is False
    assert one.spent == pytest.approx(50 / 1_100 / 0.005)
    assert (one.hours_left, one.burn_hour) == (0.0, 0.0)
    assert one.burn_six_hours == pytest.approx(100)
    assert one.ahead == ["What may fail in 30 days has failed."]
    shown = text_of(page.get("/integrations/status/"))
    assert "50.00 %" in shown
    assert "99.5 % missed" in shown


def test_a_budget_that_burns_opens_an_incident(workspace):
    connect(workspace)
    now = timezone.now()
    count("slack", at=now - timedelta(minutes=2), calls=100, failures=50)

    assert status.worst_burn(now=now) == pytest.approx(100)
    health.look()
    assert [one.dedup_key for one in incidents.going_on() if "budget" in one.dedup_key] == [
        "rule:error_budget_burning"
    ]


def test_a_few_failures_are_chance(workspace):
    connect(workspace)
    now = timezone.now()
    count("slack", at=now - timedelta(minutes=2), calls=4, failures=4)

    assert status.worst_burn(now=now) == 0.0


def test_a_sign_in_that_does_not_renew_itself_is_foretold(workspace):
    now = timezone.now()
    ending = connect(workspace, access_token="x")
    ending.credentials_expire_at = now + timedelta(days=5)
    ending.save()
    renewed = connect(workspace, "pagerduty", access_token="x", refresh_token="y")
    renewed.credentials_expire_at = now + timedelta(hours=1)
    renewed.save()

    told = {one.service.key: one.ahead for one in status.statuses(now=now)}
    assert told == {"slack": ["slack: its sign-in ends in 5\xa0days."], "pagerduty": []}
    renewed.refresh_failing_since = now
    renewed.save()
    told = {one.service.key: one.ahead for one in status.statuses(now=now)}
    assert told["pagerduty"] == ["pagerduty: its sign-in ends in 1\xa0hour."]


def test_each_channel_is_tested_once_a_day_and_the_page_says_so(page, workspace, settings):
    connect(workspace, webhook_url=f"https://hooks.slack.com{HOOK}")
    connect(workspace, "twilio_call", auth_token=TOKEN)
    assert "not tested yet" in text_of(page.get("/integrations/status/"))
    with Slack() as slack, TwilioCalls() as twilio:
        settings.INTEGRATION_URLS = {"slack": slack.url, "twilio_call": twilio.url}
        self_test.run()
        self_test.run()
        outbox.relay_critical()
        assert "not yet" in text_of(page.get("/integrations/status/"))
        Call.objects.filter(due_at__isnull=False).update(due_at=timezone.now() - timedelta(seconds=1))
        outbox.relay_critical()

        assert [one.json["text"].split(":")[0] for one in slack.seen] == ["Info", "Resolved"]
        assert [one.method for one in twilio.seen] == ["GET", "GET"]
    assert Call.objects.count() == 4
    assert [one.proof.is_good for one in status.proven()] == [True, True]
    assert not incidents.going_on()


def test_a_channel_that_would_not_get_through_stands_first(page, workspace, settings):
    connect(workspace, webhook_url=f"https://hooks.slack.com{HOOK}")
    with Slack() as slack:
        settings.INTEGRATION_URLS = {"slack": slack.url}
        slack.misbehave(Answer(text_reply("invalid_payload", status=400)), times=2)
        self_test.run()
        Call.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        outbox.relay_critical()

    [one] = status.proven()
    assert (one.proof.is_good, one.proof.said) == (False, "Slack: invalid_payload")
    assert "Slack: invalid_payload" in text_of(page.get("/integrations/status/"))


class Switch(Fake):
    @route("GET", r"/ping")
    def ping(self, request):
        return Reply(200, b"OK")


def test_the_dead_mans_switch_is_told_only_while_rules_are_looked_at(workspace, settings):
    with Switch() as switch:
        assert not self_test.ping()
        settings.DEAD_MAN_URL = f"{switch.url}/ping"
        assert not self_test.ping()
        rules.look(now=timezone.now())
        assert self_test.ping()
        AlertRule.objects.update(looked_at=timezone.now() - timedelta(minutes=6))
        assert not self_test.ping()
        assert len(switch.seen) == 1


def test_a_switch_that_does_not_answer_is_no_error(workspace, settings):
    rules.look(now=timezone.now())
    settings.DEAD_MAN_URL = "http://127.0.0.1:9/"

    assert not self_test.ping()


def test_the_api_tells_the_same(api, workspace, incident):
    connect(workspace)
    [listed] = api.get(f"{API}/incidents?state=open").data
    assert (listed["key"], listed["tier"]) == ("rule:x", 1)
    one = api.get(f"{API}/incidents/{listed['id']}").data
    assert ([step["kind"] for step in one["steps"]], one["faults"]) == (["opened", "told"], [])

    taken = api.post(f"{API}/incidents/{listed['id']}/acknowledge").data
    assert taken["state"] == "acknowledged"
    over = api.post(f"{API}/incidents/{listed['id']}/resolve", {"why": "Fixed."}, format="json").data
    assert over["state"] == "resolved"
    assert api.post(f"{API}/incidents/{listed['id']}/resolve").status_code == 409
    assert len(api.get(f"{API}/rules").data) == len(rules.DEFAULTS)
    body = {"bound": 0.8, "silence_hours": 1, "reason": "noisy"}
    changed = api.patch(f"{API}/rules/calls_failing", body, format="json").data
    assert (changed["bound"], changed["silenced_until"] is not None) == (0.8, True)
    told = api.get(f"{API}/status").data
    assert [one["service"] for one in told["services"]] == ["slack"]
    assert told["channels"] == [{"label": "slack", "proof": None}]


def test_a_key_that_reads_takes_nothing(workspace, incident):
    reader = api_client(workspace, ["read"], NOW)

    assert reader.get(f"{API}/incidents").status_code == 200
    assert reader.post(f"{API}/incidents/{incident.public_id}/acknowledge").status_code == 403


def test_an_incident_that_nobody_takes_reaches_all_three_circles(workspace, incident):
    for _ in range(3):
        incident.refresh_from_db()
        if incident.escalate_at:
            type(incident).objects.update(escalate_at=timezone.now() - timedelta(seconds=1))
            incidents.escalate(incident_id=incident.pk)
    incident.refresh_from_db()

    assert (incident.tier, incident.escalate_at) == (3, None)
    assert alert_channels.incident_of(f"mg:{incident.public_id}") == incident
