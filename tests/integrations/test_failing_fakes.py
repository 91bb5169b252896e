"""The fakes of a trial can be told to fail while they run, by the faults that tests use."""

import json
import smtplib

import httpx2
import pytest

from apps.integrations.client import Client
from apps.integrations.connectors.email.provider import Fate, Message, fate_of
from apps.integrations.connectors.email.smtp import Smtp
from tests.fakes import llm
from tests.fakes.town import Town
from tests.integrations.connected import connection_to

MESSAGE = Message(
    key="k1",
    message_id="<k1@studio.example>",
    sender="The Studio <hello@studio.example>",
    to="ada@example.com",
    subject="Hello",
    text="Hello",
)
KEY = {"Authorization": f"Bearer {llm.API_KEY}"}
ASKED = {"model": "fake-1", "messages": [{"role": "user", "content": "Say something"}]}


@pytest.fixture
def town():
    with Town() as one:
        yield one


@pytest.fixture
def door(town):
    with httpx2.Client(base_url=town.url, timeout=5) as client:
        yield client


def ask(door):
    return door.post("/llm/v1/chat/completions", json=ASKED, headers=KEY)


def test_a_fault_comes_as_often_as_it_was_asked_for(door):
    told = door.post("/_fail", json={"service": "llm", "fault": "429", "times": 2})

    assert told.status_code == 201
    assert told.json()["waiting"] == [
        {"service": "llm", "fault": "429", "times": 2, "path": "", "method": ""}
    ]
    assert [ask(door).status_code for _ in range(3)] == [429, 429, 200]
    assert door.get("/_fail").json()["waiting"] == []


def test_a_fault_of_one_path_leaves_others_alone(door):
    door.post("/_fail", json={"service": "llm", "fault": "500", "path": "completions$", "method": "post"})

    assert door.get("/llm/v1/models", headers=KEY).status_code == 200
    assert ask(door).status_code == 500


def test_what_waits_is_forgotten_at_one_service_or_at_all(door):
    for service in ("llm", "resend", "smtp"):
        door.post("/_fail", json={"service": service, "fault": "reset", "times": 9})

    left = door.delete("/_fail", params={"service": "llm"}).json()["waiting"]
    assert [one["service"] for one in left] == ["resend", "smtp"]
    assert door.delete("/_fail").json() == {"waiting": []}


def test_a_model_that_is_asked_again_after_a_fault_writes_as_it_should(door):
    brief = {"about": "Come and see", "tone": "", "goal": "", "links": {}}
    told = [("user", json.dumps(brief)), ("assistant", "Certainly!"), ("user", "That does not fit.")]
    wanted = {"type": "json_schema", "json_schema": {"name": "variants"}}
    messages = [{"role": role, "content": content} for role, content in told]
    body = {"model": "fake-1", "messages": messages, "response_format": wanted}

    answer = door.post("/llm/v1/chat/completions", json=body, headers=KEY).json()
    written = json.loads(answer["choices"][0]["message"]["content"])
    assert len(written["variants"]) == 5


@pytest.mark.parametrize("fault", ["timeout", "timeout_after"])
def test_a_service_that_says_nothing_holds_the_line(door, fault):
    door.post("/_fail", json={"service": "llm", "fault": fault})

    with pytest.raises(httpx2.ReadTimeout):
        door.post("/llm/v1/chat/completions", json=ASKED, timeout=0.3)


@pytest.mark.parametrize("fault", sorted(set(llm.FAULTS) - {"timeout", "timeout_after", "slow", "drip"}))
def test_each_fault_of_a_model_is_heard_once(door, fault):
    right = ask(door).text
    door.post("/_fail", json={"service": "llm", "fault": fault})

    try:
        spoilt = ask(door).text
    except httpx2.HTTPError:
        spoilt = "nothing"
    of_variants = {"too_few", "equal_subjects", "address", "personal", "stranger", "template"}
    assert (spoilt != right) == (fault not in of_variants)
    assert ask(door).text == right


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_what_any_page_could_send_is_no_order(door, kind):
    order = json.dumps({"service": "llm", "fault": "429"})

    for address, status in (("/_fail", 400), ("/mailboxes/teach", 415)):
        assert door.post(address, content=order, headers={"Content-Type": kind}).status_code == status

    assert door.get("/_fail").json()["waiting"] == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "Give an object"),
        ({"service": "lmm", "fault": "429"}, "service is one of alert_webhook, amplitude"),
        ({"service": "llm", "fault": "418"}, "fault is, at llm, one of 401"),
        ({"service": "llm", "fault": "429", "times": 0}, "times is a whole number"),
        ({"service": "llm", "fault": "429", "path": "("}, "path is a pattern"),
        ({"service": "llm", "fault": "429", "seconds": 3}, "seconds is a number"),
        ({"service": "llm", "fault": "429", "often": 3}, "Give an object of fault"),
    ],
    ids=["no object", "service", "fault", "times", "path", "seconds", "field"],
)
def test_what_is_not_understood_is_refused_and_changes_nothing(door, asked, said):
    answer = door.post("/_fail", json=asked)

    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert door.get("/_fail").json()["waiting"] == []


@pytest.fixture
def smtp(workspace, town, settings):
    settings.FAKES_URL = town.url
    return Smtp(Client(connection_to(workspace, "smtp", account="mail.example", secrets={})))


def test_mail_goes_to_the_mail_server_of_the_fakes_and_can_be_read_there(door, smtp):
    answer = smtp.send(MESSAGE)

    assert fate_of(answer) == Fate.ACCEPTED
    assert door.get("/smtp/messages").json() == {
        "total": 1,
        "addresses": 1,
        "messages": [
            {"number": 0, "to": "ada@example.com", "subject": "Hello", "message_id": "<k1@studio.example>"}
        ],
    }
    assert door.get("/_mail").json() == {"taken": {"smtp": 1}, "addresses": 1, "more_than_one": []}
    assert door.get("/_mail", params={"to": "ada@example.com"}).json() == [
        {"service": "smtp", "message_id": "<k1@studio.example>"}
    ]
    assert "Subject: Hello" in door.get("/smtp/messages/0").text
    page = door.get("/smtp/messages/0/html")
    assert page.text.strip() == "Hello"
    assert page.headers["Content-Security-Policy"] == "sandbox"
    assert door.get("/smtp/messages/1").status_code == 404


@pytest.mark.parametrize(
    ("fault", "fate", "taken"),
    [
        ("busy", Fate.NOT_ACCEPTED, 0),
        ("refused", Fate.REFUSED, 0),
        ("content_refused", Fate.REFUSED, 0),
        ("reset", Fate.NOT_ACCEPTED, 0),
        ("reset_after", Fate.UNKNOWN, 1),
    ],
)
def test_the_mail_server_fails_as_it_is_told(door, smtp, fault, fate, taken):
    door.post("/_fail", json={"service": "smtp", "fault": fault, "times": 9})

    assert fate_of(smtp.send(MESSAGE)) == fate
    assert door.get("/smtp/messages").json()["total"] == taken


def test_a_mail_server_that_says_nothing_holds_the_line(door, town):
    door.post("/_fail", json={"service": "smtp", "fault": "timeout"})

    server = smtplib.SMTP("127.0.0.1", town.port + 1, timeout=2)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        server.sendmail("hello@studio.example", ["ada@example.com"], "Hello")
