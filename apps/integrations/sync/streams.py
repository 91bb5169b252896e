"""The streams of a connection: one per kind of record that its system speaks of, and what a person may set
on them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError, Invalid, NotHere
from apps.accounts.permissions import Actor
from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Entity, System
from apps.integrations.models import Connection, SyncStream
from apps.integrations.resilience.lanes import Lane
from apps.integrations.services import Family
from apps.integrations.sync.fields import DEFAULTS, KINDS, Policy, allowed

# What jobs say of contacts needs those to be there.
ORDER = (Entity.CONTACT, Entity.JOB)
SETTINGS = ("is_paused", "direction", "makes_new", "policies")


class NotSynced(DomainError):
    code = "not_synced"
    status = 409


def system_of(connection: Connection, *, lane: Lane = Lane.MARKETING) -> System:
    """Raises NotSynced for a service that holds no records."""
    try:
        return systems.of(Client(connection, lane=lane))
    except KeyError as error:
        raise NotSynced(f"{connection.label} holds no contacts or jobs that could be synced.") from error


def is_synced(connection: Connection) -> bool:
    try:
        return services.get(connection.service).family == Family.CRM
    except KeyError:
        return False


def of_connection(connection: Connection) -> list[SyncStream]:
    """Its streams, made where they are not there yet. Raises NotSynced."""
    speaks = system_of(connection).speaks
    known = {one.entity: one for one in SyncStream.objects.filter(connection=connection)}
    missing = [entity for entity in ORDER if entity in speaks and entity not in known]
    if missing:
        SyncStream.objects.bulk_create(
            [
                SyncStream(workspace_id=connection.workspace_id, connection=connection, entity=entity.value)
                for entity in missing
            ],
            ignore_conflicts=True,
        )
        known = {one.entity: one for one in SyncStream.objects.filter(connection=connection)}
    return [known[entity] for entity in ORDER if entity in known and entity in speaks]


def of(connection: Connection, entity: str) -> SyncStream:
    """Raises NotSynced where the system does not speak of the entity."""
    for one in of_connection(connection):
        if one.entity == entity:
            return one
    raise NotSynced(f"{connection.label} holds no {entity}s.")


def find(public_id: UUID | str) -> SyncStream:
    found = SyncStream.objects.select_related("connection").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such stream.")
    return found


@transaction.atomic
def change(actor: Actor, stream: SyncStream, *, now: datetime, reason: str = "", **given: Any) -> SyncStream:
    """Pause it, say which way it goes, whether new records are made there, and who wins where. Audited.

    policies: field → policy; fields that are not named keep theirs. Raises Invalid.
    """
    fresh: SyncStream = SyncStream.objects.select_for_update().get(pk=stream.pk)
    if "policies" in given:
        given["policies"] = fresh.policies | _checked(Entity(fresh.entity), given["policies"])
    before = {name: getattr(fresh, name) for name in SETTINGS if name in given}
    for name in before:
        setattr(fresh, name, given[name])
    if before:
        fresh.save(update_fields=list(before))
        after = {name: getattr(fresh, name) for name in before}
        audit.record(actor, "sync.changed", fresh, now=now, before=before, after=after, reason=reason)
    return fresh


def _checked(entity: Entity, chosen: Mapping[str, str]) -> dict[str, str]:
    errors = {}
    for name, policy in chosen.items():
        if name not in DEFAULTS[entity]:
            errors[name] = [f"A {entity.value} has no such field."]
        elif policy not in allowed(KINDS[entity][name]):
            words = ", ".join(allowed(KINDS[entity][name]))
            errors[name] = [f"Choose one of: {words}."]
    if errors:
        raise Invalid(errors)
    return {name: Policy(policy).value for name, policy in chosen.items()}


def that_make_new(entity: str) -> list[SyncStream]:
    """Streams in which what is new here is made there."""
    rows = SyncStream.objects.filter(
        entity=entity, makes_new=True, connection__state=Connection.State.CONNECTED
    )
    return list(rows.exclude(direction=SyncStream.Direction.IN).select_related("connection"))
