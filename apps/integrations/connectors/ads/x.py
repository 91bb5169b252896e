"""X Ads API: OAuth 1.0a, amounts in micros of the account's currency, figures in windows of seven days.

A batch is done whole or not at all. Metrics are arrays by day, where null is zero.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import oauth1, reading
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
from apps.integrations.money import Form, from_wire, to_wire
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Family, Field, Reach, Service

NAME = "X"
PAGE = 1_000
BATCH = 40
IDS_AT_ONCE = 20
WINDOW_DAYS = 7
PLACEMENTS = ("ALL_ON_TWITTER", "SPOTLIGHT", "TREND")
STATUSES = {"ACTIVE": Status.ACTIVE, "PAUSED": Status.PAUSED, "DRAFT": Status.PAUSED}
NATIVE = {Status.ACTIVE: "ACTIVE", Status.PAUSED: "PAUSED"}
BUDGETS = {
    BudgetKind.DAILY: "daily_budget_amount_local_micro",
    BudgetKind.LIFETIME: "total_budget_amount_local_micro",
}


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The status, with the words of the first error; 408 and 423 are to be tried again."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    if by_status.is_good:
        return reading.with_body(by_status, response, NAME)
    errors = response.json_object().get("errors") or [{}]
    code, words = errors[0].get("code", response.status), errors[0].get("message", "")
    trace = response.headers.get("x-transaction-id", "")
    return reading.told(by_status, code=code, words=words, name=NAME, trace=trace)


X = services.register(
    Service(
        key="x_ads",
        name="X Ads",
        family=Family.ADS,
        base_url="https://ads-api.x.com/{version}",
        version="12",
        fields=(
            Field(key="account", label="Ad account"),
            *oauth1.FIELDS,
            Field(
                key="funding_instrument",
                label="Funding instrument",
                help="Who pays for new campaigns; empty: the account's first.",
                is_required=False,
            ),
        ),
        reach=Reach.TWO_WAY,
        honest=HONEST,
        limits=Limits(at_once=4, rates=(Rate(limit=250, window_seconds=900),)),
        sign=oauth1.sign,
        classify=classify,
        check="apps.integrations.connectors.ads.x.check",
        facts="apps.integrations.connectors.ads.facts.of",
    )
)


class XAds(WithoutParts):
    """AdPlatform at X."""

    name = NAME
    reread_days = 14
    can_validate = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.account_id = str(client.credentials["account"])
        self._zone: ZoneInfo | None = None

    def account(self) -> str:
        """Name and currency of the account. Raises ServiceError."""
        name = self._read("account.read", f"/accounts/{self.account_id}").get("name") or self.account_id
        return f"{name}, {self._funding()['currency']}"

    def campaigns(self) -> Iterator[Campaign]:
        cursor: dict[str, str] = {}
        while True:
            params = {"count": PAGE, **cursor}
            page = self.client.require("campaigns.list", self._get(self._campaigns, params))
            yield from map(_campaign, page["data"])
            if not page.get("next_cursor"):
                return
            cursor = {"cursor": page["next_cursor"]}

    def find(self, tag: str) -> Campaign | None:
        return tagged(self.campaigns(), tag)

    def create(self, wanted: NewCampaign, *, only_validate: bool = False) -> "Answer[str]":
        if only_validate:
            return unchecked(NAME)
        params = {
            "funding_instrument_id": self.client.credentials.get("funding_instrument")
            or self._funding()["id"],
            "name": wanted.tagged_name[:255],
            "entity_status": NATIVE[wanted.status],
            BUDGETS[wanted.budget_kind]: to_wire(wanted.budget, Form.MICROS),
            **wanted.native,
        }
        return self._write("campaigns.create", "POST", self._campaigns, params, _new_id)

    def change(self, campaign_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if only_validate:
            return unchecked(NAME)
        if told := not_here(NAME, change):
            return told
        if change.bid is not None:
            return refused("Bids at X are those of line items, not of campaigns.")
        if change.status == Status.ENDED:
            return self._write("campaigns.delete", "DELETE", f"{self._campaigns}/{campaign_id}", {}, nothing)
        params = _params(change)
        return self._write("campaigns.change", "PUT", f"{self._campaigns}/{campaign_id}", params, nothing)

    def change_all(self, changes: Mapping[str, Change]) -> "Answer[None]":
        """Up to 40 at once, all or none. Where none, each has its own outcome in `items`."""
        body = [
            {"operation_type": "Update", "params": {"campaign_id": one, **_params(change)}}
            for one, change in changes.items()
        ]
        if not 0 < len(body) <= BATCH:
            return refused(f"X takes 1 to {BATCH} changes at once.")
        request = Request(method="POST", url=f"/batch/accounts/{self.account_id}/campaigns", json=body)

        def judged(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
            return _of_batch(classify(response, is_idempotent, now), response, len(body))

        return self.client.ask(
            "campaigns.batch",
            request,
            read=nothing,
            kind="write",
            is_idempotent=True,
            is_costly=True,
            classify=judged,
        )

    def change_group(self, group_id: str, change: Change, *, only_validate: bool = False) -> "Answer[None]":
        if only_validate:
            return unchecked(NAME)
        params: dict[str, Any] = {}
        if change.status is not None:
            params["entity_status"] = NATIVE.get(change.status, "PAUSED")
        if change.bid is not None:
            params |= {"bid_strategy": "MAX", "bid_amount_local_micro": to_wire(change.bid, Form.MICROS)}
        if not params:
            return refused("A budget at X is the campaign's, not the line item's.")
        path = f"/accounts/{self.account_id}/line_items/{group_id}"
        return self._write("groups.change", "PUT", path, params, nothing)

    def figures(self, since: date, until: date) -> Iterator[DayFigures]:
        """Of campaigns that did something; days are those of the account's zone."""
        currency = ""
        for first, last in spans(since, until, days=WINDOW_DAYS):
            active = self._active(first, last)
            currency = currency or (self._funding()["currency"] if active else "")
            for start in range(0, len(active), IDS_AT_ONCE):
                yield from self._window(active[start : start + IDS_AT_ONCE], first, last, currency)

    def _window(self, ids: Sequence[str], first: date, last: date, currency: str) -> Iterator[DayFigures]:
        """What each placement says of a campaign and day, added up."""
        sums: dict[tuple[str, int], dict[str, int]] = {}
        for placement in PLACEMENTS:
            params = {
                "entity": "CAMPAIGN",
                "entity_ids": ",".join(ids),
                **self._span(first, last),
                "granularity": "DAY",
                "placement": placement,
                "metric_groups": "ENGAGEMENT,BILLING",
            }
            for row in self._read("figures.read", f"/stats/accounts/{self.account_id}", params):
                _add_up(sums, row, days=(last - first).days + 1)
        for (campaign, day), one in sums.items():
            yield DayFigures(
                campaign_id=campaign,
                on=first + timedelta(days=day),
                spend=from_wire(one.get("billed_charge_local_micro", 0), currency, Form.MICROS),
                impressions=one.get("impressions"),
                clicks=one.get("clicks"),
            )

    def _active(self, first: date, last: date) -> list[str]:
        params = {"entity": "CAMPAIGN", **self._span(first, last)}
        found = self._read("figures.active", f"/stats/accounts/{self.account_id}/active_entities", params)
        return [row["entity_id"] for row in found]

    def _span(self, first: date, last: date) -> dict[str, str]:
        """Whole days of the account's zone; the end is not part of it."""
        ends = (first, last + timedelta(days=1))
        start, end = (datetime(on.year, on.month, on.day, tzinfo=self.zone).astimezone(UTC) for on in ends)
        return {"start_time": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end_time": f"{end:%Y-%m-%dT%H:%M:%SZ}"}

    @property
    def zone(self) -> ZoneInfo:
        if self._zone is None:
            self._zone = ZoneInfo(self._read("account.read", f"/accounts/{self.account_id}")["timezone"])
        return self._zone

    def _funding(self) -> Mapping[str, Any]:
        rows = self._read("funding.read", f"/accounts/{self.account_id}/funding_instruments")
        return rows[0] if rows else {"id": "", "currency": ""}

    @property
    def _campaigns(self) -> str:
        return f"/accounts/{self.account_id}/campaigns"

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Request:
        return Request(method="GET", url=path, params=params)

    def _read(self, name: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.client.require(name, self._get(path, params))["data"]

    def _write(
        self,
        name: str,
        method: str,
        path: str,
        params: Mapping[str, Any],
        read: Any,
    ) -> "Answer[Any]":
        request = Request(method=method, url=path, params=params)
        return self.client.ask(name, request, read=read, kind="write", is_idempotent=False, is_costly=True)


def check(client: Client) -> str:
    return XAds(client).account()


def _params(change: Change) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if change.status is not None:
        params["entity_status"] = NATIVE.get(change.status, "PAUSED")
    if change.budget is not None:
        params[BUDGETS[change.budget_kind or BudgetKind.DAILY]] = to_wire(change.budget, Form.MICROS)
    return params


def _of_batch(outcome: Outcome, response: Response, size: int) -> Outcome:
    """Which of them stopped the batch; the others were well, and not done."""
    told = response.json_object().get("operation_errors") or []
    if outcome.is_good and not any(told):
        return replace(outcome, items=(OK,) * size)
    items = []
    for place in range(size):
        errors = told[place] if place < len(told) else None
        words = errors[0].get("message", "") if errors else "Not done: another of the batch was refused."
        kind = Kind.PERMANENT_DATA if errors else Kind.RETRYABLE
        items.append(Outcome(kind=kind, status=response.status, reason=f"{NAME}: {words}"[:300]))
    kind = Kind.PERMANENT_DATA if outcome.is_good else outcome.kind
    return replace(outcome, kind=kind, items=tuple(items) if any(told) else ())


def _campaign(row: Mapping[str, Any]) -> Campaign:
    kind = next((one for one, name in BUDGETS.items() if row.get(name) is not None), None)
    native = "DELETED" if row.get("deleted") else row["entity_status"]
    return Campaign(
        id=row["id"],
        name=row["name"],
        status=STATUSES.get(native, Status.ENDED),
        native_status=row.get("effective_status") or native,
        budget=from_wire(row[BUDGETS[kind]], row["currency"], Form.MICROS) if kind else None,
        budget_kind=kind,
    )


def _add_up(sums: dict[tuple[str, int], dict[str, int]], row: Mapping[str, Any], *, days: int) -> None:
    for part in row.get("id_data", []):
        for name, values in part.get("metrics", {}).items():
            for day in range(days):
                amount = int(values[day] or 0) if values and day < len(values) else 0
                one = sums.setdefault((row["id"], day), {})
                one[name] = one.get(name, 0) + amount


def _new_id(response: Response) -> str:
    return str(response.json()["data"]["id"])
