"""A session that stays open, against a server that does not do its part."""

import time

import pytest

from apps.integrations.connectors.bulk_email.letters import Fate
from apps.integrations.connectors.bulk_email.smtp_session import Post, Session
from apps.integrations.connectors.email.smtp import Server
from tests.fakes.mail_sink import Sink

POSTS = [Post(f"p{number}@example.com", b"Subject: x\r\n\r\n.words\r\n") for number in range(5)]


@pytest.fixture
def sink():
    with Sink() as made:
        yield made
        made.gate.open()


@pytest.fixture
def session(sink):
    server = Server(timeout=5.0)
    server.is_elsewhere = False
    server.connect("127.0.0.1", int(sink.url.rpartition(":")[2]))
    server.ehlo()
    yield Session(server)
    server.close()


def fates(verdicts):
    return [one.fate for one in verdicts]


def test_a_server_that_falls_silent_is_waited_for_until_the_deadline(sink, session):
    sink.gate.close_after(3)
    began = time.monotonic()

    found = session.send("hello@studio.example", POSTS, seconds=1.5)

    assert fates(found) == [Fate.ACCEPTED] * 2 + [Fate.UNKNOWN] + [Fate.UNSENT] * 2
    assert found[2].reason == "TimeoutError after the content"
    assert 1.0 < time.monotonic() - began < 15


def test_the_time_is_that_of_each_batch(sink, session):
    assert fates(session.send("hello@studio.example", POSTS, seconds=2.0)) == [Fate.ACCEPTED] * 5
    time.sleep(2.1)
    assert fates(session.send("hello@studio.example", POSTS, seconds=30.0)) == [Fate.ACCEPTED] * 5
    sink.gate.close_after(1)
    began = time.monotonic()

    assert fates(session.send("hello@studio.example", POSTS, seconds=1.0))[0] == Fate.UNKNOWN

    assert time.monotonic() - began < 15
