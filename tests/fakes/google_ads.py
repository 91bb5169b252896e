"""Google Ads API over REST: GAQL searches of a few shapes, googleAds:mutate with temporary ids and partial
failure, budgets in micros as text, zero fields left out.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.server import Answer, Fake, Reply, Seen, json_reply, route

TOKEN, DEVELOPER_TOKEN = "ya29.token", "dev-token"
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
        # By campaign and day: metrics as documented. What is in `later` shows from the second reading on.
        self.figures: dict[tuple[str, str], dict[str, Any]] = {}
        self.later: dict[tuple[str, str], dict[str, Any]] = {}

    def furnish(self) -> None:
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for number, name in enumerate(("Wedding photographer", "Brand", "Albums near you")):
            key = self.add(name, micros=(20 + number * 10) * 1_000_000)
            for ago in range(28):
                self.figures[key, (today - timedelta(days=ago)).isoformat()] = {
                    "costMicros": str((15 + number * 4 + ago % 5) * 1_000_000),
                    "impressions": str(900 + 20 * (ago % 7)),
                    "clicks": str(30 + ago % 7),
                    "conversions": float(ago % 3),
                }

    def add(self, name: str, *, micros: int = 25_500_000, status: str = "ENABLED", **budget: Any) -> str:
        """A campaign with a budget of its own."""
        key, place = str(70_000 + self.next_id()), f"customers/1234567890/campaignBudgets/{self.next_id()}"
        self.budgets[place] = {"resourceName": place, "amountMicros": str(micros), **budget}
        self.campaigns[key] = {
            "id": key,
            "name": name,
            "status": status,
            "advertisingChannelType": "SEARCH",
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
                {"campaign": {"id": key}, "segments": {"date": day}, "metrics": told, "customer": customer}
                for (key, day), told in self.figures.items()
                if period[1] <= day <= period[2]
            ]
            self.figures |= self.later
            return rows
        wanted = re.search(r"campaign\.id = (\d+)", query)
        return [
            {"campaign": one, "campaignBudget": self.budgets[one["campaignBudget"]], "customer": customer}
            for one in self.campaigns.values()
            if (wanted is None or wanted[1] == one["id"]) and one["status"] != "REMOVED"
        ]

    @route("POST", r"/v\d+/customers/(?P<customer>\d+)/googleAds:mutate")
    def mutate(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        body, failed, done, made = request.json, [], [], {}
        for place, operation in enumerate(body["mutateOperations"]):
            fault, result = self._operate(operation, made, is_real=not body.get("validateOnly"))
            path = [{"fieldName": "mutate_operations", "index": place}]
            failed += [{**fault, "location": {"fieldPathElements": path}}] if fault else []
            done.append(result)
        if failed and not body.get("partialFailure"):
            details = [{"@type": FAILURE, "errors": failed, "requestId": "fZ5eX"}]
            told = {"code": 400, "message": "invalid", "status": "INVALID_ARGUMENT", "details": details}
            return json_reply({"error": told}, status=400)
        if body.get("validateOnly"):
            return json_reply({})
        answer: dict[str, Any] = {"mutateOperationResponses": done}
        if failed:
            details = [{"@type": FAILURE, "errors": failed}]
            answer["partialFailureError"] = {"code": 3, "message": "Some failed", "details": details}
        return json_reply(answer)

    def _operate(self, operation: dict, made: dict, *, is_real: bool) -> tuple[dict, dict]:
        [(kind, deed)] = operation.items()
        if kind == "campaignBudgetOperation":
            fault, place = self._budget(deed, made, is_real)
            return fault, {"campaignBudgetResult": {"resourceName": place}}
        fault, place = self._campaign(deed, made, is_real)
        return fault, {"campaignResult": {"resourceName": place}}

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
                self.campaigns[key] |= {"status": row["status"]}
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

    @route("POST", r"/v\d+/customers/(?P<customer>\d+)/adGroups:mutate")
    def ad_groups(self, request: Seen) -> Reply:
        refused = self._refused(request)
        place = request.json["operations"][0]["update"]["resourceName"]
        return refused or json_reply({"results": [{"resourceName": place}]})

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
