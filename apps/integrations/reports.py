"""What pages and the API show of connections: rows out."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q

from apps.accounts import figures
from apps.integrations import answers, calling, services
from apps.integrations.models import AdCampaign, AdDay, Call, Connection
from apps.integrations.resilience.breaker import State
from apps.integrations.services import Family, Service

FAMILIES = {
    Family.ADS: "Ad platforms",
    Family.CONVERSIONS: "Conversions back to platforms",
    Family.EMAIL: "E-mail",
    Family.ANALYTICS: "Product analytics",
    Family.CRM: "Studio systems",
    Family.SOCIAL: "Social networks",
    Family.ALERTS: "Alerts",
    Family.LLM: "Language models",
}
SUNSET_WARNING_DAYS = 60
KINDS = ("read", "write", "events")


@dataclass(frozen=True)
class Standing:
    """How a connection does. trouble: what a person should know, in words, or empty. answered_at: when it
    last did what it should, by its test or by what went through it; none where that is not known.
    """

    connection: Connection
    service: Service
    trouble: str
    waiting: int
    held: int
    dead: int
    done_today: int
    sunset_days: int | None
    answered_at: datetime | None

    @property
    def is_well(self) -> bool:
        """Nothing stands against it."""
        return not self.trouble

    @property
    def is_unknown(self) -> bool:
        """Nothing stands against it, and nothing speaks for it."""
        return self.is_well and self.answered_at is None


def standings(*, now: datetime) -> list[Standing]:
    """Every connection that is not disconnected, those in trouble first."""
    kept = Connection.objects.exclude(state=Connection.State.DISCONNECTED).order_by("label", "pk")
    counts, answered = _counts(now), answers.last(str(one.public_id) for one in kept)
    found = [_standing(one, counts.get(one.pk, {}), answered, today=now.date()) for one in kept]
    return sorted(found, key=lambda one: one.is_well)


def standing_of(connection: Connection, *, now: datetime) -> Standing:
    counts, answered = _counts(now, connection), answers.last([str(connection.public_id)])
    return _standing(connection, counts.get(connection.pk, {}), answered, today=now.date())


def catalogue() -> list[tuple[str, list[Service]]]:
    """Every service there is a door to, by family, in the order of the page."""
    offered = {family: [one for one in services.of_family(family) if one.is_offered] for family in FAMILIES}
    return [(words, offered[family]) for family, words in FAMILIES.items() if offered[family]]


def troubled_calls(connection: Connection, *, most: int = 50) -> list[Call]:
    """Dead letters, calls of unknown fate and those that are held, newest first."""
    states = [Call.State.DEAD, Call.State.UNKNOWN, Call.State.HELD]
    return list(Call.objects.filter(connection=connection, state__in=states).order_by("-pk")[:most])


def campaigns(connection: Connection, *, days: int = 28, now: datetime) -> list[dict[str, Any]]:
    """The account's campaigns with what they did lately, dearest first."""
    since = now.date() - timedelta(days=days)
    sums: dict[int, dict[str, Any]] = {}
    for day in AdDay.objects.filter(campaign__connection=connection, on__gte=since):
        one = sums.setdefault(day.campaign_id, {"spend": 0, "clicks": 0, "conversions": 0, "currency": ""})
        one["spend"] += day.spend
        one["clicks"] += day.clicks or 0
        one["conversions"] += day.conversions or 0
        one["currency"] = day.currency
    rows = [
        {"campaign": one, **sums.get(one.pk, {"spend": None, "clicks": None, "conversions": None})}
        for one in AdCampaign.objects.filter(connection=connection).order_by("name")
    ]
    return sorted(rows, key=lambda row: -(row["spend"] or 0))


def _standing(
    connection: Connection, counts: dict[str, Any], answered: dict[str, datetime], *, today: date
) -> Standing:
    service = services.known(connection.service)
    days = service.days_to_sunset(today)
    times = (connection.checked_at, counts.get("last_done"), answered.get(str(connection.public_id)))
    return Standing(
        connection=connection,
        service=service,
        trouble=_trouble(connection, counts, days),
        waiting=counts.get("waiting", 0),
        held=counts.get("held", 0),
        dead=counts.get("dead", 0),
        done_today=counts.get("done_today", 0),
        sunset_days=days,
        answered_at=max((at for at in times if at is not None), default=None),
    )


def _trouble(connection: Connection, counts: dict[str, Any], sunset_days: int | None) -> str:
    if not services.is_known(connection.service):
        return services.GONE
    if not connection.is_usable:
        return connection.state_reason or f"It {connection.get_state_display()}."
    if _is_failing(connection):
        return "The service fails at the moment. What waits goes out when it answers again."
    if counts.get("dead"):
        dead = counts["dead"]
        return f"{figures.count(dead, 'call')} {'was' if dead == 1 else 'were'} given up."
    if sunset_days is not None and sunset_days < SUNSET_WARNING_DAYS:
        return f"This version of its interface ends in {max(sunset_days, 0)} days. Update Bellwether."
    return ""


def _is_failing(connection: Connection) -> bool:
    account = f"{connection.service}:{connection.public_id}"
    policy = calling.policy()
    states = policy.ask(lambda store: [store.look(f"{account}:{kind}").state for kind in KINDS])
    return any(state != State.CLOSED for state in states)


def _counts(now: datetime, connection: Connection | None = None) -> dict[int, dict[str, Any]]:
    calls = Call.objects.all() if connection is None else Call.objects.filter(connection=connection)
    rows = calls.values("connection_id").annotate(
        waiting=Count("pk", filter=Q(state__in=[Call.State.WAITING, Call.State.SENDING, Call.State.UNKNOWN])),
        held=Count("pk", filter=Q(state=Call.State.HELD)),
        dead=Count("pk", filter=Q(state=Call.State.DEAD)),
        done_today=Count("pk", filter=Q(state=Call.State.DONE, settled_at__gte=now - timedelta(days=1))),
        last_done=Max("settled_at", filter=Q(state=Call.State.DONE)),
    )
    return {row["connection_id"]: row for row in rows.order_by()}
