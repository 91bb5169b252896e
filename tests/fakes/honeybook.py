"""HoneyBook as it is reached: a catch hook of Zapier's that takes leads, and Zaps that tell what happened.

`zap(...)` is a message as "Webhooks by Zapier" posts it; `deliver` posts it, as often and in whatever order
Zapier does.
"""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

CATCH = "https://hooks.zapier.com/hooks/catch/1234567/abc123/"
OFF = "https://hooks.zapier.com/hooks/catch/1234567/gone00/"


def zap(event: str = "new_inquiry", **fields: Any) -> dict[str, Any]:
    """A message with every documented field. A field that is given as None is left out."""
    told = {
        "event": event,
        "project_id": "hb-501",
        "client_name": "Alice Hart",
        "client_email": "alice.hart@example.com",
        "phone": "+447700900123",
        "project_name": "Alice & Ben",
        "project_type": "Wedding",
        "event_date": "2027-06-12",
        "total": "3,250.00",
        "stage": "Inquiry",
        "occurred_at": "2026-11-20T12:00:00Z",
        **fields,
    }
    return {name: value for name, value in told.items() if value is not None}


class HoneyBook(Fake):
    name = "honeybook"
    hint = (
        f"catch hook {CATCH}; a year of messages comes in by "
        'curl -d \'{"to": "<where it reaches us>"}\' <fakes>/honeybook/zaps'
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.caught: list[dict[str, Any]] = []

    @route("POST", r"/hooks/catch/(?P<user>\d+)/(?P<hook>\w+)/?")
    def catch(self, request: Seen) -> Reply:
        if request.args["hook"] == "gone00":
            return json_reply({"status": "error", "message": "This hook was deleted."}, status=410)
        self.caught.append(request.json)
        key = f"0193-{self.next_id():04d}"
        told = {"attempt": key, "id": key, "request_id": key, "status": "success"}
        return json_reply(told)

    @route("POST", r"/zaps")
    def tell_a_year(self, request: Seen) -> Reply:
        """For people who look around: three projects from the first inquiry to the last payment."""
        wanted = request.json
        sent = [self.deliver(wanted["to"], one, secret=wanted.get("secret", "")) for one in self.year()]
        return json_reply({"sent": len(sent), "statuses": sorted(set(sent))})

    def year(self) -> list[dict[str, Any]]:
        today = datetime.fromtimestamp(self.now(), UTC)
        told = []
        for number, (first, other) in enumerate((("Ada", "Max"), ("Nora", "Sam"), ("Ruth", "Leo"))):
            about = {
                "project_id": f"hb-{700 + number}",
                "client_name": f"{first} Lane",
                "client_email": f"{first.lower()}.lane@example.com",
                "phone": f"+4477009008{number:02d}",
                "project_name": f"{first} & {other}",
                "event_date": (today + timedelta(days=90 + 60 * number)).date().isoformat(),
            }
            steps = (("new_inquiry", "Inquiry"), ("project_booked", None), ("payment_received", None))
            for step, (event, stage) in enumerate(steps[: 3 - number]):
                at = today - timedelta(days=40 - 15 * step)
                told.append(zap(event, **about, stage=stage, occurred_at=at.isoformat()))
        return told

    def deliver(self, to: str, message: dict[str, Any], *, secret: str = "", as_form: bool = False) -> int:
        """Post it as a Zap does. The status of the answer."""
        body = urlencode(message).encode() if as_form else json.dumps(message).encode()
        kind = "application/x-www-form-urlencoded" if as_form else "application/json"
        headers = {"Content-Type": kind, "User-Agent": "Zapier"}
        headers |= {"X-Bellwether-Secret": secret} if secret else {}
        request = urllib.request.Request(to, body, headers)  # noqa: S310 - a fake's
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - a fake's
            return int(answer.status)
