"""Meta's Conversions API, Google's Data Manager and the Measurement Protocol of Analytics."""

import re
from typing import Any

from tests.fakes import meta
from tests.fakes.server import Fake, Reply, Seen, json_reply, route

HEX = re.compile(r"[0-9a-f]{64}")
OLDEST_SECONDS = 7 * 86_400
GOOGLE_TOKEN, CAPI_TOKEN = "ya29.token", "EAAB-capi"


class MetaConversions(Fake):
    """One event that is too old fails all of its batch; an id and name seen before counts once."""

    name = "meta_conversions"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.token: str | None = None
        self.events: dict[tuple[str, str], dict[str, Any]] = {}

    @route("GET", r"/v[\d.]+/(?P<dataset>\d+)")
    def dataset(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply({"id": request.args["dataset"], "name": "Studio site"})

    @route("POST", r"/v[\d.]+/(?P<dataset>\d+)/events")
    def take(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        data = request.json["data"]
        for one in data:
            if fault := self._fault(one):
                return fault
        for one in data:
            self.events.setdefault((one["event_name"], one["event_id"]), one)
        return json_reply({"events_received": len(data), "messages": [], "fbtrace_id": "A1"})

    def _fault(self, event: dict[str, Any]) -> Reply | None:
        if event["event_time"] < self.now() - OLDEST_SECONDS or event["event_id"].startswith("bad"):
            return meta.error(
                100, "Invalid parameter", subcode=2804003, error_user_title="Event Timestamp Too Old"
            )
        hashed = [one for name in ("em", "ph", "fn", "ln") for one in event["user_data"].get(name, [])]
        if not all(HEX.fullmatch(one) for one in hashed):
            return meta.error(100, "Invalid parameter", subcode=2804048)
        if event["action_source"] == "website" and "client_user_agent" not in event["user_data"]:
            return meta.error(100, "Invalid parameter", subcode=2804017)
        return None

    def _refused(self, request: Seen) -> Reply | None:
        if self.token is None or request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return meta.error(190, "Error validating access token", subcode=463, status=401)


def google_error(status: int, words: str, reason: str, message: str = "") -> Reply:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    told = {"code": status, "message": message or reason, "status": words, "details": [info]}
    return json_reply({"error": told}, status=status)


class GoogleConversions(Fake):
    """One bad event fails the request; what was taken is worked through by the time it is asked for."""

    name = "google_conversions"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.token = GOOGLE_TOKEN
        self.events: dict[str, dict[str, Any]] = {}
        # What a request's status is, by its id; PROCESSING until a test says otherwise.
        self.statuses: dict[str, dict[str, Any]] = {}

    @route("POST", r"/v1/events:ingest")
    def ingest(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        body = request.json
        if len(body["events"]) > 2_000:
            return google_error(400, "INVALID_ARGUMENT", "TOO_MANY_EVENTS")
        for one in body["events"]:
            if reason := self._fault(one):
                return google_error(400, "INVALID_ARGUMENT", reason)
        if not body.get("validateOnly"):
            self.events |= {one["transactionId"]: one for one in body["events"]}
        key = f"r{self.next_id()}"
        self.statuses[key] = {"requestStatus": "PROCESSING"}
        return json_reply({"requestId": key})

    def _fault(self, event: dict[str, Any]) -> str:
        identifiers = event.get("userData", {}).get("userIdentifiers", [])
        hashed = [one[name] for one in identifiers for name in ("emailAddress", "phoneNumber") if name in one]
        if not all(HEX.fullmatch(one) for one in hashed):
            return "INVALID_SHA256_FORMAT"
        if not identifiers and not event.get("adIdentifiers"):
            return "NO_IDENTIFIERS_PROVIDED"
        return "INVALID_CURRENCY_CODE" if event["transactionId"].startswith("bad") else ""

    @route("GET", r"/v1/requestStatus:retrieve")
    def status(self, request: Seen) -> Reply:
        known = self.statuses.get(request.query["requestId"])
        if known is None:
            return google_error(404, "NOT_FOUND", "REQUEST_NOT_FOUND")
        return self._refused(request) or json_reply({"requestStatusPerDestination": [known]})

    @route("GET", r"/o/oauth2/v2/auth")
    def dialog(self, request: Seen) -> Reply:
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=g-code&state={query['state']}"})

    @route("POST", r"/token")
    def token_for(self, request: Seen) -> Reply:
        told = {"access_token": self.token, "expires_in": 3599, "refresh_token": "1//refresh"}
        return json_reply({**told, "scope": "https://www.googleapis.com/auth/datamanager"})

    @route("POST", r"/revoke")
    def revoke(self, request: Seen) -> Reply:
        return json_reply({})

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return google_error(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")


class Ga4(Fake):
    """204 to everything, right or wrong; the door for checks says what is wrong."""

    name = "ga4"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: list[dict[str, Any]] = []

    @route("POST", r"/mp/collect")
    def collect(self, request: Seen) -> Reply:
        body = request.json
        self.events += [{**one, "client_id": body.get("client_id")} for one in body.get("events", [])]
        return Reply(204)

    @route("POST", r"/debug/mp/collect")
    def debug(self, request: Seen) -> Reply:
        bad = [
            {
                "fieldPath": "events",
                "description": f"{one['name']} is no name",
                "validationCode": "NAME_INVALID",
            }
            for one in request.json["events"]
            if not re.fullmatch(r"[A-Za-z]\w{0,39}", one["name"])
        ]
        return json_reply({"validationMessages": bad})
