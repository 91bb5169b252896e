"""Mailgun as documented: forms in, events to ask for, no memory for repeats, signed webhooks whose signature
leaves the content out, told to whoever asked for them (POST /v3/domains/<domain>/webhooks).
"""

import base64
import hashlib
import hmac
import json
import secrets
from email import message_from_bytes
from functools import partial
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route, text_reply
from tests.fakes.telling import COMPLAINT_SECONDS, SOONEST_SECONDS, Teller, fate_of

KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
SIGNING_KEY = "mailgun-webhook-signing-key"
DOMAIN = "mg.studio.example"
# With each kind of webhook: the event, and what it tells beside the message.
TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "accepted": ("accepted", {}),
    "delivered": ("delivered", {"delivery-status": {"code": 250, "message": "OK"}}),
    "temporary_fail": ("failed", {"severity": "temporary", "reason": "generic"}),
    "permanent_fail": (
        "failed",
        {
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {"code": 550, "message": "No such user"},
        },
    ),
    "complained": ("complained", {}),
    "unsubscribed": ("unsubscribed", {}),
}


def form_of(request: Seen) -> dict[str, list[str]]:
    """The fields of a multipart form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + request.body)
    fields: dict[str, list[str]] = {}
    for part in parts.get_payload():  # type: ignore[union-attr]
        name = str(part.get_param("name", header="content-disposition"))  # type: ignore[union-attr]
        fields.setdefault(name, []).append(part.get_payload(decode=True).decode())  # type: ignore[union-attr]
    return fields


class Mailgun(Fake):
    name = "mailgun"

    def __init__(self, *, domain: str = DOMAIN, region: str = "us", **options: Any) -> None:
        super().__init__(**options)
        self.domain, self.region = domain, region
        self.sent: list[dict[str, list[str]]] = []
        self.mime: list[bytes] = []
        # Of each message that was taken: its address, and its words as they came.
        self.taken: list[tuple[str, dict[str, list[str]]]] = []
        self.events: list[dict[str, Any]] = []
        # An event is listed only so long after it happened.
        self.lag_seconds = 0.0
        self.teller = Teller()
        self.wanted: set[str] = set()

    @route("POST", r"/v3/domains/(?P<domain>[^/]+)/webhooks")
    def listen(self, request: Seen) -> Reply:
        """Events of the kind `id` go to `url` from now on; one address for all kinds."""
        if refused := self._refused(request):
            return refused
        is_form = "multipart" in request.headers.get("content-type", "")
        form = {name: said[0] for name, said in form_of(request).items()} if is_form else request.form
        if form.get("id") not in TOLD or not form.get("url", "").startswith("http"):
            return json_reply({"message": "id and url are needed"}, status=400)
        self.wanted.add(form["id"])
        self.teller.reaches(form["url"])
        told = {"message": "Webhook has been created", "webhook": {"urls": [form["url"]]}}
        return json_reply(told)

    @route("POST", r"/v3/(?P<domain>[^/]+)/messages\.mime")
    def send_mime(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        form = form_of(request)
        if "@" not in form.get("to", [""])[0] or not form.get("message"):
            return json_reply({"message": "to parameter is not a valid address"}, status=400)
        whole = form["message"][0].encode()
        given = message_from_bytes(whole)["Message-ID"] or f"<{self.next_id()}@{self.domain}>"
        self.mime.append(whole)
        self.taken.append((form["to"][0], form))
        variables = {name[2:]: said[0] for name, said in form.items() if name.startswith("v:")}
        self._live(given, form["to"][0], {"user-variables": variables})
        return json_reply({"id": given, "message": "Queued. Thank you."})

    @route("POST", r"/v3/(?P<domain>[^/]+)/messages")
    def send(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        form = form_of(request)
        addresses = [one.strip() for text in form.get("to", []) for one in text.split(",")]
        if not addresses or any("@" not in one for one in addresses):
            return json_reply(
                {"message": "to parameter is not a valid address. please check documentation"}, status=400
            )
        if len(addresses) > 1_000:
            return json_reply({"message": "too many recipients"}, status=400)
        given = form.get("h:Message-Id", [f"<{secrets.token_hex(12)}@{self.domain}>"])[0]
        self.sent.append(form)
        self.taken += [(one, form) for one in addresses]
        key = form.get("v:delivery", [""])[0]
        for one in addresses:
            self._live(given, one, {"user-variables": {"delivery": key}} if key else {})
        return json_reply({"id": given, "message": "Queued. Thank you."})

    @route("GET", r"/v3/(?P<domain>[^/]+)/events")
    def listed(self, request: Seen) -> Reply:
        wanted = request.query.get("message-id")
        until = self.now() - self.lag_seconds
        items = [
            one
            for one in self.events
            if one["message"]["headers"]["message-id"] == wanted and one["timestamp"] <= until
        ]
        return self._refused(request) or json_reply({"items": items, "paging": {}})

    @route("GET", r"/v3/domains/(?P<domain>[^/]+)")
    def read(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply({"domain": {"name": self.domain, "state": "active"}})

    def unknown(self, request: Seen) -> Reply:
        """A wrong path is greeted, with status 200."""
        return text_reply("Mailgun Magnificent API")

    def _refused(self, request: Seen) -> Reply | None:
        wanted = base64.b64encode(f"api:{KEY}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return text_reply("Forbidden", status=401)
        if request.args["domain"] != self.domain:
            return json_reply({"message": f"Domain not found: {request.args['domain']}"}, status=404)
        return None

    def _live(self, message_id: str, to: str, more: dict[str, Any]) -> None:
        """From the moment it is taken on."""
        self.happened("accepted", message_id, to, **more)
        fate = fate_of(to)
        kind = "permanent_fail" if fate == "bounced" else "delivered"
        self.tell(kind, message_id, to, seconds=2 * SOONEST_SECONDS, **more)
        if fate == "complained":
            self.tell("complained", message_id, to, seconds=COMPLAINT_SECONDS, **more)

    def tell_of(self, to: str, kind: str) -> bool:
        """At once, of the last message to an address. False where it had none."""
        known = [one for one in self.events if one["recipient"] == to]
        if known:
            name, variables = known[-1]["message"]["headers"]["message-id"], known[-1]["user-variables"]
            self.tell(kind, f"<{name}>", to, seconds=0.0, **{"user-variables": variables})
        return bool(known)

    def tell(
        self, kind: str, message_id: str, to: str, *, seconds: float = SOONEST_SECONDS, **more: Any
    ) -> None:
        """Have an event of a message posted, if events of that kind were asked for."""
        if kind in self.wanted:
            self.teller.tell(partial(self._told, kind, message_id, to, more), seconds=seconds)

    def _told(
        self, kind: str, message_id: str, to: str, more: dict[str, Any]
    ) -> tuple[bytes, dict[str, str]]:
        event, told = TOLD[kind]
        return self.signed(self.happened(event, message_id, to, **{**told, **more})), {}

    def happened(
        self, event: str, message_id: str, recipient: str, key: str = "", **more: Any
    ) -> dict[str, Any]:
        """An event of a message, kept in the list."""
        made = {
            "event": event,
            "id": secrets.token_hex(8),
            "timestamp": self.now(),
            "recipient": recipient,
            "message": {"headers": {"message-id": message_id.strip("<>")}},
            "user-variables": {"delivery": key} if key else {},
            **more,
        }
        self.events.append(made)
        return made

    def signed(self, event: dict[str, Any], *, at: float | None = None) -> bytes:
        """The body of a webhook."""
        stamp, token = str(int(self.now() if at is None else at)), secrets.token_hex(25)
        digest = hmac.new(SIGNING_KEY.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
        signature = {"timestamp": stamp, "token": token, "signature": digest}
        return json.dumps({"signature": signature, "event-data": event}).encode()
