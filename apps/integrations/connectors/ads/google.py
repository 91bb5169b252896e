"""Google Ads API over REST: GAQL searches, budgets in micros as text, several changes in one request.

A 200 may carry a `partialFailureError`, and in it, for one operation of many, a throttle: each is looked at.
Fields that are zero are left out of answers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.ads import google_rows, google_targeting
from apps.integrations.connectors.ads.platform import (
    HONEST_WITH_PARTS,
    BudgetKind,
    Campaign,
    Change,
    Creative,
    CreativeDay,
    DayFigures,
    Dimension,
    Group,
    NewCampaign,
    Segment,
    SegmentDay,
    Status,
    merged,
    nothing,
    refused,
    tagged,
)
from apps.integrations.http import Request, Response
from apps.integrations.money import Form, Money, to_wire
from apps.integrations.resilience import retry_after
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

NAME = "Google"
TRANSIENT = {"TRANSIENT_ERROR", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "CONCURRENT_MODIFICATION"}
THROTTLED = {"RESOURCE_TEMPORARILY_EXHAUSTED", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"}
# Of the day: asking again before the next one only burns more of it.
SPENT = {"RESOURCE_EXHAUSTED", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"}
SIGNED_OUT = {
    "OAUTH_TOKEN_EXPIRED",
    "OAUTH_TOKEN_INVALID",
    "OAUTH_TOKEN_REVOKED",
    "OAUTH_TOKEN_DISABLED",
    "OAUTH_TOKEN_HEADER_INVALID",
    "GOOGLE_ACCOUNT_COOKIE_INVALID",
}
FORBIDDEN = {
    "DEVELOPER_TOKEN_NOT_APPROVED",
    "DEVELOPER_TOKEN_PROHIBITED",
    "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
    "USER_PERMISSION_DENIED",
    "CUSTOMER_NOT_ENABLED",
    "CUSTOMER_NOT_FOUND",
    "UNSUPPORTED_VERSION",
}
# The worst of several decides what becomes of the request.
ORDER = (
    Kind.AUTH_EXPIRED,
    Kind.PERMANENT_CONFIG,
    Kind.QUOTA_EXHAUSTED,
    Kind.THROTTLED,
    Kind.UNKNOWN,
    Kind.RETRYABLE,
    Kind.PERMANENT_DATA,
    Kind.OK,
)
SOON = re.compile(r"[Rr]etry in (\d+) seconds?")
THROTTLE_SECONDS = 30.0
NATIVE = {Status.ACTIVE: "ENABLED", Status.PAUSED: "PAUSED", Status.ENDED: "REMOVED"}
REGIONS_AT_ONCE = 200


def sign(request: Request, credentials: Credentials) -> Request:
    headers = {
        **request.headers,
        "Authorization": f"Bearer {credentials.get('access_token', '')}",
        "developer-token": settings.GOOGLE_ADS_DEVELOPER_TOKEN,
    }
    if manager := _digits(credentials.get("login_customer_id", "")):
        headers["login-customer-id"] = manager
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The worst of the errors in the body, whole or per operation, else what the status says."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = _document(response)
    if partial := document.get("partialFailureError"):
        return _of_operations(partial, document, response, by_status, now)
    if error := document.get("error"):
        return _worst([_of_error(one, by_status, response, now) for one in _errors(error)])
    return reading.with_body(by_status, response, NAME)


def _document(response: Response) -> dict[str, Any]:
    """An error may come wrapped in an array."""
    if response.body.lstrip().startswith(b"["):
        try:
            return next((one for one in response.json() if isinstance(one, dict) and "error" in one), {})
        except Exception:  # noqa: BLE001 - whatever it is, it is no error that can be read
            return {}
    return response.json_object()


def _errors(error: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Each error of the failure, or the envelope itself where it has no details."""
    found = [
        {**one, "request": detail.get("requestId", "")}
        for detail in error.get("details", [])
        for one in detail.get("errors", [])
    ]
    return found or [{"message": error.get("message", ""), "errorCode": {"status": error.get("status", "")}}]


def _of_operations(
    partial: Mapping[str, Any],
    document: Mapping[str, Any],
    response: Response,
    by_status: Outcome,
    now: datetime,
) -> Outcome:
    """One outcome for each operation; the worst of them stands for the request."""
    rows = document.get("results") or document.get("mutateOperationResponses") or []
    each = {
        _place(one): _of_error(one, replace(by_status, kind=Kind.PERMANENT_DATA), response, now)
        for one in _errors(partial)
    }
    size = max(len(rows), *(place + 1 for place in each))
    items = tuple(each.get(place, OK) for place in range(size))
    return replace(_worst(list(each.values())), items=items)


def _place(error: Mapping[str, Any]) -> int:
    path = error.get("location", {}).get("fieldPathElements", [])
    return next(
        (int(one.get("index", 0)) for one in path if one.get("fieldName", "").endswith("perations")), 0
    )


def _of_error(error: Mapping[str, Any], by_status: Outcome, response: Response, now: datetime) -> Outcome:
    code = next(iter(error.get("errorCode", {}).values()), "")
    kind = _kind(str(code), by_status, str(error.get("message", "")))
    trace = error.get("request") or response.headers.get("request-id", "")
    found = reading.told(
        Outcome(kind=kind, status=response.status),
        code=code,
        words=error.get("message", ""),
        name=NAME,
        trace=trace,
    )
    if kind not in {Kind.THROTTLED, Kind.QUOTA_EXHAUSTED}:
        return found
    quota = error.get("details", {}).get("quotaErrorDetails", {})
    scope = Scope.APPLICATION if quota.get("rateScope") == "DEVELOPER" else Scope.ACCOUNT
    wait = None if kind == Kind.QUOTA_EXHAUSTED else _delay(quota, str(error.get("message", "")), now)
    return replace(found, scope=scope, retry_after_seconds=wait)


def _kind(code: str, by_status: Outcome, words: str) -> Kind:
    if code in THROTTLED or (SOON.search(words) and code not in SPENT) or by_status.kind == Kind.THROTTLED:
        return Kind.QUOTA_EXHAUSTED if code in SPENT else Kind.THROTTLED
    if code in SPENT:
        return Kind.QUOTA_EXHAUSTED
    if code in TRANSIENT:
        return Kind.UNKNOWN if by_status.kind == Kind.UNKNOWN else Kind.RETRYABLE
    if code in SIGNED_OUT or by_status.kind == Kind.AUTH_EXPIRED:
        return Kind.AUTH_EXPIRED
    if code in FORBIDDEN or by_status.kind == Kind.PERMANENT_CONFIG:
        return Kind.PERMANENT_CONFIG
    return reading.broken_as(by_status, Kind.PERMANENT_DATA)


def _delay(quota: Mapping[str, Any], words: str, now: datetime) -> float:
    said = retry_after.parse(str(quota.get("retryDelay", "")), now=now)
    in_words = SOON.search(words)
    return said or (float(in_words[1]) if in_words else THROTTLE_SECONDS)


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return min(outcomes, key=lambda one: ORDER.index(one.kind))


GOOGLE = services.register(
    Service(
        key="google_ads",
        name="Google Ads",
        family=Family.ADS,
        base_url="https://googleads.googleapis.com/{version}",
        version="v26",
        fields=(
            Field(key="account", label="Customer id", help="Ten digits, with or without dashes."),
            Field(
                key="login_customer_id",
                label="Manager account",
                help="Only where access comes through one.",
                is_required=False,
            ),
        ),
        oauth=OAuth(
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
            token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
            revoke_url="https://oauth2.googleapis.com/revoke",
            extra={"access_type": "offline", "prompt": "consent"},
        ),
        scopes=("https://www.googleapis.com/auth/adwords",),
        reach=Reach.TWO_WAY,
        honest=HONEST_WITH_PARTS,
        limits=Limits(at_once=8, rates=(Rate(limit=15_000, window_seconds=86_400, scope=Scope.APPLICATION),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.ads.google.check",
        facts="apps.integrations.connectors.ads.facts.of",
    )
)


class GoogleAds:
    """AdPlatform at Google."""

    reread_days = 30
    can_validate = True
    dimensions = frozenset(Dimension)
    excludes = frozenset({Dimension.DEVICE, Dimension.REGION, Dimension.PLACEMENT})

    def __init__(self, client: Client) -> None:
        self.client = client
        self.customer = f"customers/{_digits(client.credentials['account'])}"

    def account(self) -> str:
        """Name and currency of the account. Raises ServiceError."""
        found = self._customer()
        name = found.get("descriptiveName") or self.customer.removeprefix("customers/")
        return f"{name}, {found['currencyCode']}"

    def campaigns(self) -> Iterator[Campaign]:
        for row in self._search("campaigns.list", google_rows.CAMPAIGNS):
            yield google_rows.campaign(row)

    def groups(self) -> Iterator[Group]:
        for row in self._search("groups.list", google_rows.GROUPS):
            yield google_rows.group(row)

    def creatives(self) -> Iterator[Creative]:
        for row in self._search("ads.list", google_rows.CREATIVES):
            yield google_rows.creative(row)

    def find(self, tag: str) -> Campaign | None:
        return tagged(self.campaigns(), tag)

    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]":
        """Budget and campaign in one request, which does both or neither."""
        budget = f"{self.customer}/campaignBudgets/-1"
        campaign = {
            "name": wanted.tagged_name,
            "status": NATIVE[wanted.status],
            "advertisingChannelType": wanted.objective,
            "campaignBudget": budget,
            "containsEuPoliticalAdvertising": "DOES_NOT_CONTAIN_EU_POLITICAL_ADVERTISING",
            **(wanted.native or {"maximizeConversions": {}}),
            **self._times(wanted),
        }
        made = {
            "resourceName": budget,
            "name": wanted.tagged_name,
            "deliveryMethod": "STANDARD",
            "explicitlyShared": False,
            **_amount(wanted.budget, wanted.budget_kind),
        }
        operations = [
            {"campaignBudgetOperation": {"create": made}},
            {"campaignOperation": {"create": campaign}},
        ]
        return self._mutate("campaigns.create", operations, only_validate, _new_id)

    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if segment := change.exclude or change.include:
            return self._retarget(campaign_id, segment, bool(change.exclude), only_validate)
        if change.bid is not None:
            return refused("Bids at Google are set on ad groups, not on campaigns.")
        operations: list[dict[str, Any]] = []
        if change.status is not None:
            row = {"resourceName": self._campaign(campaign_id), "status": NATIVE[change.status]}
            operations.append({"campaignOperation": {"update": row, "updateMask": "status"}})
        if change.budget is not None:
            found = self._budget_of(campaign_id)
            if found.get("explicitlyShared"):
                return refused("The campaign shares its budget with others; change it at Google.")
            amount = _amount(change.budget, change.budget_kind or BudgetKind.DAILY)
            amount.pop("period", None)
            row = {"resourceName": found["resourceName"], **amount}
            operations.append({"campaignBudgetOperation": {"update": row, "updateMask": ",".join(amount)}})
        return self._mutate("campaigns.change", operations, only_validate, nothing)

    def change_group(self, group_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if change.budget is not None:
            return refused("A budget at Google is the campaign's, not the ad group's.")
        row: dict[str, Any] = {}
        if change.status is not None:
            row["status"] = NATIVE[change.status]
        if change.bid is not None:
            group = self.read_group(group_id)
            strategy = group.bid_strategy if group else ""
            if strategy not in google_rows.BIDS:
                return refused(f"There is no bid to set where Google bids by {strategy or 'itself'}.")
            row[google_rows.BIDS[strategy]] = str(to_wire(change.bid, Form.MICROS))
        update = {"resourceName": f"{self.customer}/adGroups/{group_id}", **row}
        operation = {"adGroupOperation": {"update": update, "updateMask": ",".join(row)}}
        return self._mutate("groups.change", [operation], only_validate, nothing)

    def change_creative(
        self, creative_id: str, status: Status, *, only_validate: bool = False
    ) -> "Answer[None]":
        row = {"resourceName": f"{self.customer}/adGroupAds/{creative_id}", "status": NATIVE[status]}
        operation = {"adGroupAdOperation": {"update": row, "updateMask": "status"}}
        return self._mutate("ads.change", [operation], only_validate, nothing)

    def read(self, campaign_id: str) -> Campaign | None:
        asked = google_rows.ONE_CAMPAIGN.format(campaign=int(campaign_id))
        row = next(self._search("campaigns.read", asked), None)
        return None if row is None else google_rows.campaign(row)

    def read_group(self, group_id: str) -> Group | None:
        asked = google_rows.ONE_GROUP.format(group=int(group_id))
        row = next(self._search("groups.read", asked), None)
        return None if row is None else google_rows.group(row)

    def read_creative(self, creative_id: str) -> Creative | None:
        group, _, ad = creative_id.partition("~")
        asked = google_rows.ONE_CREATIVE.format(group=int(group), ad=int(ad))
        row = next(self._search("ads.read", asked), None)
        return None if row is None else google_rows.creative(row)

    def is_excluded(self, campaign_id: str, segment: Segment) -> bool:
        return google_targeting.is_excluded(segment, self._targeted(campaign_id, segment))

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        for row in self._search("figures.read", google_rows.FIGURES.format(since=since, until=until)):
            yield google_rows.day(row)

    def creative_figures(self, since: date, until: date) -> Iterator[CreativeDay]:
        asked = google_rows.CREATIVE_FIGURES.format(since=since, until=until)
        for row in self._search("figures.ads", asked):
            yield google_rows.creative_day(row)

    def segment_figures(self, since: date, until: date, dimension: Dimension) -> Iterator[SegmentDay]:
        rows = self._search("figures.segments", google_rows.segment_query(dimension, since, until))
        days = merged(google_rows.segment_day(row, dimension) for row in rows)
        names = self._regions(days) if dimension == Dimension.REGION else {}
        for one in days:
            yield replace(one, label=names.get(one.segment.value, ""))

    def _regions(self, days: Sequence[SegmentDay]) -> dict[str, str]:
        """What the numbers of regions are called."""
        known = sorted({one.segment.value for one in days if "/" in one.segment.value})
        names: dict[str, str] = {}
        for start in range(0, len(known), REGIONS_AT_ONCE):
            some = ", ".join(f"'{one}'" for one in known[start : start + REGIONS_AT_ONCE])
            for row in self._search("regions.read", google_rows.REGIONS.format(names=some)):
                one = row["geoTargetConstant"]
                names[one["resourceName"]] = one.get("canonicalName", "")
        return names

    def _targeted(self, campaign_id: str, segment: Segment) -> list[Mapping[str, Any]]:
        return list(self._search("targeting.read", google_targeting.query(segment, campaign_id)))

    def _retarget(
        self, campaign_id: str, segment: Segment, excludes: bool, only_validate: bool
    ) -> "Answer[None]":
        """Nothing is sent where it is so already."""
        try:
            rows = self._targeted(campaign_id, segment)
        except google_targeting.CannotTarget as why:
            return refused(str(why))
        if google_targeting.is_excluded(segment, rows) == excludes:
            return Answer(outcome=OK)
        name = self._campaign(campaign_id)
        operation = google_targeting.operation(segment, rows, name, excludes=excludes)
        return self._mutate("targeting.change", [operation], only_validate, nothing)

    def _campaign(self, campaign_id: str) -> str:
        return f"{self.customer}/campaigns/{campaign_id}"

    def _customer(self) -> Mapping[str, Any]:
        asked = "SELECT customer.descriptive_name, customer.currency_code, customer.time_zone FROM customer"
        found: Mapping[str, Any] = next(self._search("account.read", asked))["customer"]
        return found

    def _budget_of(self, campaign_id: str) -> Mapping[str, Any]:
        asked = google_rows.BUDGET.format(campaign=int(campaign_id))
        row = next(self._search("budget.read", asked), None)
        return row["campaignBudget"] if row else {"resourceName": f"{self.customer}/campaignBudgets/0"}

    def _times(self, wanted: NewCampaign) -> dict[str, str]:
        """In the account's own zone."""
        times = {"startDateTime": wanted.starts_at, "endDateTime": wanted.ends_at}
        known = {name: at for name, at in times.items() if at is not None}
        if not known:
            return {}
        zone = ZoneInfo(self._customer()["timeZone"])
        return {name: f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for name, at in known.items()}

    def _search(self, name: str, query: str) -> Iterator[Mapping[str, Any]]:
        body = {"query": query}
        while True:
            request = Request(method="POST", url=f"/{self.customer}/googleAds:search", json=body)
            page = self.client.require(name, request)
            yield from page.get("results", [])
            if not (token := page.get("nextPageToken")):
                return
            body = {"query": query, "pageToken": token}

    def _mutate(
        self, name: str, operations: list[dict[str, Any]], only_validate: bool, read: Any
    ) -> "Answer[Any]":
        """All of them or none, so that a refusal leaves everything as it was."""
        body = {"mutateOperations": operations, "partialFailure": False, "validateOnly": only_validate}
        request = Request(method="POST", url=f"/{self.customer}/googleAds:mutate", json=body)
        return self.client.ask(
            name, request, read=read, kind="write", is_idempotent=False, is_costly=not only_validate
        )


def check(client: Client) -> str:
    return GoogleAds(client).account()


def _digits(text: object) -> str:
    return re.sub(r"\D", "", str(text))


def _amount(budget: Money, kind: BudgetKind) -> dict[str, Any]:
    micros = str(to_wire(budget, Form.MICROS))
    if kind == BudgetKind.LIFETIME:
        return {"totalAmountMicros": micros, "period": "CUSTOM_PERIOD"}
    return {"amountMicros": micros}


def _new_id(response: Response) -> str:
    """The campaign's number, out of its resource name; nothing where it was only checked."""
    rows = response.json().get("mutateOperationResponses", [])
    names = [row["campaignResult"]["resourceName"] for row in rows if "campaignResult" in row]
    return str(names[0]).rsplit("/", 1)[-1] if names else ""
