"""The channels of a workspace and the rules that lead to them: rows, edited by verbs, compiled once.

Exact invalidation at a small price: a process reads a workspace's rules again when its copy is a second old
(one indexed query), and compiles them again only when they differ. A change, whoever made it and however,
holds at once in the process that made it and everywhere within a second.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone

from apps.accounts import audit, scoping, workspace_settings
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.attribution import channel_defaults, rule_versions
from apps.attribution.channel_input import MAX_CHANNELS, clean
from apps.attribution.channel_rules import CONDITIONS, RuleSet, Sites, compile_rules
from apps.attribution.models import Channel, ChannelRule

READ_AGAIN_SECONDS = 1.0
BOOKS_KEPT = 1_000
MAX_HOSTS = 100


@dataclass(frozen=True)
class Book:
    """A workspace's rules as they were read, and compiled."""

    source: tuple[Any, ...]
    rules: RuleSet


_books: dict[int, tuple[float, Book]] = {}


def book() -> Book:
    """The compiled rules of the workspace in scope, at most a second old."""
    workspace_id = scoping.current_id()
    now = time.monotonic()
    read_until, known = _books.get(workspace_id, (0.0, None))
    if known is None or now >= read_until:
        if len(_books) >= BOOKS_KEPT:
            _books.clear()
        known = _read(known)
        _books[workspace_id] = (now + READ_AGAIN_SECONDS, known)
    return known


@transaction.atomic
def ensure_defaults() -> None:
    """Give the workspace the default channels and rules if it has no rules yet. Locks the workspace's row."""
    Workspace.objects.select_for_update(no_key=True).get(pk=scoping.current_id())
    if ChannelRule.objects.exists():
        return
    ensure_channels(channel_defaults.CHANNELS)
    written = _write(
        (key, dict(zip(CONDITIONS, channel_defaults.patterns(conditions), strict=True)))
        for key, conditions in channel_defaults.RULES
    )
    rule_versions.begin(as_plain(written), now=timezone.now())


def ensure_channels(labels: Mapping[str, str]) -> dict[str, int]:
    """Ids of the channels by key; missing ones are made, at the end of the list, while there is room."""
    known = _ids(labels)
    if missing := [key for key in labels if key not in known]:
        room = Channel.objects.aggregate(count=Count("pk"), last=Max("position"))
        first, workspace_id = 1 + (room["last"] or 0), scoping.current_id()
        Channel.objects.bulk_create(
            (
                Channel(workspace_id=workspace_id, key=key, label=labels[key][:80], position=first + place)
                for place, key in enumerate(missing[: max(MAX_CHANNELS - room["count"], 0)])
            ),
            ignore_conflicts=True,
        )
        known = _ids(labels)
    return known


def _ids(keys: Iterable[str]) -> dict[str, int]:
    return dict(Channel.objects.filter(key__in=list(keys)).values_list("key", "pk"))


@transaction.atomic
def replace_rules(
    actor: Actor, rules: Sequence[Mapping[str, Any]], *, now: datetime, reason: str = ""
) -> list[ChannelRule]:
    """Put a new ordered list of rules in the place of the old one. Touches already stored keep their channel.

    Each rule: channel_key and any of the conditions (see channel_rules), and is_active. The list as it stands
    then is a new version. Raises Invalid, naming rule and field.
    """
    cleaned = clean(rules)
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before = as_plain(ChannelRule.objects.order_by("position"))
    ChannelRule.objects.all().delete()
    ensure_channels({rule["channel_key"]: label(rule["channel_key"]) for rule in cleaned})
    written = _write((rule["channel_key"], rule) for rule in cleaned)
    after = as_plain(written)
    rule_versions.follow(actor, before, after, note=reason, now=now)
    audit.record(
        actor,
        "channel_rules.replaced",
        now=now,
        before={"rules": before},
        after={"rules": after},
        reason=reason,
    )
    _books.pop(actor.workspace_id, None)
    transaction.on_commit(lambda: _books.pop(actor.workspace_id, None))
    return written


def label(key: str) -> str:
    """How a channel is called on pages when nobody has named it."""
    return channel_defaults.CHANNELS.get(key) or key.replace("_", " ").capitalize()


def as_plain(rules: Iterable[ChannelRule]) -> list[dict[str, Any]]:
    """Rules as replace_rules takes them."""
    return without_blanks(
        {name: getattr(rule, name) for name in ("channel_key", "is_active", *CONDITIONS)} for rule in rules
    )


def without_blanks(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules with the conditions that they have, so that equal rules are equal."""
    return [
        {"channel_key": rule["channel_key"], "is_active": rule["is_active"]}
        | {name: rule[name] for name in CONDITIONS if rule.get(name)}
        for rule in rules
    ]


def version_of(rules: Sequence[Mapping[str, Any]]) -> str:
    """Tells one list of rules from another."""
    return hashlib.sha256(json.dumps(list(rules), sort_keys=True).encode()).hexdigest()[:16]


def compiled(rules: Iterable[Mapping[str, Any]]) -> RuleSet:
    """Rules as replace_rules takes them, ready to decide as if they were in force."""
    active = [rule for rule in rules if rule.get("is_active", True)]
    return compile_rules(
        ((rule["channel_key"], [rule.get(name, "") for name in CONDITIONS]) for rule in active),
        book().rules.sites,
    )


def _read(known: Book | None) -> Book:
    settings = (
        Workspace.objects.filter(pk=scoping.current_id()).values_list("settings", flat=True).first() or {}
    )
    rows = _rows()
    if not rows:
        ensure_defaults()
        rows = _rows()
    source = (rows, _hosts(settings, "own_hosts"), _hosts(settings, "payment_hosts"))
    if known is not None and known.source == source:
        return known
    return Book(
        source,
        compile_rules(
            ((row[0], row[1:]) for row in rows),
            Sites(frozenset(source[1]), channel_defaults.PAYMENT_HOSTS | frozenset(source[2])),
        ),
    )


def _rows() -> tuple[tuple[str, ...], ...]:
    active = ChannelRule.objects.filter(is_active=True).order_by("position")
    return tuple(active.values_list("channel_key", *CONDITIONS))


def _hosts(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    hosts = settings.get(name) or ()
    return tuple(str(host).lower().removeprefix("www.") for host in hosts) if isinstance(hosts, list) else ()


@workspace_settings.register("own_hosts")
@workspace_settings.register("payment_hosts")
def _check_hosts(actor: Actor, value: Any) -> None:
    if not isinstance(value, list) or len(value) > MAX_HOSTS:
        raise ValueError(f'Give a list of at most {MAX_HOSTS} hosts: ["example.com"].')
    for host in value:
        if not isinstance(host, str) or not 3 < len(host) <= 253 or "/" in host or "." not in host:
            raise ValueError("Give hosts without scheme and path, such as shop.example.com.")


def _write(rules: Iterable[tuple[str, Mapping[str, Any]]]) -> list[ChannelRule]:
    workspace_id = scoping.current_id()
    return ChannelRule.objects.bulk_create(
        ChannelRule(
            workspace_id=workspace_id,
            position=position,
            channel_key=key,
            is_active=rule.get("is_active", True),
            **{name: rule.get(name, "") for name in CONDITIONS},
        )
        for position, (key, rule) in enumerate(rules, start=1)
    )
