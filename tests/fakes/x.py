"""X Ads API: OAuth 1.0a, whose signature is computed here anew; micros, batches, figures by windows; and
conversions.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

SECRETS = {
    "consumer_key": "ck",
    "consumer_secret": "cs",
    "access_token": "at",
    "token_secret": "ts",
}


def error(status: int, code: str, message: str = "", *, headers: dict[str, str] | None = None) -> Reply:
    told = {"errors": [{"code": code, "message": message or code}], "request": {}}
    return json_reply(told, status=status, headers=headers)


def signature_of(method: str, url: str, oauth: dict[str, str]) -> str:
    """RFC 5849 section 3.4, written out."""

    def escaped(text: str) -> str:
        return quote(text, safe="-._~")

    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True)]
    pairs += [(name, value) for name, value in oauth.items() if name != "oauth_signature"]
    listed = "&".join(f"{name}={value}" for name, value in sorted((escaped(n), escaped(v)) for n, v in pairs))
    base = f"{method}&{escaped(f'{parts.scheme}://{parts.netloc}{parts.path}')}&{escaped(listed)}"
    key = f"{escaped(SECRETS['consumer_secret'])}&{escaped(SECRETS['token_secret'])}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


class Signed(Fake):
    """Refuses what is not signed as documented."""

    # In the town, many keys are tried.
    is_strict = True

    def refused(self, request: Seen) -> Reply | None:
        header = request.headers.get("authorization", "")
        oauth = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        url = f"http://{request.headers['host']}{request.target}"
        is_right = oauth.get("oauth_token") == "at" and oauth.get("oauth_signature") == signature_of(
            request.method, url, oauth
        )
        if self.is_strict and not is_right:
            return error(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated")
        return None


class XAds(Signed):
    name = "x_ads"

    def __init__(self, *, currency: str = "GBP", page: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.currency, self.page = currency, page
        self.campaigns: dict[str, dict[str, Any]] = {}
        # By campaign, day and placement.
        self.figures: dict[tuple[str, str, str], dict[str, int]] = {}
        self.later: dict[tuple[str, str, str], dict[str, int]] = {}

    def furnish(self) -> None:
        self.is_strict = False
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for number, name in enumerate(("Launch", "Offers")):
            key = self.add(name, micros=(10 + number) * 1_000_000)
            for ago in range(28):
                self.figures[key, (today - timedelta(days=ago)).isoformat(), "ALL_ON_TWITTER"] = {
                    "impressions": 700 + ago,
                    "clicks": 9 + ago % 4,
                    "billed_charge_local_micro": 8_250_000,
                }

    def add(self, name: str, *, micros: int = 25_500_000, status: str = "ACTIVE") -> str:
        key = f"c{self.next_id()}"
        self.campaigns[key] = {
            "id": key,
            "name": name,
            "entity_status": status,
            "effective_status": "RUNNING" if status == "ACTIVE" else status,
            "daily_budget_amount_local_micro": micros,
            "total_budget_amount_local_micro": None,
            "currency": self.currency,
            "deleted": False,
        }
        return key

    @route("GET", r"/12/accounts/(?P<account>\w+)")
    def account(self, request: Seen) -> Reply:
        told = {"id": request.args["account"], "name": "Studio North", "timezone": "America/Los_Angeles"}
        return self.refused(request) or json_reply({"data": told, "request": {}})

    @route("GET", r"/12/accounts/(?P<account>\w+)/funding_instruments")
    def funding(self, request: Seen) -> Reply:
        return self.refused(request) or json_reply({"data": [{"id": "lygyi", "currency": self.currency}]})

    @route("GET", r"/12/accounts/(?P<account>\w+)/campaigns")
    def listed(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        rows, start = list(self.campaigns.values()), int(request.query.get("cursor") or 0)
        stop = start + min(self.page, int(request.query["count"]))
        following = str(stop) if stop < len(rows) else None
        return json_reply({"data": rows[start:stop], "next_cursor": following, "request": {}})

    @route("POST", r"/12/accounts/(?P<account>\w+)/campaigns")
    def create(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        query = request.query
        if "funding_instrument_id" not in query or len(query["name"]) > 255:
            return error(400, "MISSING_PARAMETER", "funding_instrument_id is a required parameter")
        key = self.add(
            query["name"],
            micros=int(query.get("daily_budget_amount_local_micro", 0)),
            status=query["entity_status"],
        )
        return json_reply({"data": self.campaigns[key], "request": {}}, status=201)

    @route("PUT", r"/12/accounts/(?P<account>\w+)/campaigns/(?P<id>\w+)")
    def change(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        row = self.campaigns.get(request.args["id"])
        if row is None:
            return error(404, "CAMPAIGN_NOT_FOUND")
        row |= _read(request.query)
        return json_reply({"data": row, "request": {}})

    @route("DELETE", r"/12/accounts/(?P<account>\w+)/campaigns/(?P<id>\w+)")
    def delete(self, request: Seen) -> Reply:
        row = self.campaigns[request.args["id"]]
        row["deleted"] = True
        return self.refused(request) or json_reply({"data": row})

    @route("POST", r"/12/batch/accounts/(?P<account>\w+)/campaigns")
    def batch(self, request: Seen) -> Reply:
        """All or none."""
        if refused := self.refused(request):
            return refused
        faults = [
            []
            if one["params"]["campaign_id"] in self.campaigns
            else [{"code": "CAMPAIGN_NOT_FOUND", "message": "unknown"}]
            for one in request.json
        ]
        if any(faults):
            return json_reply({"data": [], "operation_errors": faults, "request": []}, status=400)
        for one in request.json:
            params = dict(one["params"])
            self.campaigns[params.pop("campaign_id")] |= params
        return json_reply({"data": [{} for _ in request.json], "request": []})

    @route("PUT", r"/12/accounts/(?P<account>\w+)/line_items/(?P<id>\w+)")
    def line_item(self, request: Seen) -> Reply:
        return self.refused(request) or json_reply({"data": {"id": request.args["id"]}})

    @route("GET", r"/12/stats/accounts/(?P<account>\w+)/active_entities")
    def active(self, request: Seen) -> Reply:
        days = self._days(request)
        ids = sorted({key for key, day, _ in self.figures if day in days})
        return self.refused(request) or json_reply({"data": [{"entity_id": one} for one in ids]})

    @route("GET", r"/12/stats/accounts/(?P<account>\w+)")
    def stats(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        query, days = request.query, self._days(request)
        ids = query["entity_ids"].split(",")
        if len(days) > 7 or len(ids) > 20:
            return error(400, "INVALID_TIME_WINDOW", "At most seven days and twenty ids")
        rows = [{"id": key, "id_data": [self._metrics(key, days, query["placement"])]} for key in ids]
        if query["placement"] == "TREND":
            self.figures |= self.later
        return json_reply({"data": rows, "time_series_length": len(days), "request": {}})

    def _metrics(self, key: str, days: list[str], placement: str) -> dict[str, Any]:
        """An array for each metric; null where there is nothing."""
        found = [self.figures.get((key, day, placement), {}) for day in days]
        names = ("impressions", "clicks", "billed_charge_local_micro")
        arrays = {name: [one.get(name, 0) for one in found] if any(found) else None for name in names}
        return {"segment": None, "metrics": arrays}

    def _days(self, request: Seen) -> list[str]:
        start, end = (
            datetime.fromisoformat(request.query[name].replace("Z", "+00:00"))
            for name in ("start_time", "end_time")
        )
        return [
            (start + timedelta(days=n)).date().isoformat()
            for n in range(round((end - start) / timedelta(days=1)))
        ]


def _read(query: dict[str, str]) -> dict[str, Any]:
    return {name: int(text) if name.endswith("micro") else text for name, text in query.items()}


class XConversions(Signed):
    name = "x_conversions"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: dict[str, dict[str, Any]] = {}

    def furnish(self) -> None:
        self.is_strict = False

    @route("POST", r"/12/measurement/conversions/(?P<pixel>\w+)")
    def take(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        conversions = request.json["conversions"]
        if not conversions:
            return error(400, "INVALID_PARAMETER", "Expected at least one conversion")
        if any(one["conversion_id"].startswith("bad") for one in conversions):
            return error(400, "INVALID_PARAMETER", "Expected a valid identifier")
        for one in conversions:
            self.events.setdefault(one["conversion_id"], one)
        return json_reply(
            {"data": {"conversions_processed": len(conversions), "debug_id": "ff"}, "request": {}}
        )
