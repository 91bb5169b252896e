"""Slack as documented: webhooks that answer in plain words, and a bot's calls that answer 200 whatever
happens.
"""

from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route, text_reply

HOOK = "/services/T0001/B0001/hook-secret"
BOT = "xoxb-token"


class Slack(Fake):
    name = "slack"
    hint = f"webhook https://hooks.slack.com{HOOK}, or bot token {BOT} and channel C0001"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Channel and moment → the message as it now stands.
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.channels = {"C0001"}

    @route("POST", r"/services/(?P<team>\w+)/(?P<hook>\w+)/(?P<secret>[\w-]+)")
    def by_webhook(self, request: Seen) -> Reply:
        if request.path != HOOK:
            return text_reply("no_service", status=404)
        body = request.json
        if not body.get("text"):
            return text_reply("no_text", status=400)
        if len(body.get("blocks", [])) > 50:
            return text_reply("invalid_blocks", status=400)
        self._keep("webhook", body)
        return text_reply("ok")

    @route("POST", r"/api/chat\.postMessage")
    def post(self, request: Seen) -> Reply:
        body = request.json
        if refused := self._refused(request, body):
            return refused
        moment = self._keep(body["channel"], body)
        return json_reply({"ok": True, "channel": body["channel"], "ts": moment, "message": {}})

    @route("POST", r"/api/chat\.update")
    def update(self, request: Seen) -> Reply:
        body = request.json
        if refused := self._refused(request, body):
            return refused
        key = (body["channel"], body["ts"])
        if key not in self.messages:
            return json_reply({"ok": False, "error": "message_not_found"})
        self.messages[key] = body
        return json_reply({"ok": True, "channel": key[0], "ts": key[1], "text": body["text"]})

    def _refused(self, request: Seen, body: dict[str, Any]) -> Reply | None:
        if request.headers.get("authorization") != f"Bearer {BOT}":
            return json_reply({"ok": False, "error": "invalid_auth"})
        if body.get("channel") not in self.channels:
            return json_reply({"ok": False, "error": "channel_not_found"})
        return None

    def _keep(self, channel: str, body: dict[str, Any]) -> str:
        moment = f"1700000000.{self.next_id():06d}"
        self.messages[channel, moment] = body
        return moment
