"""Somebody's receiver of signed webhooks: keeps each message once by its id and answers 204."""

from typing import Any

from tests.fakes.server import Fake, Reply, Seen, route


class WebhookReceiver(Fake):
    name = "alert_webhook"
    hint = "any https address and any secret"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.got: dict[str, Any] = {}

    @route("POST", r"/.*")
    def receive(self, request: Seen) -> Reply:
        self.got.setdefault(request.headers["webhook-id"], request.json)
        return Reply(204)
