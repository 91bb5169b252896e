"""Who fits a rule tree, worked out person by person from the rows alone: slow, and plain to see."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.accounts.models import ConsentRecord, Person
from apps.attribution.models import Conversion, Touchpoint
from apps.campaigns.models import AudienceMember, Campaign, Engagement, Recipient
from tests.campaigns.audiences.world import ZONE

Row = dict[str, Any]


class Reference:
    """The rows of the workspace in scope, as they are when it is made."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.people = list(Person.objects.values())
        root = {one["id"]: one["merged_into_id"] or one["id"] for one in self.people}
        self.touches = list(
            Touchpoint.objects.values(
                "person_id",
                "event_type",
                "occurred_at",
                "source__platform",
                "source__campaign_id",
                "source__channel__key",
            )
        )
        self.sales = list(Conversion.objects.filter(is_counted=True).values())
        self.heard = list(Engagement.objects.filter(is_machine=False).values())
        self.sent = [
            row | {"person_id": root[row["person_id"]], "occurred_at": row["settled_at"]}
            for row in Recipient.objects.filter(state="sent").values()
        ]
        self.campaigns = {str(one.public_id): one.pk for one in Campaign.objects.all()}
        self.members = {
            (str(audience), root[person])
            for audience, person in AudienceMember.objects.values_list("audience__public_id", "person_id")
        }
        said = ConsentRecord.objects.order_by("occurred_at", "-is_granted", "id").values()
        self.said = {(row["person_id"], row["purpose"]): row["is_granted"] for row in said}

    def people_of(self, rules: Row) -> set[int]:
        alive = [one for one in self.people if one["merged_into_id"] is None and one["erased_at"] is None]
        return {one["id"] for one in alive if self.fits(one, rules)}

    def fits(self, person: Row, rule: Row) -> bool:
        if "and" in rule:
            return all(self.fits(person, one) for one in rule["and"])
        if "or" in rule:
            return any(self.fits(person, one) for one in rule["or"])
        if "not" in rule:
            return not self.fits(person, rule["not"])
        family = rule["field"].partition(".")[0]
        judge: Callable[[Row, Row], bool] = getattr(self, f"_{family}")
        return judge(person, rule)

    def _person(self, person: Row, rule: Row) -> bool:
        name = rule["field"].partition(".")[2]
        if name.startswith(("has_", "is_")):
            column = {"has_email": "email_index", "has_phone": "phone_index", "is_known": "external_id"}[name]
            return (person[column] is not None) == rule.get("value", True)
        value = person[{"created": "created_at"}.get(name, f"{name}_at")]
        if rule["op"] in {"exists", "missing"}:
            return (value is not None) == (rule["op"] == "exists")
        return value is not None and self._moment(value, rule["op"], rule["value"])

    def _moment(self, value: datetime, op: str, asked: Any) -> bool:
        if op == "in_last":
            return self.now - timedelta(days=asked) < value <= self.now
        if op == "not_for":
            return value <= self.now - timedelta(days=asked)
        day, asked = value.astimezone(ZONE).date(), date.fromisoformat(asked)
        return {"before": day < asked, "on": day == asked, "after": day > asked}[op]

    def _trait(self, person: Row, rule: Row) -> bool:
        value, op, asked = person["traits"].get(rule["key"]), rule["op"], rule.get("value")
        opposites = {"not_equals": "equals", "not_in": "in", "not_contains": "contains", "missing": "exists"}
        if op in opposites:
            return not self._trait(person, rule | {"op": opposites[op]})
        if op == "exists":
            return value is not None
        if op in {"equals", "in"}:
            return any(_is_equal(value, one) for one in (asked if op == "in" else [asked]))
        if op == "contains":
            if isinstance(value, str):
                return _text(asked).lower() in value.lower()
            return isinstance(value, list) and _text(asked) in [one for one in value if isinstance(one, str)]
        if op in {"before", "after"}:
            is_day = isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}", value)
            return _is_beyond(value[:10] if is_day else None, op, asked)
        return _is_beyond(_number(value), op, Decimal(str(asked)))

    def _touchpoint(self, person: Row, rule: Row) -> bool:
        columns = {
            "channel": "source__channel__key",
            "platform": "source__platform",
            "campaign": "source__campaign_id",
            "event_type": "event_type",
        }
        rows = [
            row
            for row in self.touches
            if all(row[column] in _list(rule[key]) for key, column in columns.items() if key in rule)
        ]
        return self._often(person, rows, rule)

    def _conversion(self, person: Row, rule: Row) -> bool:
        rows = [
            one for one in self.sales if "type" not in rule or one["conversion_type"] in _list(rule["type"])
        ]
        if not rule.get("op", "").startswith("revenue"):
            return self._often(person, rows, rule)
        found = [one for one in rows if one["person_id"] == person["id"] and self._is_in(one, rule)]
        worth = sum((one["value"] for one in found), Decimal(0))
        asked = Decimal(str(rule["revenue"]))
        return worth >= asked if rule["op"] == "revenue_at_least" else worth <= asked

    def _engagement(self, person: Row, rule: Row) -> bool:
        is_sent = rule["kind"] == "sent"
        rows = self.sent if is_sent else [one for one in self.heard if one["kind"] == rule["kind"]]
        if "campaign" in rule:
            rows = [one for one in rows if one["campaign_id"] == self.campaigns[rule["campaign"]]]
        return self._often(person, rows, rule)

    def _list(self, person: Row, rule: Row) -> bool:
        is_on = (rule["list"], person["id"]) in self.members
        return is_on == (rule.get("op", "member") == "member")

    def _consent(self, person: Row, rule: Row) -> bool:
        said = self.said.get((person["id"], rule["purpose"]))
        return {"granted": said is True, "withdrawn": said is False, "unknown": said is None}[
            rule.get("op", "granted")
        ]

    def _often(self, person: Row, rows: list[Row], rule: Row) -> bool:
        found = sum(one["person_id"] == person["id"] and self._is_in(one, rule) for one in rows)
        op, count = rule.get("op", "at_least"), rule.get("count", 1)
        return {
            "at_least": found >= count,
            "at_most": found <= count,
            "exactly": found == count,
            "did_not": found == 0,
        }[op]

    def _is_in(self, row: Row, rule: Row) -> bool:
        window, moment = rule.get("window") or {}, row["occurred_at"]
        if "last_days" in window:
            return self.now - timedelta(days=window["last_days"]) < moment <= self.now
        day = moment.astimezone(ZONE).date().isoformat()
        return window.get("from", "0") <= day <= window.get("until", "9")


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_equal(value: Any, asked: Any) -> bool:
    if isinstance(value, bool):
        return json.dumps(value) == _text(asked)
    if isinstance(value, str):
        return value == _text(asked)
    if isinstance(value, int | float):
        number = None if isinstance(asked, bool) else _parsed(str(asked))
        return number is not None and Decimal(str(value)) == number
    return False


def _is_beyond(value: Any, op: str, edge: Any) -> bool:
    if value is None:
        return False
    return value > edge if op in {"greater", "after"} else value < edge


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(str(value))
    return _parsed(value) if isinstance(value, str) else None


def _parsed(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"-?\d{1,15}(\.\d{1,10})?", text, re.ASCII) else None
