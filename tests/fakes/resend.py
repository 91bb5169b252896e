"""Resend as documented: an idempotency store of 24 hours, two requests a second, quotas, batches of 100,
events signed as Svix does it and told to whoever asked for them (POST /webhooks).
"""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from tests.fakes import server
from tests.fakes.server import Answer, Fake, Fault, Reply, Seen, json_reply, route
from tests.fakes.telling import COMPLAINT_SECONDS, SOONEST_SECONDS, Teller, fate_of

KEY = "re_123456789"
SECRET = "whsec_" + base64.b64encode(b"resend-signing-secret-of-32bytes").decode()
DAY = 86_400.0
# With each kind what its event tells beside the message.
TOLD: dict[str, dict[str, Any]] = {
    "sent": {},
    "delivered": {},
    "delivery_delayed": {},
    "bounced": {
        "bounce": {
            "type": "Permanent",
            "subType": "General",
            "message": "The recipient's mail server does not know this address.",
        }
    },
    "complained": {},
    "failed": {"failed": {"reason": "reached_daily_quota"}},
    "suppressed": {"suppressed": {"reason": "previous_bounce"}},
}


def error(status: int, name: str, message: str = "", headers: dict[str, str] | None = None) -> Reply:
    return json_reply(
        {"statusCode": status, "name": name, "message": message}, status=status, headers=headers
    )


FAULTS: dict[str, Fault] = {
    **server.FAULTS,
    "429": Answer(error(429, "rate_limit_exceeded", "Too many requests.", {"Retry-After": "1"})),
    "quota": Answer(error(429, "daily_quota_exceeded", "You have reached your daily email sending quota.")),
    "401": Answer(error(401, "missing_api_key", "Missing API key in the authorization header.")),
    "500": Answer(error(500, "internal_server_error", "Something went wrong.")),
}


class Resend(Fake):
    name = "resend"
    faults: ClassVar[dict[str, Fault]] = FAULTS

    def __init__(self, *, per_second: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.per_second = per_second
        self.daily_quota: int | None = None
        # Addresses that are none, for it.
        self.refuses: set[str] = set()
        self.sent: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, tuple[float, bytes, Reply]] = {}
        self._asked: list[float] = []
        self.teller = Teller()
        self.wanted: set[str] = set()

    @route("POST", r"/webhooks")
    def listen(self, request: Seen) -> Reply:
        """Events go there from now on; one address at a time, and the secret is always the same."""
        if refused := self._refused(request):
            return refused
        kinds = {str(one).removeprefix("email.") for one in request.json.get("events") or []}
        if not str(request.json.get("endpoint", "")).startswith("http") or not kinds:
            return error(422, "missing_required_field", "Missing `endpoint` or `events` field.")
        self.wanted = kinds
        self.teller.reaches(request.json["endpoint"])
        return json_reply(
            {"object": "webhook", "id": str(uuid.uuid4()), "signing_secret": SECRET}, status=201
        )

    @route("POST", r"/emails")
    def send(self, request: Seen) -> Reply:
        return self._refused(request) or self._once(request, lambda: self._keep(request.json))

    @route("POST", r"/emails/batch")
    def batch(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        if not 1 <= len(request.json) <= 100:
            return error(422, "validation_error", "A batch has 1 to 100 messages.")
        if any("@" not in one or one in self.refuses for message in request.json for one in message["to"]):
            return error(422, "validation_error", "Invalid `to` field. The email address is not valid.")
        return self._once(
            request, lambda: json_reply({"data": [{"id": self._id(one)} for one in request.json]})
        )

    @route("GET", r"/emails/(?P<id>.+)")
    def read(self, request: Seen) -> Reply:
        known = self.sent.get(request.args["id"])
        return (
            json_reply({"object": "email", **known}) if known else error(404, "not_found", "Email not found")
        )

    @route("GET", r"/domains")
    def domains(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply(
            {"data": [{"name": "studio.example", "status": "verified"}]}
        )

    def _refused(self, request: Seen) -> Reply | None:
        if "authorization" not in request.headers:
            return error(401, "missing_api_key", "Missing API key in the authorization header.")
        if request.headers["authorization"] != f"Bearer {KEY}":
            return error(403, "invalid_api_key", "API key is invalid")
        if "user-agent" not in request.headers:
            return Reply(403, b"error code: 1010")
        self._asked = [at for at in self._asked if at > self.now() - 1.0]
        if len(self._asked) >= self.per_second:
            limits = {"ratelimit-limit": str(self.per_second), "ratelimit-remaining": "0"}
            limits |= {"ratelimit-reset": "1", "retry-after": "1"}
            return error(429, "rate_limit_exceeded", "Too many requests.", headers=limits)
        self._asked.append(self.now())
        return None

    def _once(self, request: Seen, deed: Any) -> Reply:
        key = request.headers.get("idempotency-key", "")
        if len(key) > 256:
            return error(400, "invalid_idempotency_key", "The key is too long.")
        at, body, reply = self._answers.get(key, (float("-inf"), b"", Reply()))
        if key and at > self.now() - DAY:
            is_same = body == request.body
            return (
                reply if is_same else error(409, "invalid_idempotent_request", "Another payload had the key.")
            )
        reply = deed()
        if key and reply.status == 200:
            self._answers[key] = (self.now(), request.body, reply)
        return reply

    def _keep(self, message: dict[str, Any]) -> Reply:
        missing = [name for name in ("from", "to", "subject") if not message.get(name)]
        if missing:
            return error(422, "missing_required_field", f"Missing `{missing[0]}` field.")
        if any("@" not in one for one in message["to"]) or len(message["to"]) > 50:
            return error(422, "validation_error", "Invalid `to` field. The email address is not valid.")
        if self.daily_quota is not None and len(self.sent) >= self.daily_quota:
            return error(429, "daily_quota_exceeded", "You have reached your daily email sending quota.")
        return json_reply({"id": self._id(message)})

    def _id(self, message: dict[str, Any]) -> str:
        key = str(uuid.uuid4())
        self.sent[key] = {"id": key, "last_event": "sent", **message}
        fate = fate_of(message["to"][0])
        self.tell("sent", key)
        self.tell("bounced" if fate == "bounced" else "delivered", key, seconds=2 * SOONEST_SECONDS)
        if fate == "complained":
            self.tell("complained", key, seconds=COMPLAINT_SECONDS)
        return key

    def tell_of(self, to: str, kind: str) -> bool:
        """At once, of the last message to an address. False where it had none."""
        keys = [key for key, one in self.sent.items() if to in one["to"]]
        if keys:
            self.tell(kind, keys[-1], seconds=0.0)
        return bool(keys)

    def tell(self, kind: str, key: str, *, seconds: float = SOONEST_SECONDS) -> None:
        """Have an event of a message posted, if events of that kind were asked for."""
        if kind in self.wanted:
            self.teller.tell(partial(self._happened, kind, key, TOLD[kind]), seconds=seconds)

    def _happened(self, kind: str, key: str, more: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        self.sent[key]["last_event"] = kind
        return self.signed(self.event(f"email.{kind}", key, **more))

    def event(self, kind: str, key: str, **data: Any) -> dict[str, Any]:
        """The document of a webhook."""
        of = self.sent[key]
        tags = {one["name"]: one["value"] for one in of.get("tags", [])}
        at = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told = {"created_at": at, "email_id": key, "from": of.get("from", ""), "to": of["to"]}
        return {
            "type": kind,
            "created_at": at,
            "data": {**told, "subject": of.get("subject", ""), "tags": tags, **data},
        }

    def signed(self, document: dict[str, Any], *, at: float | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a webhook, as Svix signs it."""
        body = json.dumps(document).encode()
        message_id, stamp = f"msg_{secrets.token_hex(10)}", str(int(self.now() if at is None else at))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        text = f"{message_id}.{stamp}.".encode() + body
        signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return body, {"svix-id": message_id, "svix-timestamp": stamp, "svix-signature": f"v1,{signature}"}
