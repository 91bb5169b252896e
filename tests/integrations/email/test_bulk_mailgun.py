"""What Mailgun had of a batch whose answers were lost: its events, as documented, and whatever goes wrong."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations import bulk_mail
from apps.integrations.bulk_mail import Envelope, Fate, Letter, Parting
from tests.fakes.server import (
    Answer,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Truncated,
    json_reply,
    text_reply,
)

ENVELOPE = Envelope("hello@studio.example", "The Studio <hello@studio.example>", "", "text/plain", ())
EVENTS = "/v3/mg.studio.example/events"


class Words:
    subject, html, text, mime = "Your gallery", b"", b"It is ready.", b"It is ready.\r\n"


def letter(token):
    return Letter(token, f"{token}@example.com", Words(), ())


def ids(*tokens):
    return [bulk_mail.message_id(ENVELOPE.sender, one) for one in tokens]


@pytest.fixture
def door(at_mailgun):
    found = bulk_mail.recalling(bulk_mail.door_of(at_mailgun.pk))
    assert found is not None
    return found


@pytest.fixture
def send(door):
    def send(*tokens):
        answer = door.send(
            ENVELOPE, [letter(one) for one in tokens], key="k", parting=Parting(lambda key: True)
        )
        return [one.fate for one in answer.value or []]

    return send


@pytest.fixture
def fates(door):
    """What it is said to have had, asked so many minutes after it was sent."""

    def fates(*tokens, minutes=11):
        now = timezone.now()
        answer = door.look_up(ids(*tokens), asked_at=now - timedelta(minutes=minutes), now=now)
        return [one.fate for one in answer.value or []]

    return fates


def test_the_request_as_it_goes_over_the_wire(fates, mailgun):
    fates("tok-A_1")

    [asked] = mailgun.asked("GET", EVENTS)
    assert asked.raw.startswith(
        b"GET /v3/mg.studio.example/events?message-id=tok-A_1%40studio.example&limit=100 HTTP/1.1\r\n"
    )
    assert asked.headers["authorization"] == "Basic YXBpOmtleS0zYXg2eG5qcDI5amQ2ZmRzNGdjMzczc2d2anh0ZW9sMA=="
    assert asked.body == b""


# Written by hand, in the shape of the events that the reference documents.
DOCUMENTED = {
    "items": [
        {
            "event": "accepted",
            "id": "ncV2XwymRUKbPek_MIM-Gw",
            "timestamp": 1377211256.096436,
            "tags": [],
            "envelope": {"sender": "hello@studio.example", "transport": "smtp", "targets": "a@example.com"},
            "flags": {"is-authenticated": False, "is-test-mode": False},
            "message": {
                "headers": {
                    "to": "a@example.com",
                    "message-id": "a@studio.example",
                    "from": "The Studio <hello@studio.example>",
                    "subject": "Your gallery",
                },
                "attachments": [],
                "size": 6021,
            },
            "recipient": "a@example.com",
            "method": "http",
            "user-variables": {"message": "a"},
        }
    ],
    "paging": {
        "next": "https://api.mailgun.net/v3/mg.studio.example/events/W3siYiI6ICIy",
        "previous": "https://api.mailgun.net/v3/mg.studio.example/events/W3siYiI6",
    },
}


def test_what_the_documented_answer_names_was_had_and_nothing_else(fates, mailgun):
    mailgun.misbehave(Answer(json_reply(DOCUMENTED)), times=2)

    assert fates("a", "b") == [Fate.ACCEPTED, Fate.UNSENT]


def test_an_accepted_message_has_the_id_that_its_news_will_name(door, send):
    send("a")

    now = timezone.now()
    answer = door.look_up(ids("a"), asked_at=now, now=now)

    assert [one.provider_id for one in answer.value] == ["<a@studio.example>"]


@pytest.mark.parametrize("fault", [ResetAfter(), Truncated(), NotJson(), Answer(Reply(502), is_applied=True)])
def test_what_it_took_and_did_not_say_is_known_from_its_events(send, fates, mailgun, fault):
    mailgun.misbehave(fault)
    assert send("a", "b")[0] == Fate.UNKNOWN

    assert fates("a", "b") == [Fate.ACCEPTED, Fate.UNSENT]


def test_what_it_never_took_is_unsent_once_its_events_are_settled(send, fates, mailgun):
    mailgun.misbehave(ResetBefore())
    assert send("a")[0] == Fate.UNKNOWN

    assert fates("a", minutes=9) == [Fate.UNKNOWN]
    assert fates("a", minutes=11) == [Fate.UNSENT]


def test_events_that_come_late_are_waited_for(send, fates, mailgun):
    mailgun.lag_seconds = 300
    send("a")

    assert fates("a", minutes=1) == [Fate.UNKNOWN]
    mailgun.lag_seconds = 0
    assert fates("a", minutes=6) == [Fate.ACCEPTED]


def test_after_a_day_no_event_says_nothing(fates):
    assert fates("a", minutes=25 * 60) == [Fate.UNKNOWN]


@pytest.mark.parametrize(
    "fault",
    [
        ResetBefore(),
        Truncated(),
        NotJson(),
        Answer(Reply(503, b"{}")),
        Answer(text_reply("Forbidden", status=401)),
        Answer(json_reply({"message": "This key may only send."}, status=403)),
        Answer(text_reply("Mailgun Magnificent API")),
        Answer(json_reply({"message": "no items"})),
        Answer(json_reply({"items": "none", "paging": {}})),
        Answer(json_reply({"items": [None, "x"], "paging": {}})),
    ],
)
def test_an_answer_that_says_nothing_leaves_all_of_them_unknown(send, fates, mailgun, fault):
    send("a", "b")
    mailgun.misbehave(fault, times=9, path=EVENTS)

    assert fates("a", "b") == [Fate.UNKNOWN, Fate.UNKNOWN]


def test_what_was_told_before_it_fell_silent_counts(send, fates, mailgun):
    send("a", "b")
    mailgun.misbehave(Answer(json_reply(DOCUMENTED)), path=EVENTS)
    mailgun.misbehave(Answer(Reply(500)), times=9, path=EVENTS)

    assert fates("a", "b") == [Fate.ACCEPTED, Fate.UNKNOWN]


def test_a_key_for_sending_alone_says_that_it_cannot_tell(door, mailgun):
    mailgun.misbehave(Answer(json_reply({"message": "Forbidden"}, status=403)), times=9, path=EVENTS)

    now = timezone.now()
    answer = door.look_up(ids("a"), asked_at=now, now=now)

    assert bulk_mail.needs_a_person(answer.outcome)


def test_the_others_are_not_asked_what_they_had(at_resend, at_smtp):
    assert bulk_mail.recalling(bulk_mail.door_of(at_resend.pk)) is None
    assert bulk_mail.recalling(bulk_mail.door_of(at_smtp.pk)) is None


def test_the_message_in_the_form_has_the_id_that_is_asked_for(send, mailgun):
    send("a")

    [whole] = mailgun.mime
    assert b"\r\nMessage-ID: <a@studio.example>\r\n" in whole
