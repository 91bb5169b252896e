"""Slack's whole story over HTTP: a webhook's plain words, a bot that edits its message, a button."""

import json

import pytest

from apps.integrations import connections, errors
from apps.integrations.connectors.alerts import slack
from apps.integrations.connectors.alerts.alert import Alert
from apps.integrations.models import Call
from apps.integrations.monitoring import incidents
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes.server import Answer, NotJson, Reply, ResetAfter, ResetBefore, json_reply, text_reply
from tests.fakes.slack import BOT, HOOK, Slack
from tests.integrations.alerts.conftest import ID, alert, relayed

URL = f"https://hooks.slack.com{HOOK}"


@pytest.fixture
def fake(settings):
    with Slack() as one:
        settings.INTEGRATION_URLS = {"slack": one.url}
        settings.SITE_URL = "https://bellwether.example"
        yield one


@pytest.fixture
def hooked(client_of, fake):
    return client_of("slack", {"webhook_url": URL})


@pytest.fixture
def bot(client_of, fake):
    return client_of("slack", {"bot_token": BOT, "signing_secret": "s"}, channel="C0001")


def test_an_alert_as_it_goes_over_the_wire(hooked, fake):
    assert slack.tell(hooked, alert(), None).outcome.kind == Kind.OK

    sent = fake.seen[0]
    assert sent.raw.startswith(b"POST /services/T0001/B0001/hook-secret HTTP/1.1\r\n")
    assert sent.headers["content-type"] == "application/json"
    assert "authorization" not in sent.headers
    link = f"https://bellwether.example/integrations/incidents/{ID}/"
    # Written by hand from the documentation: text for the notification, at most 50 blocks.
    assert sent.body.decode() == (
        '{"text":"Critical: Calls fail. Mean of calls.success is 0.5, below 0.9.",'
        '"blocks":[{"type":"section","text":{"type":"mrkdwn",'
        '"text":"*Critical: Calls fail*\\nMean of calls.success is 0.5, below 0.9."}},'
        '{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Open it"},'
        f'"url":"{link}"}}]}},'
        f'{{"type":"context","elements":[{{"type":"mrkdwn","text":"mg:{ID}"}}]}}],"unfurl_links":false}}'
    )


def test_signs_of_markup_are_words(hooked, fake):
    slack.tell(hooked, alert(title="<!channel> & co"), None)

    assert fake.seen[0].json["text"].startswith("Critical: &lt;!channel&gt; &amp; co")


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/services/x", "https://hooks.slack.com.evil.example/x", "file:///etc/passwd"],
)
def test_a_webhook_that_is_not_slacks_is_not_asked(client_of, fake, url):
    outcome = slack.tell(client_of("slack", {"webhook_url": url}), alert(), None).outcome

    assert (outcome.kind, outcome.was_sent) == (Kind.PERMANENT_CONFIG, False)
    assert fake.seen == []


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, "invalid_payload", Kind.PERMANENT_DATA),
        (400, "no_text", Kind.PERMANENT_DATA),
        (400, "something_new", Kind.PERMANENT_DATA),
        (403, "action_prohibited", Kind.PERMANENT_CONFIG),
        (403, "invalid_token", Kind.PERMANENT_CONFIG),
        (404, "channel_not_found", Kind.PERMANENT_CONFIG),
        (404, "no_service", Kind.PERMANENT_CONFIG),
        (410, "channel_is_archived", Kind.PERMANENT_CONFIG),
        (500, "rollup_error", Kind.UNKNOWN),
        (503, "", Kind.RETRYABLE),
        (200, "surprise", Kind.UNKNOWN),
    ],
)
def test_each_plain_word_of_a_webhook(hooked, fake, status, word, kind):
    fake.misbehave(Answer(text_reply(word, status=status)), times=3)

    assert slack.tell(hooked, alert(), None).outcome.kind == kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("invalid_auth", Kind.AUTH_EXPIRED),
        ("token_revoked", Kind.AUTH_EXPIRED),
        ("channel_not_found", Kind.PERMANENT_CONFIG),
        ("is_archived", Kind.PERMANENT_CONFIG),
        ("msg_too_long", Kind.PERMANENT_DATA),
        ("ratelimited", Kind.THROTTLED),
    ],
)
def test_each_error_of_a_bot_comes_with_status_200(bot, fake, word, kind):
    fake.misbehave(Answer(json_reply({"ok": False, "error": word})), times=3)

    assert slack.tell(bot, alert(), None).outcome.kind == kind


def test_a_throttle_waits_as_long_as_slack_says(hooked, fake):
    fake.misbehave(Answer(Reply(429, b"", {"Retry-After": "30"})))

    outcome = slack.tell(hooked, alert(), None).outcome

    assert (outcome.kind, outcome.retry_after_seconds) == (Kind.THROTTLED, 30.0)
    assert len(fake.seen) == 1


def test_faults_of_the_line(hooked, fake):
    fake.misbehave(ResetBefore(), times=1)
    assert slack.tell(hooked, alert(), None).outcome.kind == Kind.UNKNOWN
    fake.misbehave(NotJson())
    assert slack.tell(hooked, alert(), None).outcome.kind == Kind.UNKNOWN


def test_a_bot_edits_its_message_when_it_is_over(bot, fake, opened, actor):
    incident = opened()
    assert relayed() == [("slack", "done")]
    assert Call.objects.get().reference == "C0001:1700000000.000001"

    incidents.resolve_by_hand(actor, incident, why="", now=NOW)
    relayed()

    [message] = fake.messages.values()
    assert message["text"] == "Resolved: Calls fail. Half of them."
    assert [one.path for one in fake.seen] == ["/api/chat.postMessage", "/api/chat.update"]
    assert fake.seen[0].headers["authorization"] == "Bearer xoxb-token"


def test_a_signing_secret_gives_a_button(bot, fake):
    slack.tell(bot, alert(), None)

    button = fake.seen[0].json["blocks"][1]["elements"][0]
    assert (button["action_id"], button["value"]) == ("bellwether_acknowledge", f"mg:{ID}")


def test_an_alert_of_unknown_fate_is_sent_again(hooked, fake, opened):
    fake.misbehave(ResetAfter())
    opened()
    assert relayed() == [("slack", "waiting")]

    Call.objects.update(due_at=NOW)
    assert relayed() == [("slack", "done")]
    assert len(fake.messages) == 2


def test_the_test_button_sends_a_test_and_takes_it_back(hooked, fake, actor):
    said = connections.test(actor, hooked.connection, now=NOW)

    assert said == "A test alert was sent and taken back."
    assert [json.loads(one.body)["text"].split(":")[0] for one in fake.seen] == ["Info", "Resolved"]


def test_the_test_button_says_what_is_wrong(hooked, fake, actor):
    fake.misbehave(Answer(text_reply("no_service", status=404)))

    with pytest.raises(errors.Refused, match="no_service"):
        connections.test(actor, hooked.connection, now=NOW)


def test_a_payload_of_before_still_reads():
    assert Alert.of({"deed": "trigger", "key": "mg:x", "title": "t", "severity": "info"}).tier == 1
