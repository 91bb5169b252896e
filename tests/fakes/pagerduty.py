"""PagerDuty Events version 2 as documented: one alert per deduplication key while it is open."""

from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SEVERITIES = {"critical", "error", "warning", "info"}


def invalid(*errors: str) -> Reply:
    told = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return json_reply(told, status=400)


class PagerDuty(Fake):
    name = "pagerduty"
    hint = f"integration key {ROUTING_KEY}"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Key → [state, how often it was triggered while open].
        self.alerts: dict[str, list[Any]] = {}

    @route("POST", r"/v2/enqueue")
    def enqueue(self, request: Seen) -> Reply:
        event = request.json
        if event.get("routing_key") != ROUTING_KEY:
            return invalid("'routing_key' is invalid: Invalid routing key")
        action, key = event.get("event_action"), event.get("dedup_key")
        if action not in {"trigger", "acknowledge", "resolve"}:
            return invalid("'event_action' is missing or invalid")
        if action == "trigger":
            payload = event.get("payload") or {}
            missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
            if missing or payload["severity"] not in SEVERITIES:
                return invalid(*[f"'payload.{name}' is missing or blank" for name in missing])
        elif not key:
            return invalid("'dedup_key' is missing or blank")
        key = key or f"srv{self.next_id()}"
        self._apply(action, key)
        told = {"status": "success", "message": "Event processed", "dedup_key": key}
        return json_reply(told, status=202)

    def _apply(self, action: str, key: str) -> None:
        state, times = self.alerts.get(key, ["resolved", 0])
        if action == "trigger":
            self.alerts[key] = ["triggered", 1 if state == "resolved" else times + 1]
        elif state != "resolved":
            self.alerts[key] = ["acknowledged" if action == "acknowledge" else "resolved", times]
