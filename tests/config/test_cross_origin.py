"""Which doors a browser of another site may use."""

import asyncio

import pytest

from config.cross_origin import AnyOrigin

SHOP = (b"origin", b"https://shop.example")
ASKS = (b"access-control-request-method", b"POST")
SYNC = "/api/v1/sync/batch"


def answered(path, *headers, method="POST", kind="http"):
    """(status, headers) of a request."""
    said = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 207, "headers": [(b"allow", b"POST")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        said.append(message)

    scope = {"type": kind, "path": path, "headers": [*headers]}
    if kind == "http":
        scope["method"] = method
    asyncio.run(AnyOrigin(app)(scope, None, send))
    return said[0]["status"], dict(said[0]["headers"])


@pytest.mark.parametrize(
    "path",
    [
        SYNC,
        "/api/v1/attribution/track/event",
        "/api/marketing/attribution/track/batch",
        "/api/v1/attribution/identify",
        "/api/v1/attribution/experiments/button/assign",
    ],
)
def test_a_browser_of_another_site_may_bring_what_happened_there(path):
    status, first = answered(path, SHOP, ASKS, method="OPTIONS")

    assert status == 204
    assert first[b"access-control-allow-origin"] == b"*"
    assert b"Authorization" in first[b"access-control-allow-headers"]
    assert b"Content-Encoding" in first[b"access-control-allow-headers"]
    assert b"access-control-allow-credentials" not in first
    status, then = answered(path, SHOP)
    assert (status, then[b"access-control-allow-origin"], then[b"allow"]) == (207, b"*", b"POST")


@pytest.mark.parametrize("path", ["/", "/api/v1/marketing/campaigns", "/api/v1/people/consent", SYNC + "/x"])
def test_every_other_address_is_for_its_own_pages_alone(path):
    for headers in answered(path, SHOP, ASKS, method="OPTIONS")[1], answered(path, SHOP)[1]:
        assert not any(name.startswith(b"access-control") for name in headers)


def test_a_program_is_told_nothing_of_origins():
    assert answered(SYNC) == (207, {b"allow": b"POST"})


def test_a_socket_is_left_to_whoever_refuses_it():
    assert answered(SYNC, SHOP, kind="websocket") == (207, {b"allow": b"POST"})
