"""What is personal reaches no log line, whatever happens to the request that carried it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import path
from rest_framework.test import APIClient
from rest_framework.views import APIView

from apps.accounts import api_keys
from apps.accounts.models import Person, User
from config.urls import handler500, urlpatterns
from tests.factories import NOW

EMAIL, PHONE, NAME, USER = "ada@example.org", "+447700900123", "Ada Lovelace", "user-ada-1815"
PERSONAL = (EMAIL, "ada%40example", PHONE, NAME, "Lovelace", USER)
TRACK = "/api/v1/attribution/track"


class FailingView(APIView):
    action_needed = None

    def post(self, request: Any) -> None:
        Person.objects.create(workspace_id=request._request.workspace_id, external_id=USER)
        Person.objects.create(workspace_id=request._request.workspace_id, external_id=USER)


urlpatterns = [*urlpatterns, path("api/failing", FailingView.as_view())]
assert handler500


@contextmanager
def _everything_logged() -> Iterator[io.StringIO]:
    """Every line of every logger down to DEBUG, as the configured handler writes it."""
    text, root = io.StringIO(), logging.getLogger()
    handler = next(one for one in root.handlers if type(one) is logging.StreamHandler)
    stream, level = handler.setStream(text), root.level
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        handler.setStream(stream)


@pytest.fixture
def secret(workspace: Any, actor: Any) -> str:
    return api_keys.issue(actor, name="shop", scopes=["track", "write", "read"], now=NOW).secret


def _lines(text: io.StringIO, route: str) -> list[str]:
    """Our own line on each request of the route."""
    return [
        line for line in text.getvalue().splitlines() if route in line and "apps.accounts.middleware" in line
    ]


def test_a_tracked_event_leaves_nothing_personal_in_the_log(secret):
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    event = {
        "user_id": USER,
        "event_type": "click",
        "platform": "email",
        "campaign_id": "spring",
        "url": f"https://shop.example/?email={EMAIL}&name=Ada+Lovelace",
        "referrer": f"https://mail.example/{PHONE}",
        "properties": {"email": EMAIL, "phone": PHONE, "name": NAME},
    }
    identity = {
        "anonymous_id": "a-1",
        "user_id": USER,
        "traits": {"email": EMAIL, "phone": PHONE, "name": NAME},
    }

    with _everything_logged() as text:
        answers = [
            client.post(f"{TRACK}/event", event, format="json"),
            client.post(f"{TRACK}/event", {**event, "occurred_at": EMAIL}, format="json"),
            client.post("/api/v1/attribution/identify", identity, format="json"),
            client.post(f"{TRACK}/event?email={EMAIL}", event, format="json"),
            client.get(f"/api/v1/people/{EMAIL}"),
        ]

    assert [answer.status_code for answer in answers] == [201, 400, 200, 201, 404]
    for personal in (*PERSONAL, secret, secret[10:], secret[:14]):
        assert personal not in text.getvalue()


def test_requests_are_logged_by_route(workspace, api):
    with _everything_logged() as text:
        api.get("/api/v1/jobs/00000000-0000-4000-8000-000000000001?token=open-sesame")

    (line,) = _lines(text, "api/v1/jobs/")
    assert "<uuid:public_id>" in line
    assert "00000000-0000" not in text.getvalue()
    assert "sesame" not in text.getvalue()


def test_a_fault_leaves_nothing_personal_in_the_log(secret, settings):
    """PostgreSQL's own words on a violated constraint quote the row."""
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})

    with _everything_logged() as text:
        answer = client.post("/api/failing", json.dumps({"name": NAME}), content_type="application/json")

    assert answer.status_code == 500
    assert "IntegrityError" in text.getvalue()
    for personal in (*PERSONAL, secret):
        assert personal not in text.getvalue()


def test_a_line_says_whose_request_it_was(api, workspace):
    with _everything_logged() as text:
        api.get("/api/v1/workspace")

    (line,) = _lines(text, "api/v1/workspace")
    assert f"workspace_id={workspace.pk}" in line or f'"workspace_id": {workspace.pk}' in line
    assert "api_key:" in line


def test_the_next_request_does_not_inherit_whose_it_was(api, workspace, client):
    with _everything_logged() as text:
        api.get("/api/v1/workspace")
        client.get("/health/live")

    (line,) = _lines(text, "health/live")
    assert "workspace_id" not in line
    assert "api_key:" not in line


def test_a_request_id_ties_the_answer_to_its_lines(api, workspace):
    with _everything_logged() as text:
        answer = api.get("/api/v1/workspace")

    assert answer.headers["X-Request-Id"] in _lines(text, "api/v1/workspace")[0]


def test_the_database_does_not_quote_its_rows_in_a_trace(db):
    User.objects.create_user(EMAIL)

    with _everything_logged() as text:
        try:
            with transaction.atomic():
                User(email=EMAIL).save()
        except IntegrityError:
            logging.getLogger("tests").exception("it failed")

    assert "duplicate key value violates unique constraint" in text.getvalue()
    assert not [one for one in PERSONAL if one in text.getvalue()]
