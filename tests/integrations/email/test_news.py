"""What providers tell later: proved, stored, projected; forged, repeated or changed it does nothing."""

import json
import random
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.integrations import connections, inbound, mail_news, outbox, reputation
from apps.integrations.connectors.email.provider import News
from apps.integrations.models import Call, Connection, EmailDelivery, InboundRecord, Suppression
from apps.integrations.monitoring import actions
from apps.integrations.resilience.lanes import Lane
from tests.fakes.resend import KEY, Resend
from tests.fakes.server import Answer, Reply, Seen
from tests.integrations.connected import at_the_view

S = EmailDelivery.State
FLIPS = 1_000
JSON = "application/json"


def path_of(connection):
    return f"/hooks/{connection.service}/{connection.public_id}/"


@pytest.fixture
def post(client, django_capture_on_commit_callbacks):
    """Have a service tell us something, and work on it."""

    def post(connection, body, headers=None):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(path_of(connection), body, content_type=JSON, headers=headers or {})
        return answer.status_code

    return post


@pytest.fixture
def at_resend_accepted(write, sender, at_resend):
    return write()


@pytest.fixture
def at_mailgun_accepted(write, sender, at_mailgun):
    return write()


def state_of(delivery):
    return EmailDelivery.objects.get(pk=delivery.pk).state


PERMANENT = {"bounce": {"type": "Permanent", "subType": "NoEmail", "message": "no such user"}}


@pytest.mark.parametrize(
    ("kind", "more", "state", "reason"),
    [
        ("email.delivered", {}, S.DELIVERED, None),
        ("email.delivery_delayed", {}, S.DELAYED, None),
        ("email.bounced", PERMANENT, S.BOUNCED, "bounced"),
        ("email.bounced", {"bounce": {"type": "Transient", "subType": "MailboxFull"}}, S.FAILED, None),
        ("email.complained", {}, S.COMPLAINED, "complained"),
        ("email.failed", {"failed": {"reason": "reached_daily_quota"}}, S.FAILED, None),
        ("email.suppressed", {"suppressed": {"reason": "previous_bounce"}}, S.SUPPRESSED, "suppressed"),
        ("email.opened", {}, S.ACCEPTED, None),
        ("email.of_the_future", {}, S.ACCEPTED, None),
    ],
)
def test_news_of_resend(post, resend, at_resend, at_resend_accepted, kind, more, state, reason):
    document = resend.event(kind, at_resend_accepted.provider_id, **more)

    assert post(at_resend, *resend.signed(document)) == 200

    assert state_of(at_resend_accepted) == state
    assert [one.reason for one in Suppression.objects.all()] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("event", "more", "state", "reason"),
    [
        ("delivered", {}, S.DELIVERED, None),
        ("failed", {"severity": "temporary", "reason": "generic"}, S.DELAYED, None),
        ("failed", {"severity": "permanent", "reason": "bounce"}, S.BOUNCED, "bounced"),
        ("failed", {"severity": "permanent", "reason": "suppress-bounce"}, S.SUPPRESSED, "suppressed"),
        ("complained", {}, S.COMPLAINED, "complained"),
        ("unsubscribed", {}, S.DELIVERED, "unsubscribed"),
        ("rejected", {"reason": "spam"}, S.FAILED, None),
    ],
)
def test_news_of_mailgun(post, mailgun, at_mailgun, at_mailgun_accepted, event, more, state, reason):
    told = mailgun.happened(
        event, at_mailgun_accepted.message_id, "ada@example.com", at_mailgun_accepted.key, **more
    )

    assert post(at_mailgun, mailgun.signed(told)) == 200

    assert state_of(at_mailgun_accepted) == state
    assert [one.reason for one in Suppression.objects.all()] == ([reason] if reason else [])


def test_news_in_any_order_comes_to_the_same_end(at_resend_accepted):
    states = [S.ACCEPTED, S.DELAYED, S.DELIVERED, S.COMPLAINED]
    for seed in range(10):
        EmailDelivery.objects.update(state=S.ASKED)
        for state in random.Random(seed).sample(states, len(states)):
            mail_news.project(at_resend_accepted.pk, News(state=state), now=timezone.now())
        assert state_of(at_resend_accepted) == S.COMPLAINED


def test_it_is_stored_as_it_came_and_sealed(post, resend, at_resend, at_resend_accepted):
    body, headers = resend.signed(resend.event("email.delivered", at_resend_accepted.provider_id))

    post(at_resend, body, headers)

    record = InboundRecord.objects.get()
    assert (record.state, record.event_id) == (InboundRecord.State.DONE, headers["svix-id"])
    assert inbound.received(record).body == body
    assert b"ada@" not in bytes(record.content_sealed)


def test_a_replay_changes_nothing(post, resend, at_resend, at_resend_accepted, mailgun, at_mailgun):
    body, headers = resend.signed(resend.event("email.bounced", at_resend_accepted.provider_id, **PERMANENT))
    token = mailgun.signed(mailgun.happened("delivered", "<x@y>", "ada@example.com"))
    for _ in range(20):
        assert post(at_resend, body, headers) == 200
        assert post(at_mailgun, token) == 200

    assert InboundRecord.objects.count() == 2
    assert Suppression.objects.count() == 1


def test_a_token_of_mailgun_works_once_whatever_is_told_with_it(
    post, mailgun, at_mailgun, at_mailgun_accepted
):
    delivered = mailgun.happened("delivered", at_mailgun_accepted.message_id, "ada@example.com")
    body = mailgun.signed(delivered)
    post(at_mailgun, body)
    changed = json.loads(body)
    changed["event-data"] |= {"event": "complained"}

    assert post(at_mailgun, json.dumps(changed).encode()) == 200

    assert state_of(at_mailgun_accepted) == S.DELIVERED
    assert Suppression.objects.count() == 0


def test_what_a_token_of_mailgun_is_stolen_for_is_held_against_its_own_events(
    post, mailgun, at_mailgun, at_mailgun_accepted
):
    body = json.loads(mailgun.signed({}))
    for event in ({"event": "complained"}, {"event": "failed", "severity": "permanent"}):
        message = {"headers": {"message-id": at_mailgun_accepted.message_id.strip("<>")}}
        fresh = json.loads(mailgun.signed({}))
        forged = fresh | {"event-data": {**event, "message": message}}
        assert post(at_mailgun, json.dumps(forged).encode()) == 200

    assert body
    assert state_of(at_mailgun_accepted) == S.ACCEPTED
    assert Suppression.objects.count() == 0


def test_what_cannot_be_confirmed_waits(post, mailgun, at_mailgun, at_mailgun_accepted):
    told = mailgun.happened(
        "failed", at_mailgun_accepted.message_id, "ada@example.com", severity="permanent", reason="bounce"
    )
    mailgun.misbehave(Answer(Reply(503)), times=3, path="events")

    assert post(at_mailgun, mailgun.signed(told)) == 200
    record = InboundRecord.objects.get()
    assert (record.state, state_of(at_mailgun_accepted)) == (InboundRecord.State.WAITING, S.ACCEPTED)

    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        inbound.process(record_id=record.pk)
    assert state_of(at_mailgun_accepted) == S.BOUNCED


def test_a_thousand_flipped_bits_get_nowhere_at_resend(post, resend, at_resend, at_resend_accepted, settings):
    settings.HOOK_REFUSALS_PER_MINUTE = 2 * FLIPS  # each one is to be looked at
    body, headers = resend.signed(resend.event("email.bounced", at_resend_accepted.provider_id, **PERMANENT))
    rng = random.Random(20261130)
    for _ in range(FLIPS):
        flipped, changed = _flipped(rng, body, headers)
        assert at_the_view(path_of(at_resend), flipped, JSON, changed).status_code == 406

    assert InboundRecord.objects.count() == 0
    assert post(at_resend, body, headers) == 200


def _flipped(rng, body, headers):
    """One bit of the body or of a signed header."""
    names = [*headers, None]
    name = rng.choice(names)
    raw = bytearray(body if name is None else headers[name].encode())
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return (bytes(raw), headers) if name is None else (body, {**headers, name: raw.decode("latin-1")})


def test_a_thousand_flipped_bits_get_nowhere_at_mailgun(mailgun, at_mailgun, at_mailgun_accepted, settings):
    settings.HOOK_REFUSALS_PER_MINUTE = 2 * FLIPS  # each one is to be looked at
    told = mailgun.happened("delivered", at_mailgun_accepted.message_id, "ada@example.com")
    whole = json.loads(mailgun.signed(told))
    rng = random.Random(20261130)
    for _ in range(FLIPS):
        signature = dict(whole["signature"])
        name = rng.choice(list(signature))
        raw = bytearray(signature[name].encode())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        signature[name] = raw.decode("latin-1")
        body = json.dumps(whole | {"signature": signature}).encode()
        assert at_the_view(path_of(at_mailgun), body, JSON, {}).status_code == 406

    assert InboundRecord.objects.count() == 0
    assert state_of(at_mailgun_accepted) == S.ACCEPTED


@pytest.mark.parametrize("seconds", [-400, 400])
def test_yesterdays_and_tomorrows_signatures_are_refused(
    post, resend, at_resend, mailgun, at_mailgun, seconds
):
    at = timezone.now().timestamp() + seconds

    assert post(at_resend, *resend.signed({"type": "email.sent"}, at=at)) == 406
    assert post(at_mailgun, mailgun.signed({}, at=at)) == 406


def test_nobody_listens_at_another_address(post, resend, at_resend, at_smtp, client, sender):
    body, headers = resend.signed({"type": "email.sent"})
    Connection.objects.filter(pk=at_resend.pk).update(state="disconnected")

    assert post(at_resend, body, headers) == 404
    assert post(sender, body, headers) == 404
    assert post(at_smtp, body, headers) == 404
    assert client.get(f"/hooks/resend/{at_resend.public_id}/").status_code == 405


def test_news_of_somebody_elses_message_changes_nothing(
    post, resend, at_resend, at_resend_accepted, at_mailgun, mailgun
):
    told = mailgun.happened(
        "delivered", at_resend_accepted.message_id, "x@example.com", at_resend_accepted.key
    )

    assert post(at_mailgun, mailgun.signed(told)) == 200

    assert state_of(at_resend_accepted) == S.ACCEPTED
    record = InboundRecord.objects.get()
    assert (record.state, record.said) == (InboundRecord.State.DONE, "No message of ours is meant.")


def sent(sender, states):
    EmailDelivery.objects.bulk_create(
        EmailDelivery(
            workspace=sender.workspace,
            key=f"{number:032d}",
            sender=sender,
            template="t",
            state=state,
            message_id=f"<{number}@x>",
            accepted_at=timezone.now(),
        )
        for number, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("states", "is_paused"),
    [
        ([S.DELIVERED] * 195 + [S.BOUNCED] * 4, False),  # 2.01 % of too few
        ([S.DELIVERED] * 196 + [S.BOUNCED] * 4, False),  # 2 % and not more
        ([S.DELIVERED] * 195 + [S.BOUNCED] * 5, True),
        ([S.DELIVERED] * 999 + [S.COMPLAINED], False),
        ([S.DELIVERED] * 998 + [S.COMPLAINED] * 2, True),
    ],
)
def test_the_guard_pauses_a_sender_before_the_provider_does(sender, states, is_paused):
    sent(sender, states)

    assert bool(reputation.guard(sender.pk, now=timezone.now())) == is_paused

    sender.refresh_from_db()
    assert sender.is_usable != is_paused
    assert ("%" in sender.state_reason) == is_paused


def test_a_paused_sender_holds_its_messages_until_a_person_lets_it_go_on(
    write, providers, sender, actor, resend
):
    sent(sender, [S.DELIVERED] * 195 + [S.BOUNCED] * 5)
    reputation.guard(sender.pk, now=timezone.now())
    held = write()
    assert Call.objects.get(pk=held.call_id).state == Call.State.HELD

    sender.refresh_from_db()
    connections.test(actor, sender, now=timezone.now())
    outbox.relay(lane=int(Lane.TRANSACTIONAL))

    sender.refresh_from_db()
    assert Call.objects.get(pk=held.call_id).state == Call.State.DONE
    assert reputation.guard(sender.pk, now=timezone.now()) == ""  # what was before does not count again


def test_a_bounce_that_is_one_too_many_pauses_at_once(post, resend, at_resend, sender, at_resend_accepted):
    sent(sender, [S.DELIVERED] * 195 + [S.BOUNCED] * 4)
    document = resend.event("email.bounced", at_resend_accepted.provider_id, **PERMANENT)

    post(at_resend, *resend.signed(document))

    sender.refresh_from_db()
    assert not sender.is_usable


def test_the_page_of_a_sender_says_how_it_stands(page, sender):
    url = f"/integrations/{sender.public_id}/"
    assert "0 messages since it was last let go on, too few to say" in page.get(url).content.decode()

    sent(sender, [S.DELIVERED] * 397 + [S.BOUNCED] * 2 + [S.COMPLAINED])

    words = "0.50% bounced and 0.25% complained of the latest 400 messages; it is paused above 2% and 0.1%."
    assert words in page.get(url).content.decode()


def test_one_complaint_says_nothing_of_a_list_and_two_do(sender):
    sent(sender, [S.DELIVERED] * 299 + [S.COMPLAINED])
    assert reputation.guard(sender.pk, now=timezone.now()) == ""

    EmailDelivery.objects.filter(message_id="<0@x>").update(state=S.COMPLAINED)
    words = "0.67% of the latest 300 messages drew complaints."
    assert reputation.guard(sender.pk, now=timezone.now()) == words


def test_an_alert_may_pause_a_sender_too(sender):
    sent(sender, [S.DELIVERED] * 195 + [S.BOUNCED] * 5)

    assert "mail.pause_sender" in actions.names()
    assert reputation.pause_senders(None) == "Paused Mail."
    assert reputation.pause_senders(None) == "No sender is over a bound any more."


def test_the_fake_of_resend_keeps_a_key_for_a_day():
    clock = [1_000_000.0]
    with Resend(now=lambda: clock[0], per_second=2) as fake:

        def ask(body=b'{"from":"a@b","to":["c@d"],"subject":"s"}', key="k1"):
            headers = {"authorization": f"Bearer {KEY}", "user-agent": "t", "idempotency-key": key}
            clock[0] += 1
            return fake.send(Seen("POST", "/emails", headers, body, b""))

        first = ask()
        assert ask() == first
        assert ask(body=b'{"from":"x@b","to":["c@d"],"subject":"s"}').status == 409
        clock[0] += 86_400
        assert ask() != first
        assert (ask(key="2").status, len(fake.sent)) == (200, 3)
        clock[0] -= 0.9
        assert fake.send(Seen("POST", "/emails", {}, b"", b"")).status == 401
