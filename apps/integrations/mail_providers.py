"""The providers that take messages: which may be asked, in which order, and what stops one."""

from datetime import datetime

from django.db import transaction

from apps.integrations import connection_states, errors
from apps.integrations.client import Client
from apps.integrations.connectors.email.providers import PROVIDERS
from apps.integrations.models import Connection
from apps.integrations.resilience.breaker import State as Circuit
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind, Outcome, Then

# The provider works and asks for patience: no reason to burden the next one, but on a wedding day.
PATIENCE = {Kind.THROTTLED, Kind.RATE_LIMITED, Kind.BULKHEAD_FULL}
NEEDS_A_PERSON = {Then.ASK_FOR_SIGN_IN, Then.SWITCH_OFF}


def providers(lane: Lane) -> list[Client]:
    """The doors that may be used, in order. What must arrive today goes to those that are well first, and
    leaves the trying out of the others to the rest.
    """
    usable = Connection.objects.filter(service__in=PROVIDERS, state=Connection.State.CONNECTED)
    order = list(PROVIDERS)
    doors = [
        Client(one, lane=lane) for one in sorted(usable, key=lambda one: (order.index(one.service), one.pk))
    ]
    return sorted(doors, key=_is_ill) if lane == Lane.CRITICAL else doors


def _is_ill(client: Client) -> bool:
    key = f"{client.connection.service}:{client.connection.public_id}:write"
    return bool(client.policy.ask(lambda store: store.look(key)).state != Circuit.CLOSED)


def check(client: Client) -> str:
    """Which providers would be asked, in order. Raises Refused when there is none."""
    names = [one.connection.label for one in providers(Lane.TRANSACTIONAL)]
    if not names:
        raise errors.of("E-mail", Outcome(kind=Kind.PERMANENT_CONFIG, reason="No provider is connected."))
    return f"Through {', then '.join(names)}."


def stop_if_it_must(door: Connection, outcome: Outcome, *, now: datetime) -> None:
    then = outcome.handling.then
    if then not in NEEDS_A_PERSON:
        return
    with transaction.atomic():
        fresh: Connection = Connection.objects.select_for_update().get(pk=door.pk)
        is_signed_out = then == Then.ASK_FOR_SIGN_IN
        stop = connection_states.ask_for_sign_in if is_signed_out else connection_states.switch_off
        stop(fresh, reason=outcome.reason, now=now)
