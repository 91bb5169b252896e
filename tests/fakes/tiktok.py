"""TikTok API for Business: 200 for everything, the code in the body says what became of it; campaigns by
request id, and events.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

TOKEN = "tt-token"


def said(code: int, message: str = "OK", data: Any = None) -> Reply:
    told = {"code": code, "message": message, "request_id": "202611300001"}
    return json_reply({**told, "data": {} if data is None else data})


class TikTok(Fake):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.token: str | None = TOKEN

    def refused(self, request: Seen) -> Reply | None:
        if self.token is not None and request.headers.get("access-token") != self.token:
            return said(40_105, "Access token is incorrect or has been revoked.")
        return None


class TikTokAds(TikTok):
    name = "tiktok_ads"

    def __init__(self, *, currency: str = "GBP", page: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.currency, self.page = currency, page
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.requests: set[str] = set()
        self.figures: dict[tuple[str, str], dict[str, str]] = {}
        self.later: dict[tuple[str, str], dict[str, str]] = {}

    def furnish(self) -> None:
        self.token = None  # whoever looks around types in what they like
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for number, name in enumerate(("First dance", "Behind the scenes", "Reels")):
            key = self.add(name, budget=50.0 + number * 25)
            for ago in range(28):
                self.figures[key, (today - timedelta(days=ago)).isoformat()] = {
                    "spend": f"{40 + number * 10}.25",
                    "impressions": str(9_000 + ago % 11),
                    "clicks": str(60 + ago % 5),
                    "conversion": str(ago % 2),
                }

    def add(self, name: str, *, budget: float = 25.5, status: str = "ENABLE") -> str:
        key = str(1_700_000_000_000 + self.next_id())
        self.campaigns[key] = {
            "campaign_id": key,
            "campaign_name": name,
            "operation_status": status,
            "secondary_status": "CAMPAIGN_STATUS_" + status,
            "objective_type": "LEAD_GENERATION",
            "budget_mode": "BUDGET_MODE_DAY",
            "budget": budget,
        }
        return key

    @route("GET", r"/open_api/v1.3/advertiser/info/")
    def info(self, request: Seen) -> Reply:
        [advertiser] = json.loads(request.query["advertiser_ids"])
        row = {"advertiser_id": advertiser, "name": "Studio North", "currency": self.currency}
        return self.refused(request) or said(0, data={"list": [row]})

    @route("GET", r"/open_api/v1.3/campaign/get/")
    def listed(self, request: Seen) -> Reply:
        return self.refused(request) or self._paged(request, list(self.campaigns.values()))

    @route("POST", r"/open_api/v1.3/campaign/create/")
    def create(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        body = request.json
        if body.get("request_id") in self.requests:
            return said(40_050, "Duplicated request.")
        if not isinstance(body.get("budget"), int | float):
            return said(40_002, "budget: Not a valid number.")
        key = self.add(body["campaign_name"])
        self.requests.add(body["request_id"])
        names = ("operation_status", "budget_mode", "budget", "objective_type")
        self.campaigns[key] |= {name: body[name] for name in names}
        return said(0, data={"campaign_id": key})

    @route("POST", r"/open_api/v1.3/campaign/update/")
    def update(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        row = self.campaigns.get(request.json["campaign_id"])
        if row is None:
            return said(40_007, "The campaign does not exist.")
        if row["budget"] == request.json["budget"]:
            return said(40_012, "Nothing was updated.")
        row["budget"] = request.json["budget"]
        return said(0, data={"campaign_id": row["campaign_id"]})

    @route("POST", r"/open_api/v1.3/campaign/status/update/")
    def status(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        for key in request.json["campaign_ids"]:
            if key not in self.campaigns:
                return said(40_007, "The campaign does not exist.")
            self.campaigns[key]["operation_status"] = request.json["operation_status"]
        return said(0, data={"campaign_ids": request.json["campaign_ids"]})

    @route("POST", r"/open_api/v1.3/adgroup/update/")
    def group(self, request: Seen) -> Reply:
        return self.refused(request) or said(0, data={"adgroup_id": request.json["adgroup_id"]})

    @route("GET", r"/open_api/v1.3/report/integrated/get/")
    def report(self, request: Seen) -> Reply:
        if refused := self.refused(request):
            return refused
        query = request.query
        if json.loads(query["dimensions"]) != ["campaign_id", "stat_time_day"]:
            return said(40_002, "dimensions: Not supported.")
        rows = [
            {"dimensions": {"campaign_id": key, "stat_time_day": f"{day} 00:00:00"}, "metrics": told}
            for (key, day), told in self.figures.items()
            if query["start_date"] <= day <= query["end_date"]
        ]
        answer = self._paged(request, rows)
        if int(query["page"]) * self.page >= len(rows):
            self.figures |= self.later
        return answer

    def _paged(self, request: Seen, rows: list[dict[str, Any]]) -> Reply:
        number, size = int(request.query["page"]), min(self.page, int(request.query["page_size"]))
        info = {
            "page": number,
            "page_size": size,
            "total_number": len(rows),
            "total_page": -(-len(rows) // size),
        }
        return said(0, data={"list": rows[(number - 1) * size : number * size], "page_info": info})


class TikTokConversions(TikTok):
    name = "tiktok_conversions"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: dict[tuple[str, str], dict[str, Any]] = {}

    def furnish(self) -> None:
        self.token = None

    @route("POST", r"/open_api/v1.3/event/track/")
    def track(self, request: Seen) -> Reply:
        """An event whose id begins with "bad" stands for one that is refused, and its batch with it."""
        if refused := self.refused(request):
            return refused
        data = request.json["data"]
        if not data:
            return said(40_002, "data: Shorter than minimum length 1.")
        for place, one in enumerate(data):
            if one["event_id"].startswith("bad"):
                return said(40_002, f"Batch.{place}.properties.contents.0.content_id: Not a valid string")
        for one in data:
            self.events.setdefault((one["event"], one["event_id"]), one)
        return said(0)
