"""How large a body may be where, and how a refusal reads to a browser and to a program."""

import asyncio
import json

import pytest

from config.asgi import BodyLimit

LIST_PAGE = "/campaigns/audiences/7e4e6b80-51c5-4447-99fb-1aff7aaab5f2/"


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.API_BODY_MAX_BYTES, settings.UPLOAD_MAX_BYTES = 100, 1_000


def answered(path, size, accept=b"*/*"):
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

    headers = [(b"content-length", b"%d" % size), (b"accept", accept)]
    asyncio.run(BodyLimit(app)({"type": "http", "path": path, "headers": headers}, receive, send))
    return said[0]["status"], said[1]["body"]


@pytest.mark.parametrize("path", ["/attribution/import/", LIST_PAGE])
def test_pages_that_take_files_take_large_ones(path):
    assert answered(path, 900) == (200, b"taken")
    assert answered(path, 1_100)[0] == 413


@pytest.mark.parametrize("path", ["/account/login/", f"{LIST_PAGE}edit/", "/campaigns/audiences/new/"])
def test_other_pages_take_no_more_than_the_api(path):
    assert answered(path, 101)[0] == 413


def test_a_refusal_is_a_page_to_a_browser_and_json_to_a_program():
    words = "The body is larger than 100 bytes. Send it in smaller parts."

    status, page = answered("/account/login/", 101, b"text/html,*/*")
    _, said = answered("/account/login/", 101)

    assert (status, words.encode() in page, b"<h1>" in page) == (413, True, True)
    assert json.loads(said) == {"detail": words, "code": "too_large", "errors": {}}
