"""TikTok API for Business: every answer is a 200, and the `code` in it says what became of the request.

A campaign is made under a `request_id` of ours, so the same one twice is made once; budgets are plain numbers
of major units.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.ads.platform import (
    HONEST,
    BudgetKind,
    Campaign,
    Change,
    DayFigures,
    NewCampaign,
    Status,
    WithoutParts,
    after,
    not_here,
    nothing,
    refused,
    spans,
    tagged,
    unchecked,
)
from apps.integrations.http import Request, Response
from apps.integrations.money import Form, Money, from_wire, to_wire
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Reach, Service

NAME = "TikTok"
PAGE = 100
REPORT_PAGE = 1_000
# A report by day covers no more.
REPORT_DAYS = 30
FINE = 0
# It was done before, or it is so already.
DONE_ALREADY = {40_050, 40_012}
RATE_LIMITED = {40_100, 40_132, 61_000}
SIGNED_OUT = {40_102, 40_103, 40_104, 40_105, 40_107, 40_110}
FORBIDDEN = {40_001, 40_003, 40_006, 40_051, 40_113, 40_118, 40_130}
TRANSIENT = {40_201, 40_202}
MAINTENANCE = 60_001
MAINTENANCE_SECONDS = 900.0
THROTTLE_SECONDS = 60.0
STATUSES = {"ENABLE": Status.ACTIVE, "DISABLE": Status.PAUSED}
NATIVE = {Status.ACTIVE: "ENABLE", Status.PAUSED: "DISABLE", Status.ENDED: "DELETE"}
MODES = {BudgetKind.DAILY: "BUDGET_MODE_DAY", BudgetKind.LIFETIME: "BUDGET_MODE_TOTAL"}
KINDS = {
    "BUDGET_MODE_DAY": BudgetKind.DAILY,
    "BUDGET_MODE_DYNAMIC_DAILY_BUDGET": BudgetKind.DAILY,
    "BUDGET_MODE_TOTAL": BudgetKind.LIFETIME,
}
FIGURES = ["spend", "impressions", "clicks", "conversion"]


def sign(request: Request, credentials: Credentials) -> Request:
    headers = {**request.headers, "Access-Token": str(credentials.get("access_token", ""))}
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The code in the body, whatever the status."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    code = document.get("code")
    if not isinstance(code, int):
        return _without_code(by_status, response)
    if code in {FINE, *DONE_ALREADY}:
        return replace(OK, code=str(code), trace=str(document.get("request_id") or ""))
    found = Outcome(kind=_kind(code, is_idempotent), status=response.status)
    if found.kind == Kind.THROTTLED:
        wait = (
            MAINTENANCE_SECONDS if code == MAINTENANCE else by_status.retry_after_seconds or THROTTLE_SECONDS
        )
        scope = Scope.APPLICATION if code == MAINTENANCE else Scope.ACCOUNT
        found = replace(found, scope=scope, retry_after_seconds=wait)
    words, trace = document.get("message", ""), document.get("request_id")
    return reading.told(found, code=code, words=words, name=NAME, trace=trace)


def _without_code(by_status: Outcome, response: Response) -> Outcome:
    if not by_status.is_good:
        return by_status
    reason = "TikTok answered without a code."
    return Outcome(kind=Kind.UNKNOWN, status=response.status, reason=reason)


def _kind(code: int, is_idempotent: bool) -> Kind:
    if code in RATE_LIMITED or code == MAINTENANCE:
        return Kind.THROTTLED
    if code in SIGNED_OUT:
        return Kind.AUTH_EXPIRED
    if code in FORBIDDEN:
        return Kind.PERMANENT_CONFIG
    if code in TRANSIENT:
        return Kind.RETRYABLE
    if 50_000 <= code < 60_000:
        return Kind.RETRYABLE if is_idempotent else Kind.UNKNOWN
    return Kind.PERMANENT_DATA


TIKTOK = services.register(
    Service(
        key="tiktok_ads",
        name="TikTok Ads",
        family=Family.ADS,
        base_url="https://business-api.tiktok.com/open_api/{version}",
        version="v1.3",
        fields=(
            Field(key="account", label="Advertiser id"),
            Field(
                key="access_token",
                label="Access token",
                help="The long-lived one that your application at TikTok for Business was given.",
                is_secret=True,
            ),
        ),
        reach=Reach.TWO_WAY,
        honest=HONEST,
        limits=Limits(at_once=4, rates=(Rate(limit=10, window_seconds=1, scope=Scope.APPLICATION),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.ads.tiktok.check",
        facts="apps.integrations.connectors.ads.facts.of",
    )
)


class TikTokAds(WithoutParts):
    """AdPlatform at TikTok."""

    name = NAME
    reread_days = 28
    can_validate = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.advertiser = str(client.credentials["account"])
        self._currency = ""

    def account(self) -> str:
        """Name and currency of the account. Raises ServiceError."""
        params = {
            "advertiser_ids": json.dumps([self.advertiser]),
            "fields": json.dumps(["name", "currency", "timezone"]),
        }
        rows = self._read("account.read", "/advertiser/info/", params).get("list") or [{}]
        self._currency = rows[0].get("currency", "")
        return f"{rows[0].get('name') or self.advertiser}, {self._currency}"

    @property
    def currency(self) -> str:
        if not self._currency:
            self.account()
        return self._currency

    def campaigns(self) -> Iterator[Campaign]:
        for row in self._pages("campaigns.list", "/campaign/get/", {}, PAGE):
            yield _campaign(row, self.currency)

    def find(self, tag: str) -> Campaign | None:
        return tagged(self.campaigns(), tag)

    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]":
        """A second time under the same tag makes nothing; the id is then found by the tag."""
        if only_validate:
            return unchecked(NAME)
        body = {
            "advertiser_id": self.advertiser,
            "request_id": request_id_of(wanted.tag),
            "campaign_name": wanted.tagged_name,
            "objective_type": wanted.objective,
            "budget_mode": MODES[wanted.budget_kind],
            "budget": to_wire(wanted.budget, Form.NUMBER),
            "operation_status": NATIVE[wanted.status],
            **wanted.native,
        }
        answer = self._write("campaigns.create", "/campaign/create/", body, _new_id, is_idempotent=True)
        if answer.outcome.is_good and not answer.value:
            found = self.find(wanted.tag)
            return replace(answer, value=found.id if found else "")
        return answer

    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if only_validate:
            return unchecked(NAME)
        if told := not_here(NAME, change):
            return told
        if change.bid is not None:
            return refused("Bids at TikTok are those of ad groups, not of campaigns.")
        return self._set("campaign", campaign_id, {"budget": change.budget}, change.status)

    def change_group(self, group_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if only_validate:
            return unchecked(NAME)
        amounts = {"budget": change.budget, "bid_price": change.bid}
        return self._set("adgroup", group_id, amounts, change.status)

    def _set(
        self, kind: str, key: str, amounts: Mapping[str, Money | None], status: Status | None
    ) -> "Answer[None]":
        """Amounts and status go to two doors; the second is not tried when the first refuses."""
        answer: Answer[None] = Answer(outcome=OK)
        wanted = {name: to_wire(money, Form.NUMBER) for name, money in amounts.items() if money is not None}
        if wanted:
            body = self._ours({f"{kind}_id": key, **wanted})
            answer = self._write(f"{kind}s.change", f"/{kind}/update/", body, nothing, is_idempotent=False)
        if status is None or not answer.outcome.is_good:
            return answer
        body = self._ours({f"{kind}_ids": [key], "operation_status": NATIVE[status]})
        path = f"/{kind}/status/update/"
        second = self._write(f"{kind}s.status", path, body, nothing, is_idempotent=False)
        return second if second.outcome.is_good or not wanted else after("Its amounts were changed", second)

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        for first, last in spans(since, until, days=REPORT_DAYS):
            asked = {
                "report_type": "BASIC",
                "service_type": "AUCTION",
                "data_level": "AUCTION_CAMPAIGN",
                "dimensions": json.dumps(["campaign_id", "stat_time_day"]),
                "metrics": json.dumps(FIGURES),
                "start_date": first.isoformat(),
                "end_date": last.isoformat(),
            }
            for row in self._pages("figures.read", "/report/integrated/get/", asked, REPORT_PAGE):
                yield _day(row, self.currency)

    def _ours(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"advertiser_id": self.advertiser, **body}

    def _pages(
        self, name: str, path: str, params: Mapping[str, Any], size: int
    ) -> Iterator[Mapping[str, Any]]:
        number = 1
        while True:
            page = self._read(name, path, self._ours({**params, "page": number, "page_size": size}))
            yield from page.get("list", [])
            if number >= int(page.get("page_info", {}).get("total_page", 1)):
                return
            number += 1

    def _read(self, name: str, path: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self.client.require(name, Request(method="GET", url=path, params=params))
        return found.get("data") or {}

    def _write(
        self, name: str, path: str, body: Mapping[str, Any], read: Any, *, is_idempotent: bool
    ) -> "Answer[Any]":
        """is_idempotent: it carries a request id, so done twice it is done once."""
        request = Request(method="POST", url=path, json=body)
        return self.client.ask(
            name, request, read=read, kind="write", is_idempotent=is_idempotent, is_costly=True
        )


def check(client: Client) -> str:
    return TikTokAds(client).account()


def request_id_of(tag: str) -> str:
    """A number of 18 digits at most that stands for the tag."""
    return str(int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7]))


def _campaign(row: Mapping[str, Any], currency: str) -> Campaign:
    kind = KINDS.get(row.get("budget_mode", ""))
    native = row.get("operation_status", "")
    return Campaign(
        id=str(row["campaign_id"]),
        name=row["campaign_name"],
        status=STATUSES.get(native, Status.ENDED),
        native_status=row.get("secondary_status") or native,
        objective=row.get("objective_type", ""),
        budget=from_wire(row["budget"], currency, Form.NUMBER) if kind else None,
        budget_kind=kind,
    )


def _day(row: Mapping[str, Any], currency: str) -> DayFigures:
    of, figures = row["dimensions"], row.get("metrics", {})
    return DayFigures(
        campaign_id=str(of["campaign_id"]),
        on=date.fromisoformat(of["stat_time_day"][:10]),
        spend=Money(Decimal(figures.get("spend", "0")), currency),
        impressions=int(figures["impressions"]) if "impressions" in figures else None,
        clicks=int(figures["clicks"]) if "clicks" in figures else None,
        conversions=Decimal(figures["conversion"]) if "conversion" in figures else None,
    )


def _new_id(response: Response) -> str:
    return str((response.json().get("data") or {}).get("campaign_id") or "")
