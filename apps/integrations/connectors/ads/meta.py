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
from typing import Any

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import meta_rows, meta_targeting
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
    after,
    merged,
    nothing,
    refused,
    tagged,
)
from apps.integrations.http import Request, Response
from apps.integrations.money import Form, to_wire
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

PAGE = 200
INSIGHTS_PAGE = 500
RATE_LIMITED = {4, 17, 32, 341, 613, *range(80_000, 80_007), 80_008, 80_014}
OF_THE_APPLICATION = {4}
TRANSIENT = {1, 2, 960, 5_000, 21_009}
SIGNED_OUT = {102, 190, 2_500}
FORBIDDEN = {3, 10, 294, 2_635, *range(200, 300)}
BLOCKED = 368
# A budget was changed four times within the hour; that one ad set is closed for an hour, nothing else is.
BUDGET_TOO_OFTEN = (613, 1_487_632)
BUDGET_CLOSED_SECONDS = 3_600.0
# There is no such thing, or the token may not see it.
NOT_THERE = "100.33"
NO_AD_SETS = Outcome(
    kind=Kind.REFUSED_HERE, reason="The campaign has no ad set whose targeting could change.", was_sent=False
)
NATIVE = {Status.ACTIVE: "ACTIVE", Status.PAUSED: "PAUSED", Status.ENDED: "ARCHIVED"}


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
    if (code, error.get("error_subcode")) == BUDGET_TOO_OFTEN:
        return replace(found, scope=Scope.CALL, retry_after_seconds=BUDGET_CLOSED_SECONDS)
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
        honest=HONEST_WITH_PARTS,
        limits=Limits(at_once=4, rates=(Rate(limit=300, window_seconds=3_600),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.ads.meta.check",
        facts="apps.integrations.connectors.ads.facts.of",
    )
)


class MetaAds:
    """AdPlatform at Meta."""

    reread_days = 28
    can_validate = True
    dimensions = frozenset(Dimension)
    excludes = frozenset(Dimension) - {Dimension.HOUR}

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
        asked = {"fields": meta_rows.CAMPAIGN, "limit": PAGE}
        for row in self._pages("campaigns.list", f"/act_{self.account_id}/campaigns", asked):
            yield meta_rows.campaign(row, self.currency)

    def groups(self) -> Iterator[Group]:
        asked = {"fields": meta_rows.GROUP, "limit": PAGE}
        for row in self._pages("adsets.list", f"/act_{self.account_id}/adsets", asked):
            yield meta_rows.group(row, self.currency)

    def creatives(self) -> Iterator[Creative]:
        asked = {"fields": meta_rows.CREATIVE, "limit": PAGE}
        for row in self._pages("ads.list", f"/act_{self.account_id}/ads", asked):
            yield meta_rows.creative(row)

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
        if segment := change.exclude or change.include:
            return self._retarget(campaign_id, segment, bool(change.exclude), only_validate)
        if change.bid is not None:
            return refused("Bids at Meta are those of ad sets, not of campaigns.")
        return self._write("campaigns.change", f"/{campaign_id}", _form(change), only_validate, nothing)

    def change_group(self, group_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        return self._write("adsets.change", f"/{group_id}", _form(change), only_validate, nothing)

    def change_creative(
        self, creative_id: str, status: Status, *, only_validate: bool = False
    ) -> "Answer[None]":
        form = _form(Change(status=status))
        return self._write("ads.change", f"/{creative_id}", form, only_validate, nothing)

    def read(self, campaign_id: str) -> Campaign | None:
        row = self._one("campaigns.read", campaign_id, meta_rows.CAMPAIGN)
        return None if row is None else meta_rows.campaign(row, self.currency)

    def read_group(self, group_id: str) -> Group | None:
        row = self._one("adsets.read", group_id, meta_rows.GROUP)
        return None if row is None else meta_rows.group(row, self.currency)

    def read_creative(self, creative_id: str) -> Creative | None:
        row = self._one("ads.read", creative_id, meta_rows.CREATIVE)
        return None if row is None else meta_rows.creative(row)

    def is_excluded(self, campaign_id: str, segment: Segment) -> bool:
        rows = self._targeted(campaign_id)
        return bool(rows) and all(meta_targeting.leaves_out(row["targeting"], segment) for row in rows)

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        """Figures of each campaign and day in [since, until]."""
        for row in self._insights(since, until, level="campaign", fields=meta_rows.FIGURES):
            yield meta_rows.day(row)

    def creative_figures(self, since: date, until: date) -> Iterator[CreativeDay]:
        for row in self._insights(since, until, level="ad", fields=meta_rows.CREATIVE_FIGURES):
            yield meta_rows.creative_day(row)

    def segment_figures(self, since: date, until: date, dimension: Dimension) -> Iterator[SegmentDay]:
        asked = {"fields": meta_rows.FIGURES, "breakdowns": meta_rows.BREAKDOWNS[dimension]}
        rows = self._insights(since, until, level="campaign", **asked)
        yield from merged(meta_rows.segment_day(row, dimension) for row in rows)

    def _insights(self, since: date, until: date, **asked: str) -> Iterator[Mapping[str, Any]]:
        params = {
            **asked,
            "time_increment": 1,
            "time_range": json.dumps({"since": since.isoformat(), "until": until.isoformat()}),
            "limit": INSIGHTS_PAGE,
        }
        return self._pages("insights.read", f"/act_{self.account_id}/insights", params)

    def _targeted(self, campaign_id: str) -> list[Mapping[str, Any]]:
        """The ad sets of a campaign that may run, with whom they reach."""
        asked = {"fields": "id,status,targeting", "limit": PAGE}
        rows = self._pages("adsets.targeting", f"/{campaign_id}/adsets", asked)
        return [{"targeting": {}, **row} for row in rows if row["status"] in meta_rows.STATUSES]

    def _retarget(
        self, campaign_id: str, segment: Segment, excludes: bool, only_validate: bool
    ) -> "Answer[None]":
        """Each ad set that is not so already; the first that is refused ends it."""
        rows = self._targeted(campaign_id)
        is_region = segment.dimension == Dimension.REGION and excludes
        try:
            key = self._region_key(segment.value) if is_region else ""
            wanted = {
                row["id"]: meta_targeting.changed(
                    row["targeting"], segment, excludes=excludes, region_key=key
                )
                for row in rows
            }
        except meta_targeting.CannotTarget as why:
            return refused(str(why))
        others = [row["id"] for row in rows if wanted[row["id"]] != row["targeting"]]
        answer: Answer[None] = Answer(outcome=OK if rows else NO_AD_SETS)
        for done, key in enumerate(others):
            form = {"targeting": meta_targeting.written(wanted[key])}
            answer = self._write("adsets.change", f"/{key}", form, only_validate, nothing)
            if not answer.outcome.is_good:
                return after(f"{done} of {len(others)} ad sets were changed", answer) if done else answer
        return answer

    def _region_key(self, name: str) -> str:
        """The number of the one region of that name. Raises CannotTarget."""
        asked = {"type": "adgeolocation", "location_types": '["region"]', "q": name}
        found = self.client.require("regions.find", self._get("/search", asked)).get("data", [])
        keys = {str(one["key"]) for one in found if one.get("name") == name}
        if len(keys) != 1:
            raise meta_targeting.CannotTarget(
                f"Meta knows {len(keys)} regions called {name}: leave it out in Ads Manager."
            )
        return keys.pop()

    def _one(self, name: str, key: str, fields: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.client.require(name, self._get(f"/{key}", {"fields": fields}))
        except errors.Refused as error:
            if error.outcome.code == NOT_THERE:
                return None
            raise
        return found

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


def _form(change: Change) -> dict[str, Any]:
    form: dict[str, Any] = {}
    if change.status is not None:
        form["status"] = NATIVE[change.status]
    if change.budget is not None:
        kind = change.budget_kind or BudgetKind.DAILY
        form[f"{kind}_budget"] = str(to_wire(change.budget, Form.META_MINOR))
    if change.bid is not None:
        form["bid_amount"] = str(to_wire(change.bid, Form.META_MINOR))
    return form


def _id(response: Response) -> str:
    return str(response.json().get("id") or "")
