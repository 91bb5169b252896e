"""How large a body may be where, and how a refusal reads to a browser and to a program."""

import asyncio
import json

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts import api_keys, scoping
from apps.accounts.permissions import system
from config import asgi
from config.asgi import BodyLimit
from tests.conftest import committed
from tests.factories import NOW, UserFactory, WorkspaceFactory

LIST_PAGE = "/campaigns/audiences/7e4e6b80-51c5-4447-99fb-1aff7aaab5f2/"


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.API_BODY_MAX_BYTES, settings.UPLOAD_MAX_BYTES = 100, 1_000


FILE, JSON = b"multipart/form-data; boundary=x", b"application/json"


def answered(path, size, accept=b"*/*", *, kind=FILE, cookie=b"sessionid=known", is_chunked=False):
    """(status, body) of a POST of so many bytes."""
    said = []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    async def receive():
        return {"type": "http.request", "body": b"x" * size, "more_body": False}

    async def send(message):
        said.append(message)

    async def is_signed_in(session_key):
        return session_key == "known"

    headers = [(b"accept", accept), (b"content-type", kind), (b"cookie", b"theme=dark"), (b"cookie", cookie)]
    if not is_chunked:
        headers.append((b"content-length", b"%d" % size))
    asked = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BodyLimit(app, is_signed_in=is_signed_in)(asked, receive, send))
    return said[0]["status"], said[1]["body"]


@pytest.mark.parametrize("path", ["/attribution/import/", LIST_PAGE])
def test_pages_that_take_files_take_large_ones(path):
    assert answered(path, 900) == (200, b"taken")
    assert answered(path, 1_100)[0] == 413


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("cookie", [b"", b"sessionid=over", b"other=known"])
def test_a_large_file_of_who_is_not_signed_in_is_refused_before_it_is_read(cookie, is_chunked):
    status, said = answered(LIST_PAGE, 900, cookie=cookie, is_chunked=is_chunked)

    assert (status, json.loads(said)["code"]) == (401, "not_signed_in")
    assert answered(LIST_PAGE, 90, cookie=cookie) == (200, b"taken")  # Django says what is wrong with it


@pytest.mark.parametrize("kind", [JSON, b"application/x-www-form-urlencoded", b""])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_is_no_file_is_no_larger_where_files_are_taken(kind, is_chunked):
    assert answered("/attribution/import/", 900, kind=kind, is_chunked=is_chunked)[0] == 413


@pytest.mark.parametrize("path", ["/account/login/", f"{LIST_PAGE}edit/", "/campaigns/audiences/new/"])
def test_other_pages_take_no_more_than_the_api(path):
    assert answered(path, 101)[0] == 413


def test_a_refusal_is_a_page_to_a_browser_and_json_to_a_program():
    words = "The body is larger than 100 bytes. Send it in smaller parts."

    status, page = answered("/account/login/", 101, b"text/html,*/*")
    _, said = answered("/account/login/", 101)

    assert (status, words.encode() in page, b"<h1>" in page) == (413, True, True)
    assert json.loads(said) == {"detail": words, "code": "too_large", "errors": {}}


def answer_of(path, parts, **headers):
    """(status, body) of Django's, to a body that comes in parts and does not say how long it is."""
    said = []
    left = [{"type": "http.request", "body": one, "more_body": True} for one in parts]
    left.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return left.pop(0) if left else await asyncio.Event().wait()

    async def send(message):
        said.append(message)

    told = [(b"host", b"testserver"), *((name.encode(), value.encode()) for name, value in headers.items())]
    asked = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": told}
    asyncio.run(asgi._django(asked, receive, send))
    return said[0]["status"], b"".join(one.get("body", b"") for one in said[1:])


@committed
def test_a_body_in_chunks_is_read_as_one_that_says_its_length():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        key = api_keys.issue(system(workspace.pk), name="test", scopes=["track"], now=NOW).secret
    event = json.dumps({"user_id": "eve", "event_type": "click", "platform": "meta"}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    status, said = answer_of("/api/v1/attribution/track/event", [event[:20], event[20:]], **headers)

    assert status == 201, said


@committed
def test_a_session_is_known_by_its_key():
    person = UserFactory()
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session.save()

    assert asyncio.run(asgi._is_signed_in(session.session_key)) is True
    assert asyncio.run(asgi._is_signed_in("another")) is False
    assert asyncio.run(asgi._is_signed_in("")) is False
