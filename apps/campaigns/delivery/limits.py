"""What a workspace sets for how much may leave, in its settings under "delivery"; and how many messages one
person may have in some days. Rates and ramps are paces.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from apps.accounts import scoping, workspace_settings
from apps.accounts.models import Workspace
from apps.accounts.one_trip import Statement
from apps.accounts.permissions import Actor
from apps.campaigns.models import Campaign, Topic

SETTING = "delivery"
# Counted with the recipient's own mark: whoever is put off, or whose worker dies, is not counted again.
CAPS = """
    WITH asked AS (
        SELECT * FROM unnest(%(recipients)s::bigint[], %(people)s::bigint[]) AS asked (recipient, person)
    ), counted AS (
        INSERT INTO campaigns_personday AS kept (workspace_id, person_id, day, messages)
        SELECT p.workspace_id, p.id, %(day)s::date, 1
        FROM asked
        JOIN accounts_person AS p
          ON p.workspace_id = (SELECT %(workspace)s::bigint) AND p.id = asked.person
        WHERE {others} + coalesce((SELECT d.messages FROM campaigns_personday AS d
            WHERE d.workspace_id = p.workspace_id AND d.person_id = p.id AND d.day = %(day)s::date), 0)
            < %(most)s
        ORDER BY p.id
        ON CONFLICT (workspace_id, person_id, day) DO UPDATE SET messages = kept.messages + 1
        WHERE kept.messages + {kept_others} < %(most)s
        RETURNING person_id
    )
    UPDATE campaigns_recipient AS r SET is_counted = true, counted_on = %(day)s::date
    FROM asked JOIN counted ON counted.person_id = asked.person
    WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = asked.recipient
    RETURNING r.id
"""
OTHERS = """(SELECT coalesce(sum(d.messages), 0) FROM campaigns_personday AS d
    WHERE d.workspace_id = {of}.workspace_id AND d.person_id = {of}.{key}
      AND d.day > %(day)s::date - %(days)s::int AND d.day < %(day)s::date)"""
CAPS = CAPS.format(
    others=OTHERS.format(of="p", key="id"), kept_others=OTHERS.format(of="kept", key="person_id")
)

# Days before recipients, as whoever counts locks them. Who may have had it, before it was to go again, stays
# counted.
GIVE_BACK = """
    WITH mine AS (
        SELECT r.id, r.person_id, r.counted_on FROM campaigns_recipient AS r
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND {whose}
          AND r.is_counted AND r.counted_on IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM campaigns_ledgerentry AS e
              WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.campaign_id = r.campaign_id
                AND e.recipient_id = r.id AND e.fate = 'uncertain')
    ), held AS (
        SELECT id FROM campaigns_personday
        WHERE workspace_id = (SELECT %(workspace)s::bigint)
          AND (person_id, day) IN (SELECT person_id, counted_on FROM mine)
        ORDER BY person_id, day FOR UPDATE
    ), given AS (
        UPDATE campaigns_recipient AS r SET is_counted = false, counted_on = NULL
        FROM mine
        WHERE r.workspace_id = (SELECT %(workspace)s::bigint) AND r.id = mine.id AND r.is_counted
          AND (SELECT count(*) FROM held) >= 0
        RETURNING mine.person_id, mine.counted_on
    )
    UPDATE campaigns_personday AS d SET messages = greatest(d.messages - back.messages, 0)
    FROM (SELECT person_id, counted_on, count(*) AS messages FROM given GROUP BY 1, 2) AS back
    WHERE d.workspace_id = (SELECT %(workspace)s::bigint) AND d.person_id = back.person_id
      AND d.day = back.counted_on
    RETURNING d.id
"""
OF_THESE = GIVE_BACK.format(whose="r.id = ANY(%(ids)s::bigint[])")
OF_A_CAMPAIGN = GIVE_BACK.format(
    whose="r.campaign_id = %(campaign)s AND r.id > %(after)s AND r.id <= %(through)s "
    "AND r.state IN ('to_send', 'waiting', 'skipped') AND r.id <> ALL(%(but)s::bigint[])"
)


@dataclass(frozen=True)
class Settings:
    """Of a workspace. cap: (messages, days). None: no limit."""

    zone_day: date
    warms_up: bool = False
    sender_per_hour: int | None = None
    domains_per_hour: Mapping[str, int] | None = None
    cap: tuple[int, int] | None = None


@workspace_settings.register(SETTING)
def _check(actor: Actor, value: Any) -> None:
    known = {"warm_up", "sender_per_hour", "domains_per_hour", "cap"}
    if not isinstance(value, dict) or not set(value) <= known:
        raise ValueError(f"Give an object with some of {', '.join(sorted(known))}.")
    if not isinstance(value.get("warm_up", False), bool):
        raise ValueError("warm_up is true or false.")
    _check_domains(value.get("domains_per_hour", {}))
    if "sender_per_hour" in value and not _is_number(value["sender_per_hour"]):
        raise ValueError("sender_per_hour is a whole number from 1.")
    cap = value.get("cap", {"messages": 1, "days": 1})
    if (
        not isinstance(cap, dict)
        or set(cap) != {"messages", "days"}
        or not all(map(_is_number, cap.values()))
    ):
        raise ValueError('cap is the most marketing messages in some days: {"messages": 4, "days": 7}.')
    if cap["days"] > 90 or cap["messages"] > 1_000:
        raise ValueError("A cap reaches over at most 90 days and 1,000 messages.")


def _check_domains(domains: Any) -> None:
    if not isinstance(domains, dict) or not all(map(_is_number, domains.values())):
        raise ValueError('domains_per_hour gives messages an hour by domain: {"gmail.com": 2000}.')
    for domain in domains:
        if not (meant := envelope_domain(domain)):
            raise ValueError(f"domains_per_hour: {domain[:60]!r} is no domain, such as gmail.com.")
        if meant != domain:
            raise ValueError(f"domains_per_hour: {domain[:60]!r} is {meant!r} in addresses; write that.")


def envelope_domain(text: str) -> str:
    """As envelopes have it: small letters of ASCII; empty for what is no domain."""
    try:
        domain = text.lower().encode("idna").decode()
    except UnicodeError:
        return ""
    return domain if "." in domain and "@" not in domain else ""


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 1


def of_workspace(workspace: Workspace, *, now: datetime) -> Settings:
    told = dict(workspace.settings.get(SETTING) or {})
    cap = told.get("cap")
    return Settings(
        zone_day=now.astimezone(workspace.zone).date(),
        warms_up=bool(told.get("warm_up")),
        sender_per_hour=told.get("sender_per_hour"),
        domains_per_hour=told.get("domains_per_hour"),
        cap=None if cap is None else (cap["messages"], cap["days"]),
    )


def within_cap(campaign: Campaign, recipients: Mapping[int, int], settings: Settings) -> set[int]:
    """Which recipients may have their message, which is counted with that. What people wait for is neither
    held nor counted.

    recipients: by Recipient.pk whose it is; nobody who is counted already.
    """
    is_spared = campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE
    if settings.cap is None or is_spared:
        return set(recipients)
    allowed: set[int] = set()
    left = dict(recipients)
    while left:
        each = {person: key for key, person in left.items()}  # several of one person take turns
        allowed |= _count({key: person for person, key in each.items()}, settings.cap, settings.zone_day)
        left = {key: person for key, person in left.items() if each[person] != key}
    return allowed


def _count(recipients: Mapping[int, int], cap: tuple[int, int], day: date) -> set[int]:
    params: dict[str, Any] = {
        "recipients": list(recipients),
        "people": list(recipients.values()),
        "workspace": scoping.current_id(),
        "day": day,
        "days": cap[1],
        "most": cap[0],
    }
    with connection.cursor() as cursor:
        cursor.execute(CAPS, params)
        return {key for (key,) in cursor.fetchall()}


def give_back(recipients: Sequence[int]) -> None:
    """They get nothing after all: their message counts no more."""
    _run(*giving_back(recipients))


def giving_back(recipients: Sequence[int]) -> Statement:
    """The same, to go with what says so of them: before it, since days are locked before recipients."""
    return OF_THESE, {"workspace": scoping.current_id(), "ids": list(recipients)}


def give_back_of(campaign_id: int, *, after: int, through: int, but: Sequence[int]) -> None:
    """The same of all recipients of a campaign in that span who got nothing, but for those named."""
    _run(OF_A_CAMPAIGN, {"campaign": campaign_id, "after": after, "through": through, "but": list(but)})


def _run(query: str, params: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, params | {"workspace": scoping.current_id()})
