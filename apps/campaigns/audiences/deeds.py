"""Conditions on what people did: touches, conversions, and what they did with our messages."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.accounts import figures
from apps.campaigns.audiences.conditions import Entry, Input, Names, Phrases, quoted, without_empty
from apps.campaigns.audiences.question import WORKSPACE, Predicate, Question, opposite
from apps.campaigns.audiences.reading import Given
from apps.campaigns.audiences.windows import AT_LEAST, OPS, Times, Window
from apps.campaigns.models import Campaign, Engagement

GROUP = "What they did"
TOUCH, CONVERSION, ENGAGEMENT = "touchpoint", "conversion", "engagement"
REVENUE_AT_LEAST, REVENUE_AT_MOST = "revenue_at_least", "revenue_at_most"
REVENUE_OPS = (REVENUE_AT_LEAST, REVENUE_AT_MOST)
SENT = "sent"
TOUCH_KEYS = ("channel", "platform", "campaign", "event_type")
_COLUMNS = {"channel": "ch.key", "platform": "s.platform", "campaign": "s.campaign_id"}
_TOUCH_WORDS = {"event_type": "of type", "channel": "through", "platform": "on", "campaign": "of campaign"}


@dataclass(frozen=True)
class TouchCondition:
    """filters: (key of TOUCH_KEYS, what it may be)."""

    filters: tuple[tuple[str, tuple[str, ...]], ...]
    times: Times
    window: Window

    @classmethod
    def read(cls, given: Given) -> "TouchCondition":
        found = [(key, given.texts(key)) for key in TOUCH_KEYS]
        return cls(
            tuple((key, texts) for key, texts in found if texts), Times.read(given), Window.read(given)
        )

    def holds(self, question: Question) -> Predicate:
        told = f"FROM attribution_touchpoint AS t WHERE t.workspace_id = {WORKSPACE}"
        params: list[Any] = [question.workspace_id]
        of_source = [(_COLUMNS[key], texts) for key, texts in self.filters if key in _COLUMNS]
        if of_source:
            conditions = "".join(f" AND {column} = ANY(%s::text[])" for column, _ in of_source)
            told += (
                " AND t.source_id IN (SELECT s.id FROM attribution_source AS s"  # noqa: S608 - constants
                " JOIN attribution_channel AS ch ON ch.id = s.channel_id"
                f" AND ch.workspace_id = s.workspace_id WHERE s.workspace_id = {WORKSPACE}{conditions})"
            )
            params += [question.workspace_id, *(list(texts) for _, texts in of_source)]
        for texts in (texts for key, texts in self.filters if key == "event_type"):
            told += " AND t.event_type = ANY(%s::text[])"
            params.append(list(texts))
        window, bounds = self.window.holds("t.occurred_at", question)
        return self.times.holds(question, "t.person_id", (told + window, [*params, *bounds]))

    def phrases(self, names: Names) -> Phrases:
        given = dict(self.filters)
        details = "".join(
            f" {words} {quoted(*given[key])}" for key, words in _TOUCH_WORDS.items() if key in given
        )
        told, untold = self.times.words("touch", "touches")
        rest = details + self.window.words()
        return f"had {told}{rest}", f"had {untold}{rest}"

    def as_json(self) -> dict[str, Any]:
        filters = {key: list(texts) for key, texts in self.filters}
        return {"field": TOUCH, **filters, **_json(self.times, self.window)}


@dataclass(frozen=True)
class ConversionCondition:
    """revenue: what they are worth together, in the workspace's currency; only with an op on revenue."""

    types: tuple[str, ...]
    times: Times
    window: Window
    revenue: Decimal | None = None

    @classmethod
    def read(cls, given: Given) -> "ConversionCondition":
        types, times = given.texts("type"), Times.read(given, also=REVENUE_OPS)
        least = Decimal("0.01") if times.op == REVENUE_AT_LEAST else Decimal(0)
        revenue = given.number("revenue", least=least) if times.op in REVENUE_OPS else None
        return cls(types, times, Window.read(given), revenue)

    def holds(self, question: Question) -> Predicate:
        told = f"FROM attribution_conversion AS v WHERE v.workspace_id = {WORKSPACE} AND v.is_counted"
        params: list[Any] = [question.workspace_id]
        if self.types:
            told += " AND v.conversion_type = ANY(%s::text[])"
            params.append(list(self.types))
        window, bounds = self.window.holds("v.occurred_at", question)
        rows = told + window, [*params, *bounds]
        return self._worth(question, rows) if self.revenue is not None else self._often(question, rows)

    def _often(self, question: Question, rows: Predicate) -> Predicate:
        return self.times.holds(question, "v.person_id", rows)

    def _worth(self, question: Question, rows: Predicate) -> Predicate:
        """Who bought nothing is worth nothing."""
        sign = ">=" if self.times.op == REVENUE_AT_LEAST else ">"
        groups = f"SELECT v.person_id AS id {rows[0]} GROUP BY 1 HAVING sum(v.value) {sign} %s::numeric"
        found = question.among(groups, [*rows[1], self.revenue])
        return found if self.times.op == REVENUE_AT_LEAST else opposite(found)

    def phrases(self, names: Names) -> Phrases:
        rest = (f" of type {quoted(*self.types)}" if self.types else "") + self.window.words()
        if self.revenue is None:
            told, untold = self.times.words("conversion", "conversions")
            return f"had {told}{rest}", f"had {untold}{rest}"
        amount = figures.money(self.revenue, names.currency, exact=True)
        if self.times.op == REVENUE_AT_LEAST:
            return f"spent at least {amount}{rest}", f"spent less than {amount}{rest}"
        return f"spent at most {amount}{rest}", f"spent more than {amount}{rest}"

    def as_json(self) -> dict[str, Any]:
        revenue = None if self.revenue is None else format(self.revenue, "f")
        told = {"field": CONVERSION, "type": list(self.types), "revenue": revenue}
        return {**without_empty(told), **_json(self.times, self.window)}


OF_CAMPAIGN = f"SELECT id FROM campaigns_campaign WHERE workspace_id = {WORKSPACE} AND public_id = %s::uuid"  # noqa: S608
# How each reads, and how its opposite does; {} is the message.
ENGAGEMENTS = {
    SENT: ("were sent {}", "were not sent {}"),
    "delivered": ("received {}", "did not receive {}"),
    "opened": ("opened {}", "did not open {}"),
    "clicked": ("clicked in {}", "did not click in {}"),
    "replied": ("replied to {}", "did not reply to {}"),
    "bounced": ("could not be reached by {}", "were not out of reach of {}"),
    "complained": ("complained about {}", "did not complain about {}"),
    "unsubscribed": ("unsubscribed from {}", "did not unsubscribe from {}"),
}
_LABELS = {SENT: "were sent a message"} | {
    kind: words[0].format("a message") for kind, words in ENGAGEMENTS.items() if kind != SENT
}


@dataclass(frozen=True)
class EngagementCondition:
    """What machines did (scanners, privacy proxies) never counts. campaign: of any where there is none."""

    kind: str
    campaign: UUID | None
    times: Times
    window: Window

    @classmethod
    def read(cls, given: Given) -> "EngagementCondition":
        kind, campaign = given.choice("kind", list(ENGAGEMENTS)), given.identity("campaign")
        if campaign is not None and not Campaign.objects.filter(public_id=campaign).exists():
            given.fault("campaign", "There is no such campaign in this workspace.")
        return cls(kind, campaign, Times.read(given), Window.read(given))

    def holds(self, question: Question) -> Predicate:
        if self.kind == SENT:
            # Who was merged since got it as somebody else.
            told = (
                "FROM campaigns_recipient AS r JOIN accounts_person AS o"
                " ON o.workspace_id = r.workspace_id AND o.id = r.person_id"
                f" WHERE r.workspace_id = {WORKSPACE} AND r.state = 'sent'"
            )
            who, moment = "coalesce(o.merged_into_id, o.id)", "r.settled_at"
            params: list[Any] = [question.workspace_id]
        else:
            told = (
                f"FROM campaigns_engagement AS r WHERE r.workspace_id = {WORKSPACE}"
                " AND r.kind = %s AND NOT r.is_machine"
            )
            who, moment = "r.person_id", "r.occurred_at"
            params = [question.workspace_id, Engagement.Kind(self.kind).value]
        if self.campaign is not None:
            told += f" AND r.campaign_id = ({OF_CAMPAIGN})"
            params += [question.workspace_id, self.campaign]
        window, bounds = self.window.holds(moment, question)
        return self.times.holds(question, who, (told + window, [*params, *bounds]))

    def phrases(self, names: Names) -> Phrases:
        message = "a message"
        if self.campaign is not None:
            message += f" of {quoted(names.campaigns.get(self.campaign, 'a campaign that is gone'))}"
        did, did_not = (words.format(message) for words in ENGAGEMENTS[self.kind])
        window = self.window.words()
        if self.times == Times(AT_LEAST, 1):
            return f"{did}{window}", f"{did_not}{window}"
        if self.times.is_none:
            return f"{did_not}{window}", f"{did}{window}"
        told, untold = self.times.words("time", "times")
        return f"{did} {told}{window}", f"{did} {untold}{window}"

    def as_json(self) -> dict[str, Any]:
        campaign = None if self.campaign is None else str(self.campaign)
        told = without_empty({"field": ENGAGEMENT, "kind": self.kind, "campaign": campaign})
        return {**told, **_json(self.times, self.window)}


def touch_entry(
    channels: tuple[str, ...], platforms: tuple[str, ...], types: tuple[str, ...], campaigns: tuple[str, ...]
) -> Entry:
    suggestions = dict(zip(TOUCH_KEYS, (channels, platforms, campaigns, types), strict=True))
    labels = {"channel": "channel", "platform": "platform", "campaign": "campaign id", "event_type": "type"}
    filters = tuple(
        Input(name=key, label=f"{labels[key]}, or any", kind="texts", suggestions=suggestions[key])
        for key in TOUCH_KEYS
    )
    return Entry(
        key=TOUCH,
        label="Touches",
        group=GROUP,
        read=TouchCondition.read,
        inputs=lambda: (*_often("had them"), *filters, _WINDOW),
    )


def conversion_entry(types: tuple[str, ...]) -> Entry:
    ops = (*_OPS, (REVENUE_AT_LEAST, "spent at least"), (REVENUE_AT_MOST, "spent at most"))
    how, count = _often("had them")
    money = Input(name="revenue", label="amount", kind="number", when=("op", REVENUE_OPS))
    kinds = Input(name="type", label="type, or any", kind="texts", suggestions=types)
    return Entry(
        key=CONVERSION,
        label="Conversions",
        group=GROUP,
        read=ConversionCondition.read,
        inputs=lambda: (replace(how, choices=ops), count, money, kinds, _WINDOW),
    )


def engagement_entry(campaigns: tuple[tuple[str, str], ...]) -> Entry:
    kind = Input(name="kind", label="what", kind="choice", choices=tuple(_LABELS.items()), is_needed=True)
    campaign = Input(
        name="campaign", label="of campaign", kind="choice", choices=(("", "any campaign"), *campaigns)
    )
    return Entry(
        key=ENGAGEMENT,
        label="Our messages",
        group=GROUP,
        read=EngagementCondition.read,
        inputs=lambda: (kind, *_often("did it"), campaign, _WINDOW),
    )


_OPS = (("at_least", "at least"), ("did_not", "not once"), ("at_most", "at most"), ("exactly", "exactly"))
_WINDOW = Input(name="window", label="when", kind="window")


def _often(label: str) -> tuple[Input, Input]:
    how = Input(name="op", label=label, kind="choice", choices=_OPS, default=AT_LEAST)
    counted = tuple(one for one in OPS if one != "did_not")
    return how, Input(name="count", label="times", kind="whole", default="1", when=("op", counted))


def _json(times: Times, window: Window) -> dict[str, Any]:
    told: dict[str, Any] = {"op": times.op}
    if times.op in OPS and times.op != "did_not":
        told["count"] = times.count
    if window.days is not None:
        told["window"] = {"last_days": window.days}
    elif window.since or window.until:
        days = {"from": window.since, "until": window.until}
        told["window"] = {name: day.isoformat() for name, day in days.items() if day is not None}
    return told
