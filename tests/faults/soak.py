"""What the workers of test_outbox.py import: two services, and how a parcel goes to each.

One drops duplicates of a day and cannot be asked. The other takes whatever comes, and can be asked.
"""

from datetime import timedelta

from apps.integrations import outbox, services, settling
from apps.integrations.http import Request
from apps.integrations.outbox import Handler
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.services import Family, Service

DROPS, ASKS = "soak_drops", "soak_asks"


def send(client, dues):
    [due] = dues
    request = Request(method="POST", url=f"/parcels/{due.call.dedup_key}", json=due.payload)
    return client.ask(
        "parcels.send",
        request,
        kind="write",
        is_idempotent=client.service.key == DROPS,
        read=lambda response: response.json()["id"],
        timeout_seconds=2.0,
        deadline_seconds=4.0,
    )


def look_up(client, due):
    answer = client.ask("parcels.find", Request(method="GET", url=f"/parcels/{due.call.dedup_key}"))
    if answer.outcome.status == 404:
        return Outcome(kind=Kind.PERMANENT_DATA, status=404)
    return settling.not_told(answer.outcome) if not answer.outcome.is_good else answer.outcome


for _key, _handler in (
    (DROPS, Handler(perform=send, repeats_for=timedelta(days=1))),
    (ASKS, Handler(perform=send, look_up=look_up)),
):
    services.register(Service(key=_key, name=_key, family=Family.CRM, base_url="http://127.0.0.1:9"))
    outbox.handles(_key, "parcels.send", _handler)
