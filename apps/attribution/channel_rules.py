"""The rules that derive a channel, compiled: ordered, the first whose conditions all hold decides.

A condition is a pattern: `*` stands for any text, `|` separates alternatives. Names in brackets stand for
what is no text: `(none)` nothing was given; as referrer also `(own)`, a page of the company, and `(payment)`,
a payment provider. An empty condition always holds; `*` alone holds when something was given.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

CONDITIONS = (
    "platform",
    "event_type",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "referrer_host",
    "click_id",
)
OTHER = "other"
ABSENT, OWN, PAYMENT = "(none)", "(own)", "(payment)"
MEMORY = 20_000

Values = tuple[str, ...]
Matcher = Callable[[Values], bool]


class Origin(NamedTuple):
    """What a touch says of where it came from. click_ids: the names of those present, sorted."""

    platform: str
    event_type: str = ""
    campaign_id: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    click_ids: Values = ()
    page_host: str = ""
    referrer_host: str = ""


class Sites(NamedTuple):
    """Hosts that never count as a source: the company's own, and payment providers it sends buyers to."""

    own: frozenset[str]
    payment: frozenset[str]

    def kind(self, referrer_host: str, page_host: str) -> str:
        """The referrer as the rules see it: its host, "(own)" or "(payment)"."""
        if is_same_site(referrer_host, page_host) or _is_under(referrer_host, self.own):
            return OWN
        return PAYMENT if _is_under(referrer_host, self.payment) else referrer_host


@dataclass
class RuleSet:
    """Compiled rules and a memory of what they decided, since touches repeat themselves."""

    rules: tuple[tuple[str, tuple[tuple[int, Matcher], ...]], ...]
    sites: Sites
    _known: dict[Origin, str] = field(default_factory=dict)

    def channel_of(self, origin: Origin) -> str:
        """Key of the first rule that holds, "other" when none does."""
        if (known := self._known.get(origin)) is None:
            if len(self._known) >= MEMORY:
                self._known.clear()
            known = self._known[origin] = self._decide(_signals(origin, self.sites))
        return known

    def _decide(self, signals: tuple[Values, ...]) -> str:
        for key, conditions in self.rules:
            if all(holds(signals[place]) for place, holds in conditions):
                return key
        return OTHER


def compile_rules(rules: Iterable[tuple[str, Sequence[str]]], sites: Sites) -> RuleSet:
    """rules: (channel key, patterns in the order of CONDITIONS), in order."""
    return RuleSet(
        tuple(
            (key, tuple((place, _matcher(text)) for place, text in enumerate(patterns) if text))
            for key, patterns in rules
        ),
        sites,
    )


def _signals(origin: Origin, sites: Sites) -> tuple[Values, ...]:
    """What each condition looks at, in their order: lower-case texts, none where the touch is silent.

    The campaign condition sees utm_campaign and campaign_id: a pattern may name either.
    """
    referrer = sites.kind(origin.referrer_host, origin.page_host) if origin.referrer_host else ""
    return (
        _lower(origin.platform),
        _lower(origin.event_type),
        _lower(origin.utm_source),
        _lower(origin.utm_medium),
        _lower(origin.utm_campaign, origin.campaign_id),
        _lower(referrer),
        origin.click_ids,
    )


def _lower(*texts: str) -> Values:
    return tuple(text.lower() for text in texts if text)


def _matcher(pattern: str) -> Matcher:
    alternatives = [part.strip() for part in pattern.lower().split("|") if part.strip()]
    plain = frozenset(part for part in alternatives if "*" not in part)
    wild = tuple(tuple(part.split("*")) for part in alternatives if "*" in part)

    def holds(values: Values) -> bool:
        if not values:
            return ABSENT in plain
        return any(value in plain or any(_fits(value, parts) for parts in wild) for value in values)

    return holds


def _fits(value: str, parts: tuple[str, ...]) -> bool:
    """Whether the parts occur in order, the first at the start, the last at the end. Linear."""
    first, *middle, last = parts
    at, end = len(first), len(value) - len(last)
    if at > end or not value.startswith(first) or not value.endswith(last):
        return False
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


# Names under which anybody may have a site: two sites there are two companies.
SHARED_HOSTS = frozenset(
    {
        "wordpress.com",
        "blogspot.com",
        "wixsite.com",
        "squarespace.com",
        "myshopify.com",
        "weebly.com",
        "github.io",
        "netlify.app",
    }
)
_SECOND_LEVELS = frozenset(["ac", "co", "com", "edu", "gov", "ltd", "me", "net", "org", "plc", "sch"])


def is_same_site(one: str, other: str) -> bool:
    """Whether two hosts belong to one registered name, such as shop.example.co.uk and example.co.uk."""
    return one == other or (bool(one and other) and _registered_name(one) == _registered_name(other))


def _registered_name(host: str) -> str:
    labels = host.split(".")
    is_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    take = 3 if is_country or ".".join(labels[-2:]) in SHARED_HOSTS else 2
    return ".".join(labels[-take:])


def _is_under(host: str, names: frozenset[str]) -> bool:
    labels = host.split(".")
    return any(".".join(labels[place:]) in names for place in range(len(labels) - 1))
