"""A conversion in plain values, on its way to those who sent the buyer. What it is worth, others know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.accounts import consent

# What a person may have allowed, by the names that Google's consent mode has made common.
AD_USER_DATA, AD_PERSONALIZATION, ANALYTICS = "ad_user_data", "ad_personalization", "analytics_storage"
PURPOSES = (AD_USER_DATA, AD_PERSONALIZATION, ANALYTICS)
consent.asks_for(AD_USER_DATA, "Meta, Google Ads, TikTok, LinkedIn and X are told what the person bought.")
consent.asks_for(
    AD_PERSONALIZATION, "They may use it to show advertisements; without it they are told that they may not."
)
consent.asks_for(ANALYTICS, "Analytics is told what the person bought.")


@dataclass(frozen=True, kw_only=True)
class Click:
    """The newest click that carried an id of this kind."""

    value: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ConversionEvent:
    """One order, lead or sign-up, and by what its buyer may be recognised.

    event_id: the same at every destination and in the browser, which is how duplicates are dropped. value:
    what it is worth now. is_void: it was taken back whole. person_key: ours, says nothing outside. clicks: by
    name (gclid, fbclid, …). browser: what the page told, by name: url, client_ip_address, client_user_agent,
    fbc, fbp, ttp, ga_client_id, ga_session_id. allows: purposes. taken_back: of a retraction, what the value
    has lost. is_step: a step on the way (a visit, a click), which only product analytics is told of.
    """

    event_id: str
    kind: str
    at: datetime
    value: Decimal
    currency: str
    order_id: str = ""
    is_void: bool = False
    person_id: int | None = None
    person_key: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    external_id: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""
    clicks: Mapping[str, Click] = field(default_factory=dict)
    browser: Mapping[str, str] = field(default_factory=dict)
    allows: frozenset[str] = frozenset()
    taken_back: Decimal | None = None
    changed_at: datetime | None = None
    is_step: bool = False

    def click(self, name: str) -> str:
        return self.clicks[name].value if name in self.clicks else ""

    def to_json(self) -> dict[str, Any]:
        whole = asdict(self) | {
            "at": self.at.isoformat(),
            "value": str(self.value),
            "clicks": {name: [one.value, one.at.isoformat()] for name, one in self.clicks.items()},
            "allows": sorted(self.allows),
            "taken_back": None if self.taken_back is None else str(self.taken_back),
            "changed_at": None if self.changed_at is None else self.changed_at.isoformat(),
        }
        return {name: value for name, value in whole.items() if value not in ("", None, {}, [])}


def from_json(told: Mapping[str, Any]) -> ConversionEvent:
    changes: dict[str, Any] = {
        "at": datetime.fromisoformat(told["at"]),
        "value": Decimal(told["value"]),
        "clicks": {
            name: Click(value=value, at=datetime.fromisoformat(at))
            for name, (value, at) in told.get("clicks", {}).items()
        },
        "allows": frozenset(told.get("allows", ())),
    }
    if "taken_back" in told:
        changes["taken_back"] = Decimal(told["taken_back"])
    if "changed_at" in told:
        changes["changed_at"] = datetime.fromisoformat(told["changed_at"])
    return ConversionEvent(**{**told, **changes})


def with_value(told: Mapping[str, Any], value: Decimal) -> dict[str, Any]:
    """The same event, worth something else."""
    return replace(from_json(told), value=value).to_json()
