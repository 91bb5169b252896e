"""A service that is registered for the tests of the machinery, on a fake of its own."""

from collections.abc import Iterator

import pytest

from apps.integrations import calling, metrics, outbox, services
from apps.integrations.http import Request
from apps.integrations.models import Connection
from apps.integrations.outbox import Handler
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Service
from tests.factories import NOW
from tests.fakes.server import Fake, json_reply, route


class Post(Fake):
    """Takes parcels; a parcel with a known number is not taken twice."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.parcels: dict[str, object] = {}
        self.taken = 0

    @route("POST", r"/parcels")
    def parcel(self, request):
        self.taken += 1
        self.parcels[request.json["number"]] = request.json
        return json_reply({"id": f"p{self.taken}"}, status=201)

    @route("GET", r"/parcels/(?P<number>.+)")
    def look_up(self, request):
        is_known = request.args["number"] in self.parcels
        return json_reply({}, status=200 if is_known else 404)


def send(client, dues):
    def read(response):
        return response.json()["id"]

    request = Request(
        method="POST", url="/parcels", json={"number": dues[0].call.dedup_key, **dues[0].payload}
    )
    answer = client.ask(
        "parcels.send", request, kind="write", is_idempotent=False, read=read, timeout_seconds=1.0
    )
    if answer.value is None:
        return answer
    return Answer(outcome=Outcome(kind=Kind.OK, reference=answer.value))


def look_up(client, due):
    answer = client.ask("parcels.find", Request(method="GET", url=f"/parcels/{due.call.dedup_key}"))
    if answer.outcome.status == 404:
        return Outcome(kind=Kind.PERMANENT_DATA, status=404)
    return answer.outcome


POST = Service(key="post", name="Post", family=Family.CRM, base_url="http://127.0.0.1:9")
services.register(POST)
outbox.handles("post", "parcels.send", Handler(perform=send, look_up=look_up))


@pytest.fixture
def post(settings) -> Iterator[Post]:
    with Post() as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "post": fake.url}
        yield fake


@pytest.fixture
def connection(workspace) -> Connection:
    return Connection.objects.create(
        workspace=workspace, service="post", account="a1", label="Our post", state_changed_at=NOW
    )


@pytest.fixture(autouse=True)
def _calls_begin_anew(settings) -> None:
    """A policy over this test's own, empty Redis, and no figures of a workspace that is gone."""
    calling.reset()
    metrics._buffer.clear()
