"""Meta Marketing API: campaigns, budgets, bids, insights.

The body's `error` counts more than the status, budgets are written in minor units as text, spend in major
units, and the figures of the last 28 days still change.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads.platform import (
    HONEST,
    BudgetKind,
    Campaign,
    Change,
    DayFigures,
    NewCampaign,
    Status,
    nothing,
    tagged,
)
from apps.integrations.http import Request, Response
from apps.integrations.money import Form, Money, from_wire, to_wire
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

PAGE = 200
RATE_LIMITED = {4, 17, 32, 341, 613, *range(80_000, 80_007), 80_008, 80_014}
OF_THE_APPLICATION = {4}
TRANSIENT = {1, 2, 960, 5_000, 21_009}
SIGNED_OUT = {102, 190, 2_500}
FORBIDDEN = {3, 10, 294, 2_635, *range(200, 300)}
BLOCKED = 368
STATUSES = {"ACTIVE": Status.ACTIVE, "PAUSED": Status.PAUSED}
NATIVE = {Status.ACTIVE: "ACTIVE", Status.PAUSED: "PAUSED", Status.ENDED: "ARCHIVED"}
FIGURES = "campaign_id,date_start,spend,impressions,clicks,actions,action_values,account_currency"
# The sums over all places where it happened; the finer types that Meta lists beside them are part of these.
CONVERSIONS = {"purchase", "lead"}


def sign(request: Request, credentials: Credentials) -> Request:
    """Bearer token, with the proof that we also know the application's secret where that is given."""
    token = str(credentials.get("access_token", ""))
    params: dict[str, Any] = dict(request.params or {})
    if secret := credentials.get("app_secret"):
        params["appsecret_proof"] = hmac.new(str(secret).encode(), token.encode(), hashlib.sha256).hexdigest()
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    return replace(request, headers=headers, params=params or None)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The error in the body, whatever the status; {"success": false} is an error too."""
    document = response.json_object()
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    error = document.get("error")
    if isinstance(error, dict):
        return _of_error(error, response, by_status)
    if by_status.is_good and document.get("success") is False:
        return Outcome(kind=Kind.PERMANENT_DATA, status=response.status, reason="Meta did not do it.")
    if by_status.is_good and not document:
        return Outcome(
            kind=Kind.UNKNOWN, status=response.status, reason="Meta answered with something else than JSON."
        )
    return by_status


def _of_error(error: Mapping[str, Any], response: Response, by_status: Outcome) -> Outcome:
    code = int(error.get("code") or 0)
    words = str(error.get("error_user_msg") or error.get("message") or "")
    found = Outcome(
        kind=_kind(code, error, by_status),
        status=response.status,
        code=f"{code}.{error.get('error_subcode') or 0}",
        reason=f"Meta {code}: {words}"[:300],
        trace=str(error.get("fbtrace_id") or ""),
    )
    if found.kind != Kind.THROTTLED:
        return found
    scope = Scope.APPLICATION if code in OF_THE_APPLICATION else Scope.ACCOUNT
    return replace(found, scope=scope, retry_after_seconds=_regain_seconds(response, code))


def _kind(code: int, error: Mapping[str, Any], by_status: Outcome) -> Kind:
    if code in RATE_LIMITED or code == BLOCKED:
        return Kind.THROTTLED
    if error.get("is_transient") or code in TRANSIENT:
        return Kind.RETRYABLE if by_status.kind != Kind.UNKNOWN else Kind.UNKNOWN
    if code in SIGNED_OUT:
        return Kind.AUTH_EXPIRED
    if code in FORBIDDEN:
        return Kind.PERMANENT_CONFIG
    return by_status.kind if _is_broken(by_status) else Kind.PERMANENT_DATA


def _is_broken(by_status: Outcome) -> bool:
    return by_status.kind in {Kind.RETRYABLE, Kind.UNKNOWN}


def _regain_seconds(response: Response, code: int) -> float:
    """The minutes that the usage header names, at least one; an hour where somebody is blocked for policy."""
    if code == BLOCKED:
        return 3_600.0
    try:
        usage = json.loads(response.headers.get("x-business-use-case-usage", "{}"))
        minutes = max(
            (
                float(one.get("estimated_time_to_regain_access") or 0)
                for many in usage.values()
                for one in many
            ),
            default=0.0,
        )
    except (ValueError, AttributeError, TypeError):
        minutes = 0.0
    return max(60.0, minutes * 60)


META = services.register(
    Service(
        key="meta_ads",
        name="Meta Ads",
        family=Family.ADS,
        base_url="https://graph.facebook.com/{version}",
        version="v26.0",
        fields=(Field(key="account", label="Ad account", help="The number after act_ in Ads Manager."),),
        oauth=OAuth(
            authorize_url="https://www.facebook.com/v26.0/dialog/oauth",
            token_url="https://graph.facebook.com/v26.0/oauth/access_token",  # noqa: S106 - an address
        ),
        scopes=("ads_management", "ads_read", "business_management"),
        reach=Reach.TWO_WAY,
        honest=HONEST,
        limits=Limits(at_once=4, rates=(Rate(limit=300, window_seconds=3_600),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.ads.meta.check",
    )
)


class MetaAds:
    """AdPlatform at Meta."""

    reread_days = 28
    can_validate = True

    def __init__(self, client: Client) -> None:
        self.client = client
        self.account_id = str(client.credentials["account"]).removeprefix("act_")
        self._currency: str | None = None

    def account(self) -> str:
        """Name and currency of the account. Raises ServiceError."""
        fields = {"fields": "name,currency,account_status,timezone_name"}
        found = self.client.require("account.read", self._get(f"/act_{self.account_id}", fields))
        self._currency = found["currency"]
        return f"{found.get('name') or self.account_id}, {found['currency']}"

    @property
    def currency(self) -> str:
        if self._currency is None:
            self.account()
        return self._currency or ""

    def campaigns(self) -> Iterator[Campaign]:
        fields = {
            "fields": "id,name,status,effective_status,objective,daily_budget,lifetime_budget",
            "limit": PAGE,
        }
        for row in self._pages("campaigns.list", f"/act_{self.account_id}/campaigns", fields):
            yield self._campaign(row)

    def find(self, tag: str) -> Campaign | None:
        return tagged(self.campaigns(), tag)

    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]":
        form: dict[str, Any] = {
            "name": wanted.tagged_name,
            "objective": wanted.objective,
            "status": NATIVE[wanted.status],
            "special_ad_categories": json.dumps(wanted.native.get("special_ad_categories", [])),
            f"{wanted.budget_kind}_budget": str(to_wire(wanted.budget, Form.META_MINOR)),
            **_times(wanted),
        }
        return self._write("campaigns.create", f"/act_{self.account_id}/campaigns", form, only_validate, _id)

    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        form: dict[str, Any] = {}
        if change.status is not None:
            form["status"] = NATIVE[change.status]
        if change.budget is not None:
            kind = change.budget_kind or BudgetKind.DAILY
            form[f"{kind}_budget"] = str(to_wire(change.budget, Form.META_MINOR))
        return self._write("campaigns.change", f"/{campaign_id}", form, only_validate, nothing)

    def set_bid(self, group_id: str, bid: Money) -> "Answer[None]":
        form = {"bid_amount": str(to_wire(bid, Form.META_MINOR))}
        return self._write("adsets.bid", f"/{group_id}", form, False, nothing)

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        """Figures of each campaign and day in [since, until]."""
        asked = {
            "level": "campaign",
            "fields": FIGURES,
            "time_increment": 1,
            "time_range": json.dumps({"since": since.isoformat(), "until": until.isoformat()}),
            "limit": PAGE,
        }
        for row in self._pages("insights.read", f"/act_{self.account_id}/insights", asked):
            yield _day(row)

    def _campaign(self, row: Mapping[str, Any]) -> Campaign:
        kind = next((one for one in BudgetKind if row.get(f"{one}_budget")), None)
        budget = from_wire(row[f"{kind}_budget"], self.currency, Form.META_MINOR) if kind else None
        return Campaign(
            id=row["id"],
            name=row["name"],
            status=STATUSES.get(row["status"], Status.ENDED),
            native_status=row.get("effective_status") or row["status"],
            objective=row.get("objective", ""),
            budget=budget,
            budget_kind=kind,
        )

    def _pages(self, name: str, path: str, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        after: dict[str, str] = {}
        while True:
            page = self.client.require(name, self._get(path, {**params, **after}))
            yield from page.get("data", [])
            paging = page.get("paging", {})
            cursor = paging.get("cursors", {}).get("after")
            if not cursor or not paging.get("next"):
                return
            after = {"after": cursor}

    def _get(self, path: str, params: Mapping[str, Any]) -> Request:
        return Request(method="GET", url=path, params=params)

    def _write(
        self, name: str, path: str, form: Mapping[str, Any], only_validate: bool, read: Any
    ) -> "Answer[Any]":
        if only_validate:
            form = {**form, "execution_options": json.dumps(["validate_only"])}
        request = Request(method="POST", url=path, form=form)
        return self.client.ask(
            name, request, read=read, kind="write", is_idempotent=False, is_costly=not only_validate
        )


def check(client: Client) -> str:
    return MetaAds(client).account()


def _times(wanted: NewCampaign) -> dict[str, str]:
    times = {"start_time": wanted.starts_at, "stop_time": wanted.ends_at}
    return {name: at.isoformat() for name, at in times.items() if at is not None}


def _day(row: Mapping[str, Any]) -> DayFigures:
    return DayFigures(
        campaign_id=row["campaign_id"],
        on=date.fromisoformat(row["date_start"]),
        spend=Money(Decimal(row.get("spend", "0")), row["account_currency"]),
        impressions=int(row["impressions"]) if "impressions" in row else None,
        clicks=int(row["clicks"]) if "clicks" in row else None,
        conversions=_sum_of(row.get("actions")),
        conversion_value=_sum_of(row.get("action_values")),
    )


def _sum_of(actions: list[Mapping[str, Any]] | None) -> Decimal | None:
    if actions is None:
        return None
    return sum((Decimal(one["value"]) for one in actions if one["action_type"] in CONVERSIONS), Decimal(0))


def _id(response: Response) -> str:
    return str(response.json().get("id") or "")
