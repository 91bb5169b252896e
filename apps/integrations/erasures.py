"""Erasures, handed on to the services that keep a copy of what they were told of a person."""

import hashlib
from datetime import datetime

from apps.accounts.models import Person
from apps.integrations import outbox, services
from apps.integrations.connectors.analytics.product import FORGET, YOURS
from apps.integrations.models import Connection, ForwardedConversion
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family


def hand_on(person_ids: list[int], external_ids: list[str], *, now: datetime) -> int:
    """A call for each project that heard of the person, by the id under which it knows them. Returns how
    many.

    The call says no more than that id, and forgets it once it is done.
    """
    keys = [one.key for one in services.of_family(Family.ANALYTICS)]
    told = ForwardedConversion.objects.filter(person__in=person_ids, call__isnull=False)
    heard = told.filter(connection__service__in=keys).values("connection")
    calls = 0
    for connection in Connection.objects.filter(pk__in=heard).exclude(state=Connection.State.DISCONNECTED):
        ids = external_ids if connection.options.get("who") == YOURS else _keys(person_ids)
        if ids:
            outbox.enqueue(
                connection,
                FORGET,
                {"ids": ids},
                dedup_key=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
                now=now,
                lane=Lane.TRANSACTIONAL,
            )
            calls += 1
    return calls


def _keys(person_ids: list[int]) -> list[str]:
    found = Person.objects.filter(pk__in=person_ids).order_by("pk")
    return [str(key) for key in found.values_list("public_id", flat=True)]
