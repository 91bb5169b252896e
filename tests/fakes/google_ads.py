"""Google Ads API over REST: GAQL searches of a few shapes, googleAds:mutate with temporary ids and partial
failure, budgets in micros as text, zero fields left out. Furnished, its figures follow what is set
(ad_world.py).
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.fakes.ad_world import Plan, Setting, Sums, World
from tests.fakes.server import Answer, Fake, Reply, Seen, json_reply, route

TOKEN, DEVELOPER_TOKEN = "ya29.token", "dev-token"
CUSTOMER = "customers/1234567890"
REGIONS = {
    "geoTargetConstants/20339": "England,United Kingdom",
    "geoTargetConstants/20340": "Northern Ireland,United Kingdom",
    "geoTargetConstants/20341": "Scotland,United Kingdom",
    "geoTargetConstants/20342": "Wales,United Kingdom",
}
SHARES = {
    "device": {"MOBILE": 0.45, "DESKTOP": 0.45, "TABLET": 0.1},
    "region": dict(zip(REGIONS, (0.7, 0.05, 0.15, 0.1), strict=True)),
    "age": {
        "AGE_RANGE_18_24": 0.1,
        "AGE_RANGE_25_34": 0.4,
        "AGE_RANGE_35_44": 0.25,
        "AGE_RANGE_45_54": 0.1,
        "AGE_RANGE_UNDETERMINED": 0.15,
    },
    "placement": {"SEARCH": 0.85, "SEARCH_PARTNERS": 0.15},
}
# Where the dimension of a search is told, by the field that it selects.
SEGMENTS = {
    "segments.device": ("device", "segments", "device"),
    "segments.hour": ("hour", "segments", "hour"),
    "segments.ad_network_type": ("placement", "segments", "adNetworkType"),
    "segments.geo_target_region": ("region", "segments", "geoTargetRegion"),
    "ad_group_criterion.age_range.type": ("age", "adGroupCriterion", "ageRange"),
}
PLANS = (
    Plan(name="Wedding photographer", scale=30, exponent=0.66, budget=60),
    Plan(name="Brand", scale=40, exponent=0.5, budget=20),
    Plan(name="Albums near you", scale=9, exponent=0.6, budget=80),
    Plan(name="Barn venues", scale=24, exponent=0.68, budget=30),
    Plan(name="Last-minute dates", scale=30, exponent=0.6, budget=70, weak={("device", "MOBILE"): 0.2}),
    Plan(name="Destination weddings", scale=18, exponent=0.62, budget=50, is_tired=True),
    Plan(name="Prices and packages", scale=26, exponent=0.55, budget=45, bid=6, fair_bid=1.5),
    Plan(name="Second photographer", scale=12, exponent=0.6, budget=90),
)
FAILURE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"


def one_error(family: str, code: str, message: str = "", *, index: int | None = None, **quota: str) -> dict:
    told: dict[str, Any] = {"errorCode": {family: code}, "message": message or code}
    if index is not None:
        path = [{"fieldName": "mutate_operations", "index": index}]
        told["location"] = {"fieldPathElements": path}
    if quota:
        told["details"] = {"quotaErrorDetails": quota}
    return told


def error(family: str, code: str, message: str = "", *, status: int = 400, **quota: str) -> Reply:
    """The documented envelope."""
    details = [
        {"@type": FAILURE, "errors": [one_error(family, code, message, **quota)], "requestId": "fZ5eX"}
    ]
    told = {"code": status, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}
    return json_reply({"error": {**told, "details": details}}, status=status)


def partial(*errors: dict, size: int) -> Answer:
    """A 200 in which some of the operations failed."""
    failure = {
        "code": 3,
        "message": "Multiple errors",
        "details": [{"@type": FAILURE, "errors": list(errors)}],
    }
    return Answer(json_reply({"mutateOperationResponses": [{}] * size, "partialFailureError": failure}))


class GoogleAds(Fake):
    name = "google_ads"

    def __init__(self, *, currency: str = "GBP", page: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.currency, self.page, self.token = currency, page, TOKEN
        self.developer_token: str | None = None
        self.budgets: dict[str, dict[str, Any]] = {}
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.ads: dict[str, dict[str, Any]] = {}
        self.criteria: dict[str, dict[str, Any]] = {}
        self.world: World | None = None
        # Whole rows of ads and segments, and the field that a search must select to be given them.
        self.rows: list[tuple[str, dict[str, Any]]] = []
        # By campaign and day: metrics as documented. What is in `later` shows from the second reading on.
        self.figures: dict[tuple[str, str], dict[str, Any]] = {}
        self.later: dict[tuple[str, str], dict[str, Any]] = {}

    def furnish(self, plans: tuple[Plan, ...] = PLANS) -> None:
        """Campaigns with ad groups and ads, and three months of figures that follow what is set."""
        self.page = 10_000
        self.world = World("google", plans, SHARES, self.now)
        for plan in plans:
            key = self.add(plan.name, micros=round(plan.budget * 1_000_000))
            bid = {"cpcBidMicros": str(round(plan.bid * 1_000_000))} if plan.bid else {}
            group = self.add_group(key, f"{plan.name}, exact", **bid)
            if not plan.bid:
                self.campaigns[key]["biddingStrategyType"] = "MAXIMIZE_CONVERSIONS"
            for name in ("Award-winning", "From 1,200", "Book a call"):
                self.add_ad(group, name)

    def add_group(self, campaign: str, name: str, **more: Any) -> str:
        key = str(80_000 + self.next_id())
        row = {"id": key, "name": name, "status": "ENABLED", "campaign": campaign}
        self.groups[key] = {**row, "resourceName": f"{CUSTOMER}/adGroups/{key}", **more}
        return key

    def add_ad(self, group: str, name: str, *, status: str = "ENABLED") -> str:
        """Answers with the name of its kind that changes use."""
        key = str(90_000 + self.next_id())
        ad = {"id": key, "type": "RESPONSIVE_SEARCH_AD", **({"name": name} if name else {})}
        place = f"{group}~{key}"
        row = {"resourceName": f"{CUSTOMER}/adGroupAds/{place}", "status": status, "ad": ad, "group": group}
        self.ads[place] = row
        return place

    def add(self, name: str, *, micros: int = 25_500_000, status: str = "ENABLED", **budget: Any) -> str:
        """A campaign with a budget of its own."""
        key, place = str(70_000 + self.next_id()), f"customers/1234567890/campaignBudgets/{self.next_id()}"
        self.budgets[place] = {"resourceName": place, "amountMicros": str(micros), **budget}
        self.campaigns[key] = {
            "id": key,
            "name": name,
            "status": status,
            "advertisingChannelType": "SEARCH",
            "biddingStrategyType": "MANUAL_CPC",
            "networkSettings": {"targetSearchNetwork": True},
            "campaignBudget": place,
        }
        return key

    @route("POST", r"/v\d+/customers/(?P<customer>\d+)/googleAds:search")
    def search(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        body = request.json
        if "pageSize" in body:
            return error("requestError", "PAGE_SIZE_NOT_SUPPORTED")
        rows = self._rows(body["query"])
        start = int(body.get("pageToken") or 0)
        page: dict[str, Any] = {"results": rows[start : start + self.page], "fieldMask": "campaign.id"}
        if start + self.page < len(rows):
            page["nextPageToken"] = str(start + self.page)
        return json_reply(page)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        customer = {"currencyCode": self.currency, "timeZone": "Europe/London", "descriptiveName": "Studio"}
        if "FROM customer" in query:
            return [{"customer": customer}]
        if period := re.search(r"BETWEEN '([\d-]+)' AND '([\d-]+)'", query):
            rows = [
                {**row, "customer": customer}
                for row in self._figures_for(query)
                if period[1] <= row["segments"]["date"] <= period[2]
            ]
            self.figures |= self.later
            return rows
        view = re.search(r"FROM (\w+)", query)[1]
        return [{**row, "customer": customer} for row in self._things[view](query)]

    @property
    def _things(self) -> dict[str, Any]:
        return {
            "campaign": self._campaign_rows,
            "ad_group": self._group_rows,
            "ad_group_ad": self._ad_rows,
            "campaign_criterion": self._criterion_rows,
            "geo_target_constant": self._region_rows,
        }

    def _campaign_rows(self, query: str) -> list[dict[str, Any]]:
        return [
            {"campaign": one, "campaignBudget": self.budgets[one["campaignBudget"]]}
            for one in self.campaigns.values()
            if _is_wanted(query, "campaign.id", one["id"])
            and not ("!= 'REMOVED'" in query and one["status"] == "REMOVED")
        ]

    def _group_rows(self, query: str) -> list[dict[str, Any]]:
        rows = [one for one in self.groups.values() if _is_wanted(query, "ad_group.id", one["id"])]
        return [{"adGroup": one, "campaign": self.campaigns[one["campaign"]]} for one in rows]

    def _ad_rows(self, query: str) -> list[dict[str, Any]]:
        return [
            self._ad_row(one)
            for one in self.ads.values()
            if _is_wanted(query, "ad_group.id", one["group"])
            and _is_wanted(query, "ad_group_ad.ad.id", one["ad"]["id"])
        ]

    def _ad_row(self, one: dict[str, Any]) -> dict[str, Any]:
        group = self.groups[one["group"]]
        return {"adGroupAd": one, "adGroup": {"id": group["id"]}, "campaign": {"id": group["campaign"]}}

    def _criterion_rows(self, query: str) -> list[dict[str, Any]]:
        return [
            {"campaignCriterion": one}
            for one in self.criteria.values()
            if _is_wanted(query, "campaign.id", one["campaign"].rsplit("/", 1)[-1])
        ]

    def _region_rows(self, query: str) -> list[dict[str, Any]]:
        return [
            {"geoTargetConstant": {"resourceName": place, "canonicalName": name}}
            for place, name in REGIONS.items()
            if f"'{place}'" in query
        ]

    def _figures_for(self, query: str) -> Iterator[dict[str, Any]]:
        """Of ads, of a dimension, or of campaigns: by what the search selects."""
        by = next((field for field in SEGMENTS if field in query), "")
        by = "ad_group_ad.ad.id" if "FROM ad_group_ad" in query else by
        yield from (row for field, row in self.rows if field == by)
        if not by:
            for (key, day), told in self.figures.items():
                yield {"campaign": {"id": key}, "segments": {"date": day}, "metrics": told}
        if self.world:
            yield from self._from_world(self.world, query, by)

    def _from_world(self, world: World, query: str, by: str) -> Iterator[dict[str, Any]]:
        since, until = map(date.fromisoformat, re.findall(r"'([\d-]{10})'", query))
        known = list(self.campaigns)
        if by in SEGMENTS:
            dimension, part, name = SEGMENTS[by]
            for place, value, on, sums in world.segments(since, until, dimension):
                row = _figures(known[place], on, sums)
                told = {"hour": int(value)} if dimension == "hour" else {name: value}
                told = {"ageRange": {"type": value}} if dimension == "age" else told
                yield row | {part: row.get(part, {}) | told}
        elif by:
            ads = list(self.ads.values())
            for place, number, on, sums in world.ads(since, until):
                mine = [one for one in ads if self.groups[one["group"]]["campaign"] == known[place]]
                yield self._ad_row(mine[number]) | _figures(known[place], on, sums)
        else:
            for place, on, sums in world.days(since, until):
                yield _figures(known[place], on, sums)

    def _tell_world(self) -> None:
        """What is set now counts from today on. Campaigns made later have no figures."""
        if self.world:
            for line, campaign in zip(self.world.lines, list(self.campaigns.values()), strict=False):
                line.set(self.world.today, self._setting(campaign))

    def _setting(self, campaign: dict[str, Any]) -> Setting:
        group = next(one for one in self.groups.values() if one["campaign"] == campaign["id"])
        ads = [one for one in self.ads.values() if one["group"] == group["id"]]
        return Setting(
            budget=int(self.budgets[campaign["campaignBudget"]]["amountMicros"]) / 1_000_000,
            is_active=campaign["status"] == group["status"] == "ENABLED",
            bid=int(group["cpcBidMicros"]) / 1_000_000 if "cpcBidMicros" in group else None,
            excluded=frozenset(self._left_out(campaign)),
            paused_ads=frozenset(place for place, one in enumerate(ads) if one["status"] != "ENABLED"),
        )

    def _left_out(self, campaign: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if not campaign["networkSettings"].get("targetSearchNetwork"):
            yield "placement", "SEARCH_PARTNERS"
        for one in self.criteria.values():
            if one["campaign"].endswith(f"/{campaign['id']}"):
                if "device" in one and not one["bidModifier"]:
                    yield "device", one["device"]["type"]
                elif one.get("negative"):
                    yield "region", one["location"]["geoTargetConstant"]

    @route("POST", r"/v\d+/customers/(?P<customer>\d+)/googleAds:mutate")
    def mutate(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        body, is_whole = request.json, not request.json.get("partialFailure")
        failed, done = self._operate_all(body, is_real=not (is_whole or body.get("validateOnly")))
        if failed and not body.get("partialFailure"):
            details = [{"@type": FAILURE, "errors": failed, "requestId": "fZ5eX"}]
            told = {"code": 400, "message": "invalid", "status": "INVALID_ARGUMENT", "details": details}
            return json_reply({"error": told}, status=400)
        if is_whole and not body.get("validateOnly"):
            failed, done = self._operate_all(body, is_real=True)
        self._tell_world()
        answer: dict[str, Any] = {} if body.get("validateOnly") else {"mutateOperationResponses": done}
        if failed:
            details = [{"@type": FAILURE, "errors": failed}]
            answer["partialFailureError"] = {"code": 3, "message": "Some failed", "details": details}
        return json_reply(answer)

    def _operate_all(self, body: dict, *, is_real: bool) -> tuple[list[dict], list[dict]]:
        """What was wrong with some of them, and what each made."""
        failed, done, made = [], [], {}
        for place, operation in enumerate(body["mutateOperations"]):
            fault, result = self._operate(operation, made, is_real=is_real)
            path = [{"fieldName": "mutate_operations", "index": place}]
            failed += [{**fault, "location": {"fieldPathElements": path}}] if fault else []
            done.append(result)
        return failed, done

    def _operate(self, operation: dict, made: dict, *, is_real: bool) -> tuple[dict, dict]:
        [(kind, deed)] = operation.items()
        if kind == "campaignBudgetOperation":
            fault, place = self._budget(deed, made, is_real)
            return fault, {"campaignBudgetResult": {"resourceName": place}}
        if kind == "campaignOperation":
            fault, place = self._campaign(deed, made, is_real)
            return fault, {"campaignResult": {"resourceName": place}}
        deeds = {"adGroupOperation": self.groups, "adGroupAdOperation": self.ads}
        done = self._criterion(deed, is_real) if kind not in deeds else _updated(deeds[kind], deed, is_real)
        return done[0], {f"{kind.removesuffix('Operation')}Result": {"resourceName": done[1]}}

    def _criterion(self, deed: dict, is_real: bool) -> tuple[dict, str]:
        if place := deed.get("remove"):
            if place not in self.criteria:
                return one_error("mutateError", "RESOURCE_NOT_FOUND"), ""
            if is_real:
                del self.criteria[place]
            return {}, place
        row = deed.get("update") or deed["create"]
        place = row.get("resourceName") or f"{CUSTOMER}/campaignCriteria/{self.next_id()}"
        if "update" in deed and place not in self.criteria:
            return one_error("mutateError", "RESOURCE_NOT_FOUND"), ""
        if is_real:
            self.criteria[place] = {**self.criteria.get(place, {}), **row, "resourceName": place}
        return {}, place

    def _budget(self, deed: dict, made: dict, is_real: bool) -> tuple[dict, str]:
        row = deed.get("create") or deed["update"]
        micros = row.get("amountMicros") or row.get("totalAmountMicros")
        if not isinstance(micros, str):
            return one_error("fieldError", "REQUIRED"), ""
        if int(micros) % 10_000:
            return one_error("campaignBudgetError", "NON_MULTIPLE_OF_MINIMUM_CURRENCY_UNIT"), ""
        if "update" in deed:
            if row["resourceName"] not in self.budgets:
                return one_error("mutateError", "RESOURCE_NOT_FOUND"), ""
            if is_real:
                self.budgets[row["resourceName"]] |= row
            return {}, row["resourceName"]
        if any(one.get("name") == row["name"] for one in self.budgets.values()):
            return one_error("campaignBudgetError", "DUPLICATE_NAME"), ""
        place = made[row["resourceName"]] = f"customers/1234567890/campaignBudgets/{self.next_id()}"
        if is_real:
            self.budgets[place] = {**row, "resourceName": place}
        return {}, place

    def _campaign(self, deed: dict, made: dict, is_real: bool) -> tuple[dict, str]:
        if "update" in deed:
            row = deed["update"]
            key = row["resourceName"].rsplit("/", 1)[-1]
            if key not in self.campaigns:
                return one_error("mutateError", "RESOURCE_NOT_FOUND"), ""
            if is_real:
                told = {name: new for name, new in row.items() if name != "resourceName"}
                settings = self.campaigns[key].get("networkSettings", {}) | told.pop("networkSettings", {})
                self.campaigns[key] |= {**told, "networkSettings": settings}
            return {}, row["resourceName"]
        row = deed["create"]
        if "containsEuPoliticalAdvertising" not in row:
            return one_error("mutateError", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED"), ""
        if any(one["name"] == row["name"] for one in self.campaigns.values()):
            return one_error("campaignError", "DUPLICATE_CAMPAIGN_NAME"), ""
        key = str(70_000 + self.next_id())
        if is_real:
            self.campaigns[key] = {**row, "id": key, "campaignBudget": made[row["campaignBudget"]]}
        return {}, f"customers/1234567890/campaigns/{key}"

    @route("GET", r"/o/oauth2/v2/auth")
    def dialog(self, request: Seen) -> Reply:
        """The person says yes at once."""
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=g-code&state={query['state']}"})

    @route("POST", r"/token")
    def token_for(self, request: Seen) -> Reply:
        if request.form.get("code", "g-code") != "g-code":
            return json_reply({"error": "invalid_grant"}, status=400)
        told = {"access_token": self.token, "expires_in": 3599, "refresh_token": "1//refresh"}
        return json_reply({**told, "scope": "https://www.googleapis.com/auth/adwords"})

    @route("POST", r"/revoke")
    def revoke(self, request: Seen) -> Reply:
        return json_reply({})

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return error("authenticationError", "OAUTH_TOKEN_EXPIRED", status=401)
        is_known = self.developer_token in {None, request.headers.get("developer-token")}
        return None if is_known else error("authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED", status=403)


def _updated(rows: dict[str, dict[str, Any]], deed: dict, is_real: bool) -> tuple[dict, str]:
    """Only what the mask names may be in it."""
    row = deed["update"]
    key = row["resourceName"].rsplit("/", 1)[-1]
    if key not in rows:
        return one_error("mutateError", "RESOURCE_NOT_FOUND"), ""
    if {name for name in row if name != "resourceName"} != set(deed["updateMask"].split(",")):
        return one_error("fieldMaskError", "FIELD_NOT_FOUND"), ""
    if is_real:
        rows[key] |= row
    return {}, row["resourceName"]


def _is_wanted(query: str, field: str, value: str) -> bool:
    wanted = re.search(rf"{re.escape(field)} = (\d+)", query)
    return wanted is None or wanted[1] == value


def _figures(campaign: str, on: date, sums: Sums) -> dict[str, Any]:
    """Zeros are left out."""
    metrics = {
        "costMicros": str(round(sums.spend * 1_000_000)),
        "impressions": str(sums.impressions),
        "clicks": str(sums.clicks),
        "conversions": float(sums.conversions),
        "conversionsValue": sums.revenue,
    }
    told = {name: value for name, value in metrics.items() if float(value)}
    return {"campaign": {"id": campaign}, "segments": {"date": on.isoformat()}, "metrics": told}
