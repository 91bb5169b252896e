"""LinkedIn's Rest.li: headers, ids in a header, partial updates, reports without pages; and conversions, with
a status for each element.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route, text_reply

TOKEN = "AQX-token"


def error(status: int, code: str, message: str, service_code: int = 0) -> Reply:
    told = {"status": status, "serviceErrorCode": service_code, "code": code, "message": message}
    return json_reply(told, status=status)


class RestLi(Fake):
    """What both of its doors share: versions, tokens, the way in."""

    versions = ("202609",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.token = TOKEN

    def refused(self, request: Seen) -> Reply | None:
        headers = request.headers
        if headers.get("authorization") != f"Bearer {self.token}":
            return error(401, "INVALID_ACCESS_TOKEN", "Invalid access token", 65_600)
        if headers.get("linkedin-version") not in self.versions:
            version = headers.get("linkedin-version")
            return error(426, "NONEXISTENT_VERSION", f"Requested version {version} is not active")
        if headers.get("x-restli-protocol-version") != "2.0.0":
            return error(400, "VERSION", "The protocol version is missing")
        return None

    @route("GET", r"/oauth/v2/authorization")
    def dialog(self, request: Seen) -> Reply:
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=li-code&state={query['state']}"})

    @route("POST", r"/oauth/v2/accessToken")
    def token_for(self, request: Seen) -> Reply:
        return json_reply(
            {"access_token": self.token, "expires_in": 5_184_000, "refresh_token": "AQX-refresh"}
        )


class LinkedInAds(RestLi):
    name = "linkedin_ads"

    def __init__(self, *, currency: str = "GBP", page: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.currency, self.page = currency, page
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.figures: dict[tuple[str, str], dict[str, Any]] = {}
        self.later: dict[tuple[str, str], dict[str, Any]] = {}
        self.most_rows = 15_000

    def furnish(self) -> None:
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for number, name in enumerate(("Venue owners", "Planners", "Corporate")):
            key = self.add(name, amount=f"{30 + number * 10}.00")
            for ago in range(28):
                self.figures[key, (today - timedelta(days=ago)).isoformat()] = {
                    "impressions": 400 + ago % 9,
                    "clicks": 6 + ago % 3,
                    "costInLocalCurrency": f"{22 + number}.40",
                }

    def add(self, name: str, *, amount: str = "25.50", status: str = "ACTIVE") -> str:
        key = str(300_000 + self.next_id())
        self.campaigns[key] = {
            "id": int(key),
            "name": name,
            "status": status,
            "objectiveType": "LEAD_GENERATION",
            "dailyBudget": {"amount": amount, "currencyCode": self.currency},
        }
        return key

    @route("GET", r"/rest/adAccounts/(?P<account>\d+)")
    def account(self, request: Seen) -> Reply:
        told = {"id": int(request.args["account"]), "name": "Studio North", "currency": self.currency}
        return self.refused(request) or json_reply(told)

    @route("GET", r"/rest/adAccounts/(?P<account>\d+)/adCampaigns")
    def listed(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        if "search=(status:(values:List(" not in request.target:
            return error(400, "ILLEGAL_ARGUMENT", "Invalid query parameters")
        rows = list(self.campaigns.values())
        start = int(request.query.get("pageToken") or 0)
        stop = start + min(self.page, int(request.query["pageSize"]))
        metadata = {"nextPageToken": str(stop)} if stop < len(rows) else {}
        return json_reply({"elements": rows[start:stop], "metadata": metadata})

    @route("POST", r"/rest/adAccounts/(?P<account>\d+)/adCampaigns")
    def create(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        body = request.json
        if not body.get("campaignGroup", "").startswith("urn:li:sponsoredCampaignGroup:"):
            return error(422, "MISSING_FIELD", "campaignGroup is required")
        if not isinstance(body.get("dailyBudget", body.get("totalBudget", {})).get("amount"), str):
            return error(422, "INVALID_VALUE", "amount must be a decimal string")
        key = self.add(body["name"], status=body["status"])
        self.campaigns[key] |= body
        return Reply(201, b"", {"x-restli-id": key})

    @route("POST", r"/rest/adAccounts/(?P<account>\d+)/adCampaigns/(?P<id>\d+)")
    def change(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        if request.headers.get("x-restli-method") != "PARTIAL_UPDATE":
            return error(400, "ILLEGAL_ARGUMENT", "Wrong method")
        row = self.campaigns.get(request.args["id"])
        if row is None:
            return error(404, "NOT_FOUND", "Not found")
        row |= request.json["patch"]["$set"]
        return Reply(204)

    @route("GET", r"/rest/adAnalytics")
    def analytics(self, request: Seen) -> Reply:
        """At most 15,000 rows; the rest is cut off without a word."""
        if refused := self.refused(request):
            return refused
        urns = re.search(r"campaigns=List\(([^)]*)\)", request.target)
        days = re.findall(r"year:(\d+),month:(\d+),day:(\d+)", request.target)
        if urns is None or len(days) != 2 or ":" in urns[1]:
            return error(400, "ILLEGAL_ARGUMENT", "Invalid query parameters")
        asked = {one.rsplit("%3A", 1)[-1] for one in urns[1].split(",")}
        since, until = (date(*map(int, day)) for day in days)
        rows = [
            _row(key, date.fromisoformat(day), told)
            for (key, day), told in self.figures.items()
            if key in asked and since <= date.fromisoformat(day) <= until
        ]
        self.figures |= self.later
        return json_reply(
            {"elements": rows[: self.most_rows], "paging": {"count": 10, "start": 0, "links": []}}
        )


def _row(key: str, on: date, told: dict[str, Any]) -> dict[str, Any]:
    day = {"year": on.year, "month": on.month, "day": on.day}
    span = {"start": day, "end": day}
    return {"pivotValues": [f"urn:li:sponsoredCampaign:{key}"], "dateRange": span, **told}


class LinkedInConversions(RestLi):
    name = "linkedin_conversions"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: dict[str, dict[str, Any]] = {}

    @route("GET", r"/rest/conversions/(?P<rule>\d+)")
    def rule(self, request: Seen) -> Reply:
        return self.refused(request) or json_reply({"id": int(request.args["rule"]), "name": "Booked"})

    @route("POST", r"/rest/conversionEvents")
    def take(self, request: Seen) -> Reply:
        """One whose amount is no text is named in a 422, and the whole batch is refused for it."""
        if refused := self.refused(request):
            return refused
        elements = request.json["elements"]
        bad = [place for place, one in enumerate(elements) if one["eventId"].startswith("bad")]
        if bad:
            words = "".join(f"Index: {one}, ERROR :: /user/userIds :: invalid value\n" for one in bad)
            return text_reply(words, status=422)
        for one in elements:
            self.events.setdefault(one["eventId"], one)
        return json_reply({"elements": [{"status": 201} for _ in elements]})
