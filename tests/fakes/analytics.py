"""Mixpanel's /import and Amplitude's HTTP V2 and batch door: each event checked by itself, answers by
index.
"""

import base64
import gzip
import json
import re
from collections import Counter
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
NOBODY = {
    "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na",
    "undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}",
}  # fmt: skip
USER, SECRET, API_KEY, SECRET_KEY = "bw.1234.mp-service-account", "mp-secret", "amp-key", "amp-secret"
MIB = 1_024 * 1_024
SEVEN_DAYS = 7 * 86_400.0


def opened(request: Seen) -> bytes:
    """The body as it was before it was packed."""
    return (
        gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
    )


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Mixpanel(Fake):
    """Good events of a bad request are stored; one known by name, time, person and insert id counts once."""

    name = "mixpanel"
    hint = "project 123, service account bw.1234.mp-service-account, secret mp-secret"
    most_events, most_bytes = 2_000, 2_097_152

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: dict[tuple[str, int, str, str], dict[str, Any]] = {}
        self.forgotten: list[str] = []

    @route("POST", r"/import")
    def take(self, request: Seen) -> Reply:
        if request.headers.get("authorization") != basic(USER, SECRET):
            return self._said(401, "Invalid credentials", status="Unauthorized")
        body = opened(request)
        if len(body) > self.most_bytes:
            return self._said(413, "request exceeds max limit of 2097152 bytes")
        told = json.loads(body)
        if len(told) > self.most_events:
            return self._said(413, "request exceeds max limit of 2000 events")
        failed = [fault for place, one in enumerate(told) if (fault := self._fault(place, one))]
        bad = {one["index"] for one in failed}
        for place, one in enumerate(told):
            if place not in bad:
                known = one["properties"]
                key = (one["event"], known["time"], known["distinct_id"], known["$insert_id"])
                self.events.setdefault(key, one)
        if failed:
            words = "some data points in the request failed validation"
            return self._said(
                400,
                words,
                status="Bad Request",
                failed_records=failed,
                num_records_imported=len(told) - len(bad),
            )
        return json_reply({"code": 200, "num_records_imported": len(told), "status": "OK"})

    @route("POST", r"/api/app/data-deletions/v3.0/")
    def forget(self, request: Seen) -> Reply:
        if (
            request.query.get("token") != "mp-token"
            or request.headers.get("authorization") != "Bearer mp-gdpr"
        ):
            return self._said(401, "Invalid credentials", status="Unauthorized")
        self.forgotten += request.json["distinct_ids"]
        return json_reply({"status": "ok", "results": [{"task_id": str(self.next_id())}]})

    def _fault(self, place: int, event: dict[str, Any]) -> dict[str, Any] | None:
        known = event.get("properties", {})
        field, message = "", ""
        if not event.get("event"):
            field, message = "event", "must not be missing or empty"
        elif not isinstance(known.get("time"), int) or known["time"] / 1_000 > self.now() + 3_600:
            field, message = (
                "properties.time",
                "'properties.time' is invalid: must be specified as seconds or millis",
            )
        elif not INSERT_ID.fullmatch(str(known.get("$insert_id", ""))):
            field, message = "properties.$insert_id", "'$insert_id' is invalid: must match [A-Za-z0-9-]{1,36}"
        elif str(known.get("distinct_id", "")).lower() in NOBODY:
            field, message = "properties.distinct_id", "'distinct_id' is invalid"
        elif len(known) >= 255 or str(known.get("event_id", "")).startswith("bad"):
            field, message = "properties", "has too many properties"
        found = {"index": place, "$insert_id": known.get("$insert_id"), "field": field, "message": message}
        return found if field else None

    def _said(self, code: int, error: str, **more: Any) -> Reply:
        return json_reply({"code": code, "error": error, **more}, status=code)


class Amplitude(Fake):
    """A request is taken whole or not at all; an insert id of the last seven days is dropped; a person may
    send so many a second, and so many a day.
    """

    name = "amplitude"
    hint = "API key amp-key, secret key amp-secret"

    def __init__(self, *, per_second: int = 30, per_day: int = 500_000, **options: Any) -> None:
        super().__init__(**options)
        self.per_second, self.per_day = per_second, per_day
        self.stored: dict[str, dict[str, Any]] = {}
        self.silenced: set[str] = set()
        self.forgotten: list[str] = []
        self._heard: dict[str, list[float]] = {}

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(self.stored.values())

    @route("POST", r"/2/httpapi")
    def take_few(self, request: Seen) -> Reply:
        return self._take(request, most_bytes=MIB)

    @route("POST", r"/batch")
    def take_many(self, request: Seen) -> Reply:
        return self._take(request, most_bytes=20 * MIB)

    def _take(self, request: Seen, *, most_bytes: int) -> Reply:
        body = opened(request)
        if len(body) >= most_bytes:
            return json_reply({"code": 413, "error": "Payload too large"}, status=413)
        told = json.loads(body)
        if "api_key" not in told:
            return self._bad("Request missing required field", missing_field="api_key")
        if told["api_key"] != API_KEY:
            return self._bad(f"Invalid API key: {told['api_key']}")
        if not (events := told.get("events")):
            return self._bad("Request missing required field", missing_field="events")
        refused = self._faulty(events, told) or self._silence(events) or self._throttle(events)
        if refused is not None:
            return refused
        for one in events:
            self._heard.setdefault(one["user_id"], []).append(self.now())
            known = self.stored.get(one["insert_id"])
            if known is None or known["at"] < self.now() - SEVEN_DAYS:
                self.stored[one["insert_id"]] = {**one, "at": self.now()}
        return json_reply(
            {
                "code": 200,
                "events_ingested": len(events),
                "payload_size_bytes": len(body),
                "server_upload_time": int(self.now() * 1_000),
            }
        )

    @route("POST", r"/api/2/deletions/users")
    def forget(self, request: Seen) -> Reply:
        if request.headers.get("authorization") != basic(API_KEY, SECRET_KEY):
            return Reply(401)
        self.forgotten += request.json["user_ids"]
        return json_reply([{"day": "2026-12-30", "status": "staging", "amplitude_ids": []}])

    def _faulty(self, events: list[dict[str, Any]], told: dict[str, Any]) -> Reply | None:
        missing: dict[str, list[int]] = {}
        invalid: dict[str, list[int]] = {}
        shortest = told.get("options", {}).get("min_id_length", 5)
        for place, one in enumerate(events):
            for field in ("event_type", "user_id"):
                if not one.get(field):
                    missing.setdefault(field, []).append(place)
            if not isinstance(one.get("time"), int) or one["time"] < 10**12:
                invalid.setdefault("time", []).append(place)
            user = str(one.get("user_id", ""))
            if user.lower() in NOBODY or len(user) < shortest:
                invalid.setdefault("user_id", []).append(place)
            if str(one.get("event_properties", {}).get("event_id", "")).startswith("bad"):
                invalid.setdefault("event_properties", []).append(place)
        if not missing and not invalid:
            return None
        words = "Request missing required field" if missing else "Invalid field values on some events"
        return self._bad(words, events_with_missing_fields=missing, events_with_invalid_fields=invalid)

    def _silence(self, events: list[dict[str, Any]]) -> Reply | None:
        places = [place for place, one in enumerate(events) if one["user_id"] in self.silenced]
        if not places:
            return None
        return self._bad(
            "Events silenced for device_id", silenced_devices=sorted(self.silenced), silenced_events=places
        )

    def _throttle(self, events: list[dict[str, Any]]) -> Reply | None:
        """Per person: the mean of the last thirty seconds, and the day."""
        many, spent, places = {}, {}, []
        counts = Counter(one["user_id"] for one in events)
        for user, count in counts.items():
            heard = self._heard.get(user, [])
            recent = count + sum(at > self.now() - 30 for at in heard)
            if recent > self.per_second * 30:
                many[user] = recent // 30 + 1
            today = count + sum(at > self.now() - 86_400 for at in heard)
            if today > self.per_day:
                spent[user] = today
        places = [place for place, one in enumerate(events) if one["user_id"] in {*many, *spent}]
        if not places:
            return None
        told = {
            "code": 429,
            "error": "Too many requests for some devices and users",
            "eps_threshold": self.per_second,
            "throttled_devices": {},
            "throttled_users": many,
            "throttled_events": places,
            "exceeded_daily_quota_users": spent,
            "exceeded_daily_quota_devices": {},
        }
        return json_reply(told, status=429)

    def _bad(self, error: str, **more: Any) -> Reply:
        return json_reply({"code": 400, "error": error, **more}, status=400)
