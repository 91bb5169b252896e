"""Whatever goes wrong under /api/, the answer has one shape; pages get a page, and nobody gets a trace."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.http import HttpResponseNotAllowed
from django.test import Client
from django.urls import path, reverse
from rest_framework.test import APIClient
from rest_framework.views import APIView

from apps.accounts.api.shape import ApiShapeMiddleware
from apps.accounts.errors import DomainError
from config import asgi
from config.urls import handler400, handler403, handler404, handler500, urlpatterns

KEYS = "/api/v1/api-keys"
GZIP = {"content_type": "application/json", "HTTP_CONTENT_ENCODING": "gzip"}


class BrokenView(APIView):
    """Fails in the way that the query string asks for."""

    action_needed = None
    failures = {
        "fault": ZeroDivisionError("secret@example.com"),
        "database": OperationalError("server closed the connection"),
        "refusal": DomainError("Not today.", errors={"day": ["It is Sunday."]}, retry_after_seconds=7),
    }

    def get(self, request: Any) -> None:
        raise self.failures[request.GET["how"]]


urlpatterns = [*urlpatterns, path("api/broken", BrokenView.as_view()), path("broken/", BrokenView.as_view())]
assert handler400
assert handler403
assert handler404
assert handler500


def _shaped(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content[:300]
    assert answer.headers["Content-Type"].startswith("application/json")
    body: dict[str, Any] = json.loads(answer.content)
    assert set(body) == {"detail", "code", "errors"}
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert isinstance(body["errors"], dict)
    return body


@pytest.fixture
def broken(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_an_unknown_address(api):
    assert _shaped(api.get("/api/v1/nothing"), 404)["code"] == "not_found"


def test_a_slash_at_the_end_is_explained_and_never_redirected(api):
    for method in (api.get, api.post):
        assert "no slash at the end" in _shaped(method(f"{KEYS}/"), 404)["detail"]


def test_a_page_without_its_slash_is_found_by_readers_only(page):
    assert page.get("/profile").headers["Location"] == "/profile/"
    assert page.post("/profile").status_code == 404


@pytest.mark.parametrize(
    "wrong", ["x", "7", "00000000-0000-4000-8000-000000000000", "%00", "%ff%fe", "a%2Fb"]
)
def test_an_id_that_is_none(api, wrong):
    _shaped(api.get(f"/api/v1/jobs/{wrong}"), 400 if wrong == "%00" else 404)


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 10**40])
def test_a_number_that_no_row_has(api, number):
    _shaped(api.post(f"{KEYS}/{number}/revoke"), 404)


@pytest.mark.parametrize("query", ["deed=%00", "x=%00", "deed=%ff%fe", "%c3%28=1"])
def test_a_query_string_that_is_no_text(api, query):
    assert _shaped(api.get(f"/api/v1/audit?{query}"), 400)["code"] == "bad_request"


@pytest.mark.parametrize(
    "cursor", ["x", "cD1hYmM=", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk=", "cD0tMQ==", "bz05OTk5OTk5"]
)
def test_a_cursor_that_we_never_gave(api, cursor):
    answer = api.get("/api/v1/audit", {"cursor": cursor})
    assert answer.status_code in {200, 404}
    assert answer.status_code == 200 or _shaped(answer, 404)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\xfa",
        b'{"name": "\xff"}',
        b'{"name": "a\\u0000b", "scopes": ["read"]}',
        b'{"name": "\\ud800", "scopes": ["read"]}',
        b"NaN",
        b'{"name": 1e999, "scopes": ["read"]}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"name": ' + b"[" * 40 + b"]" * 40 + b', "scopes": ["read"]}',
        b"[1, 2, 3]",
        b'"text"',
        b"null",
        b"7",
        b'{"name": {"a": 1}, "scopes": {"b": 2}}',
        b'{"name": "x", "scopes": "read"}',
        b'{"name": "x", "scopes": [["read"]]}',
        b'{"name": "x", "scopes": ["read"], "expires_at": 5}',
        b'{"name": "x", "scopes": ["read"], "expires_at": "9999-99-99"}',
        b'{"name": "x", "scopes": ["read"], "expires_at": "0001-01-01T00:00:00+14:00"}',
    ],
)
def test_a_body_that_cannot_be_used(api, body):
    _shaped(api.post(KEYS, body, content_type="application/json"), 400)
    assert len(api.get(KEYS).json()["results"]) == 1


def test_a_body_that_is_too_large(api, settings):
    settings.API_BODY_MAX_BYTES = 1_000
    large = json.dumps({"name": "x" * 2_000, "scopes": ["read"]})

    assert _shaped(api.post(KEYS, large, content_type="application/json"), 413)["code"] == "too_large"


def test_a_small_body_that_unpacks_to_a_huge_one(api, settings):
    settings.API_BODY_MAX_BYTES = 100_000
    bomb = gzip.compress(b" " * 10_000_000 + b"{}")

    assert len(bomb) < 20_000
    _shaped(api.generic("POST", KEYS, bomb, **GZIP), 413)


@pytest.mark.parametrize(
    "body",
    [b"", b"not gzip", gzip.compress(b'{"a": 1}', mtime=0)[:-9], gzip.compress(b"{", mtime=0)],
    ids=["empty", "plain", "cut short", "no JSON"],
)
def test_gzip_that_is_none(api, body):
    _shaped(api.generic("POST", KEYS, body, **GZIP), 400)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data", "multipart/form-data; boundary=x"]
)
def test_another_kind_of_body(api, kind):
    assert (
        _shaped(api.generic("POST", KEYS, b"name=x", content_type=kind), 415)["code"]
        == "unsupported_media_type"
    )


def test_another_method(api):
    refused = api.delete(KEYS)

    assert _shaped(refused, 405)["code"] == "method_not_allowed"
    assert "POST" in refused.headers["Allow"]


def test_another_kind_of_answer(api):
    _shaped(api.get(KEYS, headers={"Accept": "text/csv"}), 406)
    _shaped(api.get(KEYS, {"format": "xml"}), 404)


def test_a_host_that_is_not_ours(api):
    _shaped(api.get(KEYS, headers={"Host": "evil.example"}), 400)


def test_nobody_and_the_wrong_key(db):
    assert _shaped(APIClient().get(KEYS), 401)["code"] == "not_authenticated"
    refused = APIClient(headers={"Authorization": "Bearer bw_wrong"}).get(KEYS)
    assert _shaped(refused, 401)["code"] == "key_refused"
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_needs_its_token_to_change_anything(owner):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)

    assert client.get(KEYS).status_code == 200
    _shaped(client.post(KEYS, {"name": "x", "scopes": ["admin"]}, format="json"), 403)


def test_a_refusal_by_a_verb(broken, db):
    answer = broken.get("/api/broken?how=refusal")

    assert _shaped(answer, 400) == {
        "detail": "Not today.",
        "code": "refused",
        "errors": {"day": ["It is Sunday."]},
    }
    assert answer.headers["Retry-After"] == "7"


def test_a_fault_of_ours_shows_nothing_of_it(broken, db):
    body = _shaped(broken.get("/api/broken?how=fault"), 500)

    assert body["code"] == "server_error"
    assert "secret" not in str(body)


def test_a_lost_database_asks_to_come_back(broken, db):
    answer = broken.get("/api/broken?how=database")

    assert _shaped(answer, 503)["code"] == "unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_what_django_itself_refuses_is_shaped_too(rf):
    def refuse(request: Any) -> Any:
        return HttpResponseNotAllowed(["POST"])

    answer = ApiShapeMiddleware(refuse)(rf.get("/api/v1/plain"))

    assert _shaped(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == "POST"
    assert ApiShapeMiddleware(refuse)(rf.get("/page/")).content == b""


def test_a_page_gets_a_page(client, db):
    answer = client.get("/nothing/")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


class Connection:
    """The server's side of one request to the ASGI application, in parts of the body."""

    def __init__(self, path: str, parts: list[bytes], *headers: tuple[bytes, bytes]) -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
        }
        self.parts: Iterator[bytes] = iter(parts)
        self.read = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        part = next(self.parts, None)
        self.read += len(part or b"")
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def answer(self) -> tuple[int, dict[str, Any]]:
        asyncio.run(asgi.application(self.scope, self.receive, self.send))
        body = b"".join(message.get("body", b"") for message in self.sent)
        return self.sent[0]["status"], json.loads(body)


def test_a_declared_body_that_is_too_large_is_not_read(settings):
    settings.API_BODY_MAX_BYTES = 1_000
    connection = Connection("/api/v1/api-keys", [b"x" * 5_000], (b"content-length", b"5000"))

    status, body = connection.answer()

    assert (status, body["code"], set(body)) == (413, "too_large", {"detail", "code", "errors"})
    assert connection.read == 0


def test_only_pages_that_take_files_take_large_bodies(settings):
    settings.API_BODY_MAX_BYTES = 1_000
    declared = (b"content-length", b"5000")

    assert Connection("/account/login/", [b"x" * 5_000], declared).answer()[0] == 413

    of_list = reverse("campaigns:audience", kwargs={"audience_id": uuid4()})
    for page in (reverse("attribution:import"), of_list):
        assert asgi.UPLOADS.fullmatch(page)
        assert not asgi.UPLOADS.fullmatch(f"{page}more/")


def test_an_endless_body_is_cut_off(settings):
    settings.API_BODY_MAX_BYTES = 1_000
    connection = Connection("/api/v1/api-keys", [b"x" * 400] * 1_000)

    status, body = connection.answer()

    assert (status, body["code"]) == (413, "too_large")
    assert connection.read <= 1_600


def test_a_websocket_is_closed():
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(asgi.application({"type": "websocket", "path": "/"}, None, send))

    assert sent == [{"type": "websocket.close"}]
