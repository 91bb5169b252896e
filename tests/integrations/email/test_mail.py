"""Who is asked next, for each thing that can become of a message; and never two for one."""

from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry
from apps.integrations import call_retention, connections, mail, mail_route, outbox, sealed_json, trail
from apps.integrations.client import Client
from apps.integrations.connectors.email.providers import provider
from apps.integrations.models import Call, Connection, EmailDelivery, Suppression
from apps.integrations.resilience.lanes import Lane, WeddingDay
from tests.fakes.resend import error
from tests.fakes.server import Answer, Drip, NotJson, Reply, ResetAfter, ResetBefore, Truncated, text_reply
from tests.integrations.email.conftest import call_of

S = EmailDelivery.State


def counts(fakes):
    resend, mailgun, smtp = fakes
    return len(resend.sent), len(mailgun.sent), len(smtp.taken)


def fresh(connection):
    return Connection.objects.get(pk=connection.pk)


def later(minutes=16):
    return time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=True)


def test_the_first_provider_takes_it_and_nobody_else_is_asked(write, providers, fakes):
    delivery = write()

    assert (delivery.state, delivery.provider) == (S.ACCEPTED, "resend")
    assert call_of(delivery).state == Call.State.DONE
    assert counts(fakes) == (1, 0, 0)


def test_a_message_to_resend_as_it_goes_over_the_wire(write, providers, resend):
    delivery = write()

    [sent] = resend.asked("POST", "/emails")
    assert sent.raw.startswith(b"POST /emails HTTP/1.1\r\n")
    assert sent.headers["idempotency-key"] == delivery.key
    assert sent.headers["authorization"] == "Bearer re_123456789"
    # Written by hand from the documentation.
    assert sent.body == (
        b'{"from":"The Studio <hello@studio.example>","to":["ada@example.com"],"subject":"Your gallery",'
        b'"text":"It is ready.","html":"<p>It is ready.</p>","headers":{"Message-ID":"<'
        + delivery.key.encode()
        + b'@studio.example>"},"tags":[{"name":"delivery","value":"'
        + delivery.key.encode()
        + b'"}]}'
    )


def test_a_message_to_mailgun_as_it_goes_over_the_wire(write, sender, at_mailgun, mailgun):
    delivery = write(html="")

    [sent] = mailgun.asked("POST", ".*/messages")
    key = delivery.key
    fields = [
        ("from", "The Studio <hello@studio.example>"),
        ("to", "ada@example.com"),
        ("subject", "Your gallery"),
        ("text", "It is ready."),
        ("h:Message-Id", f"<{key}@studio.example>"),
        ("v:delivery", key),
        ("o:tracking", "no"),
    ]
    parts = [
        f'--{key}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    assert sent.raw.startswith(b"POST /v3/mg.studio.example/messages HTTP/1.1\r\n")
    assert sent.body.decode() == "".join(parts) + f"--{key}--\r\n"
    # printf %s api:key-3ax6xnjp29jd6fds4gc373sgvjxteol0 | base64
    assert sent.headers["authorization"] == "Basic YXBpOmtleS0zYXg2eG5qcDI5amQ2ZmRzNGdjMzczc2d2anh0ZW9sMA=="


def test_a_message_over_smtp(write, sender, at_smtp, smtp):
    delivery = write()

    [envelope] = smtp.taken
    assert (delivery.state, delivery.provider, envelope.rcpt_tos) == (S.ACCEPTED, "smtp", ["ada@example.com"])
    content = envelope.content.decode()
    assert f"Message-ID: <{delivery.key}@studio.example>\r\n" in content
    assert "From: The Studio <hello@studio.example>\r\n" in content
    assert "Content-Type: multipart/alternative" in content


@pytest.mark.parametrize(
    "fault",
    [
        Reply(503),
        error(401, "missing_api_key"),
        error(403, "invalid_api_key"),
        error(403, "validation_error", "The domain is not verified."),
        error(429, "daily_quota_exceeded"),
        error(429, "monthly_quota_exceeded"),
        error(451, "security_error"),
        error(404, "not_found"),
    ],
)
def test_what_was_not_accepted_goes_to_the_next_provider_at_once(write, providers, resend, fakes, fault):
    resend.misbehave(Answer(fault), times=3)

    delivery = write()

    assert (delivery.state, delivery.provider) == (S.ACCEPTED, "mailgun")
    assert counts(fakes) == (0, 1, 0)
    assert not delivery.is_possible_duplicate


def test_a_key_that_is_refused_stops_its_connection_and_not_the_sender(write, providers, resend, sender):
    resend.misbehave(Answer(error(403, "invalid_api_key")))

    write()

    assert fresh(providers[0]).state == Connection.State.NEEDS_SIGN_IN
    assert fresh(sender).is_usable


def test_a_provider_that_nobody_reaches(write, providers, fakes, settings):
    settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "resend": "http://127.0.0.1:9"}

    assert write().provider == "mailgun"
    assert counts(fakes) == (0, 1, 0)


@pytest.mark.parametrize(
    "fault",
    [
        Answer(Reply(500), is_applied=True),
        Answer(Reply(502), is_applied=True),
        Answer(Reply(504), is_applied=True),
        Answer(Reply(524), is_applied=True),
        ResetBefore(),
        ResetAfter(),
        Truncated(),
        NotJson(),
    ],
)
def test_an_unknown_fate_at_resend_is_settled_there_with_the_same_key(write, providers, resend, fakes, fault):
    resend.misbehave(fault)

    delivery = write()

    assert (delivery.state, delivery.provider) == (S.ACCEPTED, "resend")
    assert counts(fakes) == (1, 0, 0)
    assert len({one.headers["idempotency-key"] for one in resend.asked("POST", "/emails")}) == 1


def test_a_fate_that_stays_unknown_waits_and_is_settled_later_with_the_same_key(
    write, providers, resend, fakes
):
    resend.misbehave(ResetAfter(), times=3)

    delivery = write()

    assert (delivery.state, delivery.provider) == (S.ASKED, "resend")
    assert call_of(delivery).state == Call.State.UNKNOWN
    resend.behave()
    with later():
        outbox.relay(lane=int(Lane.TRANSACTIONAL))
    delivery.refresh_from_db()
    assert (delivery.state, call_of(delivery).state) == (S.ACCEPTED, Call.State.DONE)
    assert counts(fakes) == (1, 0, 0)


@pytest.mark.parametrize(
    "second", [error(429, "daily_quota_exceeded"), error(403, "invalid_api_key"), Reply(503)]
)
def test_a_later_refusal_does_not_make_an_earlier_fate_known(write, providers, resend, fakes, second):
    resend.misbehave(ResetAfter())
    resend.misbehave(Answer(second), times=2)

    delivery = write()

    assert (delivery.state, delivery.provider) == (S.ASKED, "resend")
    assert counts(fakes) == (1, 0, 0)


def test_after_a_day_the_key_is_not_used_again(write, providers, resend, fakes):
    resend.misbehave(ResetAfter(), times=3)
    delivery = write()
    asked = len(resend.asked("POST", "/emails"))

    with later(60 * 25):
        outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert len(resend.asked("POST", "/emails")) == asked
    assert (call_of(delivery).state, counts(fakes)) == (Call.State.UNKNOWN, (1, 0, 0))


@pytest.mark.parametrize("fault", [ResetAfter(), Answer(Reply(500), is_applied=True), NotJson(), Truncated()])
def test_an_unknown_fate_at_mailgun_is_looked_up_before_anything_else(
    write, sender, at_mailgun, at_smtp, mailgun, fakes, fault
):
    mailgun.misbehave(fault)

    delivery = write()

    assert (delivery.state, len(mailgun.asked("POST", ".*"))) == (S.ASKED, 1)
    with later():
        outbox.relay(lane=int(Lane.TRANSACTIONAL))
    delivery.refresh_from_db()
    assert (delivery.state, counts(fakes)) == (S.ACCEPTED, (0, 1, 0))


def test_what_mailgun_never_took_is_sent_after_the_look_up(
    write, sender, at_mailgun, at_smtp, mailgun, fakes
):
    mailgun.misbehave(ResetBefore())
    write()

    with later():
        outbox.relay(lane=int(Lane.TRANSACTIONAL))
        outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert counts(fakes) == (0, 1, 0)


def test_content_without_an_answer_at_smtp_is_not_sent_again(write, sender, at_smtp, smtp, fakes):
    smtp.hangs_up = 1

    delivery = write()
    with later():
        outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert (call_of(delivery).state, counts(fakes)) == (Call.State.UNKNOWN, (0, 0, 1))


def test_a_worker_that_died_leaves_a_message_whose_provider_is_asked_first(write, providers, resend, fakes):
    delivery = write(is_sent=False)
    [claimed] = outbox.claim(lane=int(Lane.TRANSACTIONAL), now=timezone.now())
    due = outbox.Due(claimed, sealed_json.get(claimed, "payload_sealed"))
    mail_route.perform(Client(claimed.connection), [due])  # and no settle: the worker died here

    with later(3):
        outbox.relay(lane=int(Lane.TRANSACTIONAL))
    with later(20):
        outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert (call_of(delivery).state, counts(fakes)) == (Call.State.DONE, (1, 0, 0))


@pytest.fixture
def wedding_day(settings):
    settings.WEDDING_DAY_TEMPLATES = frozenset({"timeline"})
    return {
        "template": "timeline",
        "wedding_day": WeddingDay(
            event_on=timezone.now().date(), zone=ZoneInfo("Europe/London"), template="timeline"
        ),
    }


def test_a_wedding_day_message_goes_elsewhere_marked_and_audited(
    write, providers, resend, fakes, wedding_day
):
    resend.misbehave(ResetAfter(), times=3)

    delivery = write(**wedding_day)

    assert (delivery.provider, delivery.is_possible_duplicate) == ("mailgun", True)
    assert call_of(delivery).is_possible_duplicate
    assert counts(fakes) == (1, 1, 0)
    [entry] = AuditEntry.objects.filter(deed="mail.possible_duplicate")
    assert entry.after["asked_next"] == "mailgun"


@pytest.mark.parametrize("change", [{"template": "newsletter"}, {"days": 30}])
def test_neither_another_template_nor_another_day_may_risk_a_duplicate(
    write, providers, resend, fakes, wedding_day, change
):
    resend.misbehave(ResetAfter(), times=3)
    day = wedding_day["wedding_day"]
    template = change.get("template", "timeline")
    on = day.event_on + timedelta(days=change.get("days", 0))

    write(template=template, wedding_day=WeddingDay(event_on=on, zone=day.zone, template=template))

    assert counts(fakes) == (1, 0, 0)


def test_a_provider_that_asks_for_patience_is_waited_for_but_on_a_wedding_day(
    write, providers, resend, fakes, wedding_day
):
    resend.misbehave(Answer(error(429, "rate_limit_exceeded", headers={"retry-after": "30"})))

    assert call_of(write()).state == Call.State.WAITING
    assert counts(fakes) == (0, 0, 0)
    assert write(dedup_key="gallery-2", **wedding_day).provider == "mailgun"


@pytest.mark.parametrize("of", ["resend", "mailgun", "smtp"])
def test_an_address_that_nobody_can_write_to_goes_on_the_list_of_all(
    write, workspace, sender, fakes, request, of
):
    request.getfixturevalue(f"at_{of}")
    resend, mailgun, smtp = fakes
    resend.misbehave(Answer(error(422, "validation_error", "Invalid `to` field.")))
    mailgun.misbehave(Answer(Reply(400, b'{"message": "to parameter is not a valid address."}')))
    smtp.answers["RCPT"] = ["550 5.1.1 No such user"]

    delivery = write()

    assert (delivery.state, call_of(delivery).state) == (S.REFUSED, Call.State.DEAD)
    assert Suppression.objects.get().reason == "invalid"
    again = write(" ADA@example.com", dedup_key="gallery-2")
    assert (again.state, again.call_id, counts(fakes)) == (S.SUPPRESSED, None, (0, 0, 0))


def test_a_refused_address_is_not_tried_elsewhere(write, providers, resend, fakes):
    resend.misbehave(Answer(error(422, "validation_error", "Invalid `to` field.")))

    write()

    assert counts(fakes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", "451 4.7.1 Greylisted", Call.State.WAITING),
        ("MAIL", "421 Busy", Call.State.WAITING),
        ("DATA", "452 Full", Call.State.WAITING),
        ("DATA", "554 Spam", Call.State.DEAD),
        ("MAIL", "550 Not your address", Call.State.HELD),
    ],
)
def test_what_an_smtp_server_answers(write, sender, at_smtp, smtp, command, answer, state):
    smtp.answers[command] = [answer] * 3

    assert call_of(write()).state == state
    assert smtp.taken == []


def test_a_wrong_password_at_smtp(write, workspace, sender, at_smtp, smtp):
    at_smtp.options = {"username": "somebody"}
    at_smtp.save()

    assert call_of(write()).state == Call.State.HELD
    assert fresh(at_smtp).state == Connection.State.NEEDS_SIGN_IN


def test_mailguns_greeting_is_no_success(write, sender, at_mailgun, at_smtp, mailgun):
    mailgun.misbehave(Answer(text_reply("Mailgun Magnificent API")))

    assert write().provider == "smtp"
    assert fresh(at_mailgun).state == Connection.State.SWITCHED_OFF


def test_europe_has_an_address_of_its_own(workspace, sender, at_mailgun, settings):
    settings.INTEGRATION_URLS = {}
    at_mailgun.options = {"region": "eu"}
    door = provider(Client(at_mailgun))

    assert door.url("/x") == "https://api.eu.mailgun.net/v3/x"


def test_without_a_provider_the_message_is_held_until_a_person_has_seen_to_it(
    write, sender, fakes, workspace, actor, request
):
    delivery = write()
    assert (call_of(delivery).state, fresh(sender).is_usable) == (Call.State.HELD, False)

    request.getfixturevalue("at_resend")
    assert connections.test(actor, fresh(sender), now=timezone.now()) == "Through Resend."
    outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert counts(fakes) == (1, 0, 0)


def test_the_same_deed_twice_is_one_message(write, providers, fakes):
    assert write().pk == write(subject="Changed").pk
    assert counts(fakes) == (1, 0, 0)


def test_each_address_has_a_call_of_its_own(workspace, providers):
    made = mail.send(
        workspace,
        to=["a@example.com", "b@example.com", "a@example.com"],
        subject="x",
        text="x",
        template="t",
        dedup_key="k",
        now=timezone.now(),
    )

    assert Call.objects.count() == len(made) == 2
    assert len({one.message_id for one in made}) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Hello\r\nBcc: eve@example.com"},
        {"headers": {"X-A": "b\r\nBcc: eve@example.com"}},
        {"headers": {"Bcc": "eve@example.com"}},
        {"headers": {"X A": "b"}},
        {"to": "nobody"},
        {"dedup_key": ""},
    ],
)
def test_nothing_breaks_out_of_its_header(write, providers, wrong):
    with pytest.raises(Invalid):
        write(**wrong)

    assert Call.objects.count() == 0


def test_mail_to_many_can_be_refused_with_one_click(write, providers, resend, client):
    write(lane=Lane.MARKETING)
    headers = resend.asked("POST", "/emails")[0].json["headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = headers["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")

    assert client.get(path).status_code == 200
    assert Suppression.objects.count() == 0
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert client.post(path[:-4] + "xxx/").status_code == 404

    assert write(lane=Lane.MARKETING, dedup_key="2").state == S.SUPPRESSED
    assert write(lane=Lane.TRANSACTIONAL, dedup_key="3").state == S.ACCEPTED


def test_the_call_of_an_old_message_is_forgotten_with_its_trail_and_the_message_stays(
    write, providers, resend, fakes, client
):
    with later(minutes=-401 * 24 * 60):
        delivery = write(lane=Lane.MARKETING)
        Call.objects.update(created_at=timezone.now())
    asked = urlsplit(mail.unsubscribe_url(delivery)).path
    stream = call_of(delivery).stream

    assert call_retention.forget() == 1

    delivery.refresh_from_db()
    assert (delivery.call, delivery.state) == (None, S.ACCEPTED)
    assert (Call.objects.count(), trail.steps_of(stream)) == (0, [])
    write(lane=Lane.MARKETING)  # the same deed
    assert counts(fakes) == (1, 0, 0)
    assert client.post(asked).status_code == 200


def test_what_somebody_waits_for_has_no_such_headers(write, providers, resend):
    write()

    assert set(resend.asked("POST", "/emails")[0].json["headers"]) == {"Message-ID"}


def test_dripping_is_cut_off(write, sender, at_resend, resend):
    resend.misbehave(Drip(0.5), times=1)

    delivery = write()

    assert delivery.state in {S.ACCEPTED, S.ASKED}
    assert len(resend.sent) == 1
