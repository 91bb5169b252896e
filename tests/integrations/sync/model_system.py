"""A customer system in memory, which keeps what it is told and can be made to fail: the other side of the
engine's tests.
"""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from apps.integrations import errors, outbox, services
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Changed, Entity, Fields, Page, Remote
from apps.integrations.outbox import Handler
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Reach, Service
from apps.integrations.sync import fields, push, waiting
from tests.factories import NOW

ALL = {entity: frozenset(fields.KINDS[entity]) for entity in Entity}


class Down(Exception):
    """The process dies here."""


class ModelSystem:
    """One account. page_size records per page, the latest change first; `clock` is its own."""

    is_readable = True
    drops_duplicates = False

    def __init__(self, *, page_size: int = 10) -> None:
        self.rows: dict[tuple[Entity, str], Remote] = {}
        self.page_size = page_size
        self.clock: datetime = NOW - timedelta(days=30)
        self.numbers = count(1)
        self.writes = 0
        self.before: Any = lambda what: None
        self.speaks = {
            entity: Fields(entity=entity, writable=names, readable=names | {"contacts"})
            for entity, names in ALL.items()
        }

    def tick(self) -> datetime:
        self.clock += timedelta(seconds=1)
        return self.clock

    def add(self, entity: Entity = Entity.CONTACT, *, our_id: str = "", **values: Any) -> str:
        key = f"r{next(self.numbers)}"
        self._put(entity, key, values, our_id)
        return key

    def edit(self, key: str, entity: Entity = Entity.CONTACT, **values: Any) -> None:
        row = self.rows[entity, key]
        self._put(entity, key, {**row.fields, **values}, row.our_id)

    def delete(self, key: str, entity: Entity = Entity.CONTACT) -> None:
        del self.rows[entity, key]

    def fields_of(self, key: str, entity: Entity = Entity.CONTACT) -> dict[str, Any]:
        return dict(self.rows[entity, key].fields)

    def _put(self, entity: Entity, key: str, values: dict[str, Any], our_id: str) -> Remote:
        at = self.tick()
        self.rows[entity, key] = Remote(
            entity=entity,
            id=key,
            raw={"id": key, **values, "modified": at.isoformat()},
            fields=values,
            modified_at=at,
            our_id=our_id,
        )
        return self.rows[entity, key]

    # As the engine asks

    def page(self, entity: Entity, number: int, *, since: datetime | None = None) -> Page:
        self.before("page")
        rows = sorted(
            (row for (kind, _), row in self.rows.items() if kind == entity),
            key=lambda row: (row.modified_at, row.id),
            reverse=True,
        )
        start = (number - 1) * self.page_size
        has_more = start + self.page_size < len(rows)
        found = rows[start : start + self.page_size]
        self.before("paged")
        return Page(records=found, following=number + 1 if has_more else None)

    def fetch(self, entity: Entity, external_id: str) -> Remote | None:
        self.before("fetch")
        return self.rows.get((entity, external_id))

    def find(self, entity: Entity, our_id: str, fields: Any) -> Remote | None:
        self.before("find")
        return next((row for row in self.rows.values() if our_id and row.our_id == our_id), None)

    def create(self, entity: Entity, our_id: str, fields: Any) -> Answer:
        self.before("create")
        self.writes += 1
        key = self.add(entity, our_id=our_id, **fields)
        self.before("created")
        return Answer(outcome=OK, value=self.rows[entity, key])

    def update(self, entity: Entity, external_id: str, fields: Any, *, modified_at: Any) -> Answer:
        self.before("update")
        row = self.rows.get((entity, external_id))
        if row is None:
            return Answer(outcome=Outcome(kind=Kind.PERMANENT_DATA, reason="HTTP 404", status=404))
        if row.modified_at != modified_at:
            raise Changed
        self.writes += 1
        self.edit(external_id, entity, **fields)
        self.before("updated")
        return Answer(outcome=OK, value=self.rows[entity, external_id])


def refused() -> errors.ServiceError:
    return errors.of("Model", Outcome(kind=Kind.RETRYABLE, reason="HTTP 503"))


# Which account's system a connection reaches, by its account.
ACCOUNTS: dict[str, ModelSystem] = {}
for _key in ("model", "model_two"):
    services.register(
        Service(
            key=_key,
            name="Model" if _key == "model" else "Model two",
            family=Family.CRM,
            base_url="http://127.0.0.1:9",
            reach=Reach.TWO_WAY,
            is_offered=False,
        )
    )
    systems.register(_key, lambda client: ACCOUNTS[client.connection.account])
    outbox.handles(_key, waiting.PUSH, Handler(perform=push.perform, look_up=push.look_up))
