"""A customer's system that takes webhooks and keeps them."""

import base64
import hashlib
import hmac

from tests.fakes.server import Fake, Reply, Seen, json_reply, route


class Webhook(Fake):
    name = "webhook"

    @route("POST", r"/.*")
    def take(self, request: Seen) -> Reply:
        return json_reply({"taken": True})

    def is_signed(self, request: Seen, secret: str) -> bool:
        """Whether one of the signatures is by the secret, computed as the specification says."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        text = (
            f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        )
        wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return wanted in request.headers["webhook-signature"].split(" ")
