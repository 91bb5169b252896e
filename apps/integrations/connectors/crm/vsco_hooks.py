"""What VSCO Workspace tells by its REST hooks: that something new is there, and its id.

Nothing is signed and nothing else is said. So the address has a key in it, made of the account's own, and
whatever comes is only a reason to read the record. Of changes and deletions nothing is told: they are found
by reading what was modified.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from apps.integrations import inbound, outbox
from apps.integrations.client import Client
from apps.integrations.connectors.crm import nudges
from apps.integrations.connectors.crm.system import Entity
from apps.integrations.connectors.crm.vsco import KEY, READ_ONLY, ULID, read_list, read_one
from apps.integrations.http import Request
from apps.integrations.inbound import Checked, Delivery, Forged, Received, Receiver
from apps.integrations.models import Connection
from apps.integrations.outbox import Due, Handler
from apps.integrations.resilience.outcomes import OK
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Credentials

REGISTER, FOLLOW = "hooks.register", "jobs.follow"
# What each event names: a record of ours, or something that belongs to a job.
NAMES = {
    "contact.created": Entity.CONTACT,
    "job.created": Entity.JOB,
    "order.booked": "/order",
    "payment.created": "/payment",
}
# For a person who waits at the button.
AT_FAREWELL: dict[str, Any] = {"timeout_seconds": 5.0, "deadline_seconds": 8.0}


def register(connection: Connection, *, now: datetime) -> None:
    """Have the hooks registered. A key that may only read cannot, and all is found by reading."""
    if connection.options.get("access") != READ_ONLY:
        outbox.enqueue(connection, REGISTER, {}, dedup_key=f"hooks:{now.isoformat()}", now=now)


def _register(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    """Those that are not there yet, so that it may be done twice."""
    key = _key(client.credentials)
    listed = client.ask("hooks.list", _list_request(), read=read_list)
    if listed.value is None:
        return listed
    there = {one.get("url") for one in listed.value["items"]}
    for event in NAMES:
        url = f"{inbound.url_of(client.connection)}?{urlencode({'event': event, 'key': key})}"
        if url in there:
            continue
        request = Request(method="POST", url="/rest-hook", json={"event": event, "url": url})
        answer = client.ask("hooks.create", request, read=read_one, kind="write", is_idempotent=False)
        if answer.value is None:
            return answer
    return Answer(outcome=OK)


def remove(client: Client) -> None:
    """Take our hooks back, as far as the service answers. What is left reaches a door that is closed."""
    listed = client.ask("hooks.list", _list_request(), read=read_list, **AT_FAREWELL)
    ours = inbound.url_of(client.connection)
    for one in listed.value["items"] if listed.value else []:
        if not str(one.get("url")).startswith(ours):
            continue
        request = Request(method="DELETE", url=f"/rest-hook/{one['id']}")
        answer = client.ask("hooks.delete", request, read=lambda response: None, kind="write", **AT_FAREWELL)
        if not answer.outcome.is_good:
            return


def _list_request() -> Request:
    return Request(method="GET", url="/rest-hook", params={"page": 1, "pageSize": 100})


def _key(credentials: Credentials) -> str:
    """What only we and the studio can know, and what changes with the account's key."""
    secret = str(credentials.get("api_key") or "").encode()
    return hmac.new(secret, b"bellwether rest hook", hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True)
class Told:
    event: str
    target: str


def verify(delivery: Delivery, credentials: Credentials, now: datetime) -> Checked:
    query = parse_qs(urlsplit(delivery.url).query)
    given = query.get("key", [""])[0].encode()
    if not credentials.get("api_key") or not hmac.compare_digest(given, _key(credentials).encode()):
        raise Forged("The address is not one that we gave out.")
    told = _told(Received(url=delivery.url, body=delivery.body))
    if told is None:
        raise Forged("It names no event and no record.")
    place = urlsplit(delivery.url).path.rstrip("/").rsplit("/", 1)[-1]
    return Checked(event_id=f"{place}:{told.event}:{told.target}", sent_at=None)


def _told(received: Received) -> Told | None:
    event = received.query.get("event", "")
    target = str(received.json_object().get("targetId") or "")
    return Told(event, target) if event in NAMES and ULID.fullmatch(target) else None


def process(connection: Connection, received: Received, now: datetime) -> str:
    """Have the record read, or the job that an order or a payment belongs to."""
    told = _told(received)
    if told is None:
        return "There was nothing to do."
    named = NAMES[told.event]
    if isinstance(named, Entity):
        nudges.nudge(connection, named, told.target, now=now)
        return f"The {named} is read again."
    payload = {"path": f"{named}/{told.target}"}
    outbox.enqueue(connection, FOLLOW, payload, dedup_key=f"{told.event}:{told.target}", now=now)
    return "The job that it belongs to is read again."


def _follow(client: Client, dues: Sequence[Due]) -> Answer[Any]:
    request = Request(method="GET", url=dues[0].payload["path"])
    answer = client.ask("jobs.follow", request, read=read_one)
    job_id = str((answer.value or {}).get("jobId") or "")
    if ULID.fullmatch(job_id):
        nudges.nudge(client.connection, Entity.JOB, job_id, now=client.clock())
    return answer


outbox.handles(KEY, REGISTER, Handler(perform=_register, repeats_for=timedelta(days=1)))
outbox.handles(KEY, FOLLOW, Handler(perform=_follow, repeats_for=timedelta(days=1)))
inbound.receives(KEY, Receiver(verify=verify, process=process))
