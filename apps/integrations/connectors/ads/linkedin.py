"""LinkedIn Marketing API: Rest.li over HTTP.

The syntax of lists and records in a query stays as it is, while the URNs inside it are escaped, so queries
are written out here and not left to an encoder. Reports have no pages and are cut off without a word at
15,000 rows, so they are asked for in parts that cannot come to as many.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

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
from apps.integrations.resilience.outcomes import Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

NAME = "LinkedIn"
PAGE = 100
MOST_ROWS = 15_000
# Keeps an address below the length at which it is refused.
CAMPAIGNS_AT_ONCE = 100
STATUSES = {"ACTIVE": Status.ACTIVE, "PAUSED": Status.PAUSED, "DRAFT": Status.PAUSED}
NATIVE = {Status.ACTIVE: "ACTIVE", Status.PAUSED: "PAUSED", Status.ENDED: "ARCHIVED"}
LISTED = ("ACTIVE", "PAUSED", "DRAFT", "COMPLETED", "CANCELED", "ARCHIVED")
BUDGETS = {BudgetKind.DAILY: "dailyBudget", BudgetKind.LIFETIME: "totalBudget"}
FIGURES = (
    "impressions,clicks,costInLocalCurrency,externalWebsiteConversions,conversionValueInLocalCurrency,"
    "dateRange,pivotValues"
)


def sign(request: Request, credentials: Credentials) -> Request:
    """Bearer token, and the month of the interface that is spoken."""
    headers = {
        **request.headers,
        "Authorization": f"Bearer {credentials.get('access_token', '')}",
        "LinkedIn-Version": LINKEDIN.spoken_version,
        "X-Restli-Protocol-Version": "2.0.0",
    }
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The status says all; the body adds words. 426: the month that we speak is over."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    if by_status.is_good:
        return reading.with_body(by_status, response, NAME)
    error = response.json_object()
    code = error.get("code") or error.get("serviceErrorCode") or response.status
    trace = response.headers.get("x-li-uuid", "")
    return reading.told(by_status, code=code, words=error.get("message", ""), name=NAME, trace=trace)


LINKEDIN = services.register(
    Service(
        key="linkedin_ads",
        name="LinkedIn Ads",
        family=Family.ADS,
        base_url="https://api.linkedin.com/rest",
        version="202609",
        sunset_on=date(2027, 9, 1),
        fields=(
            Field(key="account", label="Ad account", help="The number of the sponsored account."),
            Field(
                key="campaign_group",
                label="Campaign group",
                help="The number of the group in which new campaigns are made.",
                is_required=False,
            ),
        ),
        oauth=OAuth(
            authorize_url="https://www.linkedin.com/oauth/v2/authorization",
            token_url="https://www.linkedin.com/oauth/v2/accessToken",  # noqa: S106 - an address
            uses_pkce=False,
        ),
        scopes=("rw_ads", "r_ads_reporting"),
        reach=Reach.TWO_WAY,
        honest=HONEST,
        limits=Limits(at_once=4),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.ads.linkedin.check",
        facts="apps.integrations.connectors.ads.facts.of",
    )
)


class LinkedInAds(WithoutParts):
    """AdPlatform at LinkedIn."""

    name = NAME
    reread_days = 30
    can_validate = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.account_id = str(client.credentials["account"]).rsplit(":", 1)[-1]
        self._currency = ""

    def account(self) -> str:
        """Name and currency of the account. Raises ServiceError."""
        request = Request(method="GET", url=f"/adAccounts/{self.account_id}")
        found = self.client.require("account.read", request)
        self._currency = found["currency"]
        return f"{found.get('name') or self.account_id}, {found['currency']}"

    @property
    def currency(self) -> str:
        if not self._currency:
            self.account()
        return self._currency

    def campaigns(self) -> Iterator[Campaign]:
        search = f"search=(status:(values:List({','.join(LISTED)})))"
        token = ""
        while True:
            query = f"q=search&{search}&pageSize={PAGE}" + (
                f"&pageToken={quote(token, safe='')}" if token else ""
            )
            request = Request(method="GET", url=f"{self._campaigns}?{query}")
            page = self.client.require("campaigns.list", request)
            yield from map(_campaign, page.get("elements", []))
            if not (token := str(page.get("metadata", {}).get("nextPageToken") or "")):
                return

    def find(self, tag: str) -> Campaign | None:
        return tagged(self.campaigns(), tag)

    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]":
        group = wanted.native.get("campaignGroup") or self.client.credentials.get("campaign_group")
        if only_validate or not group:
            return unchecked(NAME) if only_validate else refused("Name a campaign group.")
        body = {
            "account": f"urn:li:sponsoredAccount:{self.account_id}",
            "name": wanted.tagged_name,
            "objectiveType": wanted.objective,
            "status": NATIVE[wanted.status],
            "type": "SPONSORED_UPDATES",
            "costType": "CPC",
            BUDGETS[wanted.budget_kind]: _amount(wanted.budget),
            **_schedule(wanted),
            **wanted.native,
            "campaignGroup": f"urn:li:sponsoredCampaignGroup:{str(group).rsplit(':', 1)[-1]}",
        }
        request = Request(method="POST", url=self._campaigns, json=body)
        return self.client.ask(
            "campaigns.create", request, read=_new_id, kind="write", is_idempotent=False, is_costly=True
        )

    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if only_validate:
            return unchecked(NAME)
        if told := not_here(NAME, change):
            return told
        fields: dict[str, Any] = {}
        if change.status is not None:
            fields["status"] = NATIVE[change.status]
        if change.budget is not None:
            fields[BUDGETS[change.budget_kind or BudgetKind.DAILY]] = _amount(change.budget)
        if change.bid is not None:
            fields["unitCost"] = _amount(change.bid)
        return self._patch("campaigns.change", campaign_id, fields)

    def change_group(self, group_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        return refused("Budgets and bids at LinkedIn are the campaign's own; it has no ad groups.")

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        """In parts small enough not to be cut off."""
        ids = [one.id for one in self.campaigns()]
        for start in range(0, len(ids), CAMPAIGNS_AT_ONCE):
            part = ids[start : start + CAMPAIGNS_AT_ONCE]
            days = MOST_ROWS // len(part) - 1
            for first, last in spans(since, until, days=days):
                yield from self._report(part, first, last)

    def _report(self, ids: Sequence[str], since: date, until: date) -> Iterator[DayFigures]:
        urns = ",".join(quote(f"urn:li:sponsoredCampaign:{one}", safe="") for one in ids)
        query = (
            "q=analytics&pivot=CAMPAIGN&timeGranularity=DAILY"
            f"&dateRange=(start:{_day(since)},end:{_day(until)})&campaigns=List({urns})&fields={FIGURES}"
        )
        found = self.client.require("figures.read", Request(method="GET", url=f"/adAnalytics?{query}"))
        for row in found.get("elements", []):
            yield _figures(row, self.currency)

    @property
    def _campaigns(self) -> str:
        return f"/adAccounts/{self.account_id}/adCampaigns"

    def _patch(self, name: str, campaign_id: str, fields: Mapping[str, Any]) -> "Answer[None]":
        request = Request(
            method="POST",
            url=f"{self._campaigns}/{campaign_id}",
            headers={"X-RestLi-Method": "PARTIAL_UPDATE"},
            json={"patch": {"$set": fields}},
        )
        return self.client.ask(name, request, read=nothing, kind="write", is_idempotent=False, is_costly=True)


def check(client: Client) -> str:
    return LinkedInAds(client).account()


def _amount(money: Money) -> dict[str, Any]:
    return {"amount": to_wire(money, Form.DECIMAL), "currencyCode": money.currency}


def _money(told: Mapping[str, Any] | None) -> Money | None:
    return from_wire(told["amount"], told["currencyCode"], Form.DECIMAL) if told else None


def _schedule(wanted: NewCampaign) -> dict[str, Any]:
    times = {"start": wanted.starts_at, "end": wanted.ends_at}
    known = {name: int(at.timestamp() * 1000) for name, at in times.items() if at is not None}
    return {"runSchedule": known} if known else {}


def _day(on: date) -> str:
    return f"(year:{on.year},month:{on.month},day:{on.day})"


def _campaign(row: Mapping[str, Any]) -> Campaign:
    kind = next((one for one, name in BUDGETS.items() if row.get(name)), None)
    budget = row[BUDGETS[kind]] if kind else None
    return Campaign(
        id=str(row["id"]).rsplit(":", 1)[-1],
        name=row["name"],
        status=STATUSES.get(row["status"], Status.ENDED),
        native_status=row["status"],
        objective=row.get("objectiveType", ""),
        budget=_money(budget),
        budget_kind=kind,
        bid=_money(row.get("unitCost")),
    )


def _figures(row: Mapping[str, Any], currency: str) -> DayFigures:
    start = row["dateRange"]["start"]
    conversions, value = row.get("externalWebsiteConversions"), row.get("conversionValueInLocalCurrency")
    return DayFigures(
        campaign_id=str(row["pivotValues"][0]).rsplit(":", 1)[-1],
        on=date(start["year"], start["month"], start["day"]),
        spend=from_wire(row.get("costInLocalCurrency", "0"), currency, Form.DECIMAL),
        impressions=row.get("impressions"),
        clicks=row.get("clicks"),
        conversions=None if conversions is None else Decimal(str(conversions)),
        conversion_value=None if value is None else Decimal(str(value)),
    )


def _new_id(response: Response) -> str:
    return response.headers.get("x-restli-id", "").rsplit(":", 1)[-1]
