"""Meta Marketing API as documented: form-encoded writes, one error envelope, budgets as text.

Keeps campaigns, ad sets and daily figures of one ad account; throttles budget changes of an ad set to four an
hour.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.server import Answer, Fake, Reply, Seen, json_reply, route

TOKEN = "EAAB-token"
MINUTE = 60.0


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
        self.figures: list[dict[str, Any]] = []
        self._changes: dict[str, list[float]] = {}

    def furnish(self) -> None:
        """Three campaigns with a month of figures."""
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for number, name in enumerate(("Spring brides", "Venues near you", "Albums")):
            key = self.add(
                name, status="PAUSED" if number == 2 else "ACTIVE", daily_budget=str(2_500 + number * 1_000)
            )
            for ago in range(28):
                self.figures.append(
                    {
                        "campaign_id": key,
                        "date_start": (today - timedelta(days=ago)).isoformat(),
                        "spend": f"{20 + number * 5 + ago % 7}.50",
                        "impressions": str(1_800 + 37 * (ago % 7)),
                        "clicks": str(40 + ago % 7),
                        "actions": [{"action_type": "lead", "value": str(1 + ago % 3)}],
                    }
                )

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

    @route("POST", r"/v[\d.]+/(?P<id>\d+)")
    def change(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        row = self.campaigns.get(request.args["id"])
        if row is None:
            return error(100, "Unsupported post request. Object does not exist.", subcode=33)
        form = {name: text for name, text in request.form.items() if name != "execution_options"}
        if "daily_budget" in form and self._changes_too_often(row["id"]):
            return error(613, "Too many budget changes.", subcode=1487742)
        if "execution_options" not in request.form:
            row |= form | ({"effective_status": form["status"]} if "status" in form else {})
        return json_reply({"success": True})

    @route("GET", r"/v[\d.]+/act_(?P<account>\d+)/insights")
    def insights(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        period = json.loads(request.query["time_range"])
        rows = [one for one in self.figures if period["since"] <= one["date_start"] <= period["until"]]
        return self._paged(request, [{**one, "account_currency": self.currency} for one in rows])

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
