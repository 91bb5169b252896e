"""Meta Marketing API as documented: form-encoded writes, one error envelope, budgets as text.

Keeps campaigns, ad sets, ads and daily figures of one ad account; throttles budget changes of each to four an
hour. Furnished, its figures follow what is set (ad_world.py).
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.fakes.ad_world import Plan, Setting, Sums, World
from tests.fakes.server import Answer, Fake, Reply, Seen, json_reply, route

TOKEN = "EAAB-token"
MINUTE = 60.0
BREAKDOWNS = {
    "device_platform": "device",
    "region": "region",
    "hourly_stats_aggregated_by_advertiser_time_zone": "hour",
    "age": "age",
    "publisher_platform": "placement",
}
SHARES = {
    "device": {"mobile_app": 0.5, "mobile_web": 0.15, "desktop": 0.35},
    "region": {"England": 0.7, "Scotland": 0.15, "Wales": 0.1, "Northern Ireland": 0.05},
    "age": {"18-24": 0.15, "25-34": 0.45, "35-44": 0.25, "45-54": 0.1, "55-64": 0.03, "65+": 0.02},
    "placement": {"facebook": 0.35, "instagram": 0.35, "messenger": 0.05, "audience_network": 0.25},
}
# The first two want each other's money; one placement, one tired ad and one bid are there to be found.
PLANS = (
    Plan(name="Spring brides", scale=34, exponent=0.65, budget=40),
    Plan(name="Venues near you", scale=14, exponent=0.6, budget=120),
    Plan(name="Albums", scale=10, exponent=0.55, budget=60),
    Plan(name="Elopements", scale=22, exponent=0.7, budget=30),
    Plan(
        name="Engagement shoots",
        scale=26,
        exponent=0.6,
        budget=60,
        weak={("placement", "audience_network"): 0.2},
    ),
    Plan(name="Winter weddings", scale=20, exponent=0.62, budget=50, is_tired=True),
    Plan(name="Seen us before", scale=24, exponent=0.5, budget=35, bid=40, fair_bid=10),
    Plan(name="Films", scale=15, exponent=0.65, budget=55),
)
EVERYWHERE = {
    "device_platforms": ["mobile", "desktop"],
    "publisher_platforms": ["facebook", "instagram", "messenger", "audience_network"],
}
WHOM = {"geo_locations": {"countries": ["GB"]}, "age_min": 18, "age_max": 65}


def error(
    code: int,
    message: str,
    *,
    subcode: int | None = None,
    status: int = 400,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Reply:
    """The documented envelope."""
    told = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        **more,
    }
    if subcode is not None:
        told["error_subcode"] = subcode
    return json_reply({"error": told}, status=status, headers=headers)


def throttled(minutes: int = 3, account: str = "1234") -> Answer:
    """Too many calls of an ad account; the usage header has percents, and minutes until it may call again."""
    usage = {
        account: [
            {
                "type": "ads_management",
                "call_count": 100,
                "total_cputime": 25,
                "total_time": 25,
                "estimated_time_to_regain_access": minutes,
                "ads_api_access_tier": "standard_access",
            }
        ]
    }
    headers = {"x-business-use-case-usage": json.dumps(usage)}
    return Answer(
        error(80_004, "There have been too many calls to this ad-account.", subcode=2446079, headers=headers)
    )


class Meta(Fake):
    name = "meta_ads"

    def __init__(
        self, *, currency: str = "GBP", account: str = "1234", page: int = 2, **options: Any
    ) -> None:
        super().__init__(**options)
        self.currency, self.account, self.page = currency, account, page
        self.token = TOKEN
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.adsets: dict[str, dict[str, Any]] = {}
        self.ads: dict[str, dict[str, Any]] = {}
        # Rows as they are told: those of an ad have its id, those of a breakdown have its field.
        self.figures: list[dict[str, Any]] = []
        self.world: World | None = None
        self._changes: dict[str, list[float]] = {}

    def furnish(self, plans: tuple[Plan, ...] = PLANS) -> None:
        """Campaigns with ad sets and ads, and three months of figures that follow what is set."""
        self.page = 500
        self.world = World("meta", plans, SHARES, self.now)
        for plan in plans:
            key = self.add(plan.name, daily_budget=f"{plan.budget * 100:.0f}")
            bid = {"bid_strategy": "COST_CAP", "bid_amount": round(plan.bid * 100)} if plan.bid else {}
            group = self.add_adset(key, f"{plan.name}, everybody", **bid)
            for name in ("couple at dusk", "first dance", "bouquet"):
                self.add_ad(group, f"{plan.name}: {name}")

    def add_adset(self, campaign: str, name: str, **more: Any) -> str:
        key = str(230_000 + self.next_id())
        self.adsets[key] = {
            "id": key,
            "name": name,
            "campaign_id": campaign,
            "status": "ACTIVE",
            "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
            "targeting": dict(WHOM),
            **more,
        }
        return key

    def add_ad(self, adset: str, name: str, *, status: str = "ACTIVE") -> str:
        key = str(340_000 + self.next_id())
        campaign = self.adsets[adset]["campaign_id"]
        self.ads[key] = {
            "id": key,
            "name": name,
            "campaign_id": campaign,
            "adset_id": adset,
            "status": status,
        }
        return key

    def add(self, name: str, *, status: str = "ACTIVE", daily_budget: str | None = "2550") -> str:
        """A campaign that was there before us."""
        key = str(120_000 + self.next_id())
        row = {
            "id": key,
            "name": name,
            "status": status,
            "effective_status": status,
            "objective": "OUTCOME_LEADS",
        }
        self.campaigns[key] = row | ({"daily_budget": daily_budget} if daily_budget else {})
        return key

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)")
    def read_account(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply(
            {
                "id": f"act_{self.account}",
                "name": "Studio North",
                "currency": self.currency,
                "account_status": 1,
                "timezone_name": "Europe/London",
            }
        )

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)/campaigns")
    def list_campaigns(self, request: Seen) -> Reply:
        return self._refused(request) or self._paged(request, list(self.campaigns.values()))

    @route("POST", r"/v[\d.]+/act_(?P<account>\d+)/campaigns")
    def create(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        form = request.form
        if "special_ad_categories" not in form:
            return error(100, "(#100) The parameter special_ad_categories is required.")
        budgets = {name: form[name] for name in ("daily_budget", "lifetime_budget") if name in form}
        if len(budgets) == 2:
            return error(100, "Specify either a daily or a lifetime budget.", subcode=1487962)
        if not all(text.isdigit() and int(text) >= 100 for text in budgets.values()):
            return error(100, "Budget is too low.", subcode=1487901, error_user_msg="Your budget is too low.")
        if "validate_only" in form.get("execution_options", ""):
            return json_reply({"success": True})
        key = self.add(form["name"], status=form.get("status", "PAUSED"), daily_budget=None)
        self.campaigns[key] |= budgets | {"objective": form.get("objective", "")}
        return json_reply({"id": key})

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)/adsets")
    def list_adsets(self, request: Seen) -> Reply:
        rows = [_without_targeting(one) for one in self.adsets.values()]
        return self._refused(request) or self._paged(request, rows)

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)/ads")
    def list_ads(self, request: Seen) -> Reply:
        return self._refused(request) or self._paged(request, list(self.ads.values()))

    @route("GET", r"/v[\d.]+/search")
    def find_region(self, request: Seen) -> Reply:
        found = [
            {"key": str(number), "name": name, "type": "region", "country_code": "GB"}
            for number, name in enumerate(SHARES["region"], start=1_079)
            if request.query["q"].lower() in name.lower()
        ]
        return self._refused(request) or json_reply({"data": found})

    @route("GET", r"/v[\d.]+/(?P<id>\d+)/adsets")
    def adsets_of(self, request: Seen) -> Reply:
        rows = [one for one in self.adsets.values() if one["campaign_id"] == request.args["id"]]
        return self._refused(request) or self._paged(request, rows)

    @route("GET", r"/v[\d.]+/(?P<id>\d+)")
    def read(self, request: Seen) -> Reply:
        row = self._row(request.args["id"])
        gone = error(100, "Unsupported get request. Object does not exist.", subcode=33)
        return self._refused(request) or (gone if row is None else json_reply(_without_targeting(row)))

    @route("POST", r"/v[\d.]+/(?P<id>\d+)")
    def change(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        row = self._row(request.args["id"])
        if row is None:
            return error(100, "Unsupported post request. Object does not exist.", subcode=33)
        form = {name: text for name, text in request.form.items() if name != "execution_options"}
        if not all(form[name].isdigit() and int(form[name]) >= 100 for name in form if "budget" in name):
            return error(100, "Budget is too low.", subcode=1487901, error_user_msg="Your budget is too low.")
        if "execution_options" in request.form:
            return json_reply({"success": True})
        if "daily_budget" in form and self._changes_too_often(row["id"]):
            return error(613, "You can only change your budget 4 times per hour.", subcode=1487632)
        row |= {name: _read(name, text) for name, text in form.items()}
        if "status" in form and "effective_status" in row:
            row["effective_status"] = form["status"]
        self._tell_world()
        return json_reply({"success": True})

    def _row(self, key: str) -> dict[str, Any] | None:
        return self.campaigns.get(key) or self.adsets.get(key) or self.ads.get(key)

    def _tell_world(self) -> None:
        """What is set now counts from today on. Campaigns made later have no figures."""
        if self.world:
            for line, campaign in zip(self.world.lines, list(self.campaigns.values()), strict=False):
                line.set(self.world.today, self._setting(campaign))

    def _setting(self, campaign: dict[str, Any]) -> Setting:
        group = next(one for one in self.adsets.values() if one["campaign_id"] == campaign["id"])
        ads = [one for one in self.ads.values() if one["adset_id"] == group["id"]]
        return Setting(
            budget=int(campaign["daily_budget"]) / 100,
            is_active=campaign["status"] == group["status"] == "ACTIVE",
            bid=group["bid_amount"] / 100 if "bid_amount" in group else None,
            excluded=frozenset(_left_out(group["targeting"])),
            paused_ads=frozenset(place for place, one in enumerate(ads) if one["status"] != "ACTIVE"),
        )

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)/insights")
    def insights(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        period, by = json.loads(request.query["time_range"]), request.query.get("breakdowns", "")
        is_ad = request.query["level"] == "ad"
        rows = [*self.figures, *self._from_world(period, "ad" if is_ad else by)]
        fits = [
            one
            for one in rows
            if period["since"] <= one["date_start"] <= period["until"]
            and ("ad_id" in one) == is_ad
            and next((name for name in BREAKDOWNS if name in one), "") == by
        ]
        return self._paged(request, [{**one, "account_currency": self.currency} for one in fits])

    def _from_world(self, period: dict[str, str], by: str) -> Iterator[dict[str, Any]]:
        if self.world is None:
            return
        span = date.fromisoformat(period["since"]), date.fromisoformat(period["until"])
        known = list(self.campaigns)
        if by == "ad":
            for place, number, on, sums in self.world.ads(*span):
                ads = [one["id"] for one in self.ads.values() if one["campaign_id"] == known[place]]
                seen = {"reach": str(sums.reach), "frequency": f"{sums.frequency:.4f}"}
                yield _figures(known[place], on, sums) | {"ad_id": ads[number], **seen}
        elif by:
            for place, value, on, sums in self.world.segments(*span, BREAKDOWNS[by]):
                hour = f"{int(value):02}:00:00 - {int(value):02}:59:59" if value.isdigit() else value
                yield _figures(known[place], on, sums) | {by: hour}
        else:
            for place, on, sums in self.world.days(*span):
                yield _figures(known[place], on, sums)

    @route("GET", r"/v[\d.]+/dialog/oauth")
    def dialog(self, request: Seen) -> Reply:
        """The person says yes at once."""
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=meta-code&state={query['state']}"})

    @route("POST", r"/v[\d.]+/oauth/access_token")
    def token_for(self, request: Seen) -> Reply:
        if request.form.get("code") != "meta-code":
            return error(100, "This authorization code has been used.", subcode=36009)
        return json_reply({"access_token": self.token, "token_type": "bearer", "expires_in": 5_183_944})

    def unknown(self, request: Seen) -> Reply:
        return error(2500, f"Unknown path components: {request.path}")

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return error(190, "Error validating access token: Session has expired.", subcode=463, status=401)
        if request.args.get("account", self.account) != self.account:
            return error(200, "(#200) Ad account owner has NOT granted ads_management permission", status=403)
        return None

    def _paged(self, request: Seen, rows: list[dict[str, Any]]) -> Reply:
        start = int(request.query.get("after") or 0)
        stop = start + min(self.page, int(request.query.get("limit", 25)))
        page: dict[str, Any] = {"data": rows[start:stop]}
        if rows:
            page["paging"] = {"cursors": {"before": str(start), "after": str(stop)}}
            if stop < len(rows):
                page["paging"]["next"] = f"{self.url}{request.target}&after={stop}"
        return json_reply(page)

    def _changes_too_often(self, key: str) -> bool:
        recent = [at for at in self._changes.get(key, []) if at > self.now() - 60 * MINUTE]
        self._changes[key] = [*recent, self.now()]
        return len(recent) >= 4


def _without_targeting(row: dict[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in row.items() if name != "targeting"}


def _read(name: str, text: str) -> Any:
    return json.loads(text) if name == "targeting" else int(text) if name == "bid_amount" else text


def _left_out(targeting: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, every in EVERYWHERE.items():
        for one in set(every) - set(targeting.get(key, every)):
            if key == "publisher_platforms":
                yield "placement", one
            else:
                yield from (("device", value) for value in SHARES["device"] if value.startswith(one))
    for region in targeting.get("excluded_geo_locations", {}).get("regions", []):
        yield "region", region["name"]
    for ages in SHARES["age"]:
        youngest, oldest = int(ages[:2]), int(ages[3:] or 65)
        if oldest < targeting.get("age_min", 18) or youngest > targeting.get("age_max", 65):
            yield "age", ages


def _figures(campaign: str, on: date, sums: Sums) -> dict[str, Any]:
    told = {
        "campaign_id": campaign,
        "date_start": on.isoformat(),
        "spend": f"{sums.spend:.2f}",
        "impressions": str(sums.impressions),
        "clicks": str(sums.clicks),
    }
    if sums.conversions:
        told["actions"] = [{"action_type": "lead", "value": str(sums.conversions)}]
        told["action_values"] = [{"action_type": "lead", "value": f"{sums.revenue:.2f}"}]
    return told
