"""Records from files, for a studio whose system has no door, or that has none: a connection to nothing but
the files that a person brings.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Entity, Fields, Page, Remote
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer
from apps.integrations.services import Family, Reach, Service

KEY = "spreadsheet"
NAME = "Spreadsheet (CSV)"
NOTHING: frozenset[str] = frozenset()


class Spreadsheet:
    """Says what a file says, when it is brought. Nothing can be asked or told."""

    is_readable = False
    drops_duplicates = False
    speaks: Mapping[Entity, Fields] = {
        entity: Fields(entity=entity, writable=NOTHING, readable=NOTHING) for entity in Entity
    }

    def __init__(self, client: Client) -> None:
        self.client = client

    def page(self, entity: Entity, number: int, *, since: datetime | None = None) -> Page:
        raise errors.Refused(NAME, _refused())

    def fetch(self, entity: Entity, external_id: str) -> Remote | None:
        raise errors.Refused(NAME, _refused())

    def find(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> Remote | None:
        return None

    def create(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> "Answer[Remote]":
        return Answer(outcome=_refused())

    def update(
        self,
        entity: Entity,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        modified_at: datetime | None,
    ) -> "Answer[Remote]":
        return Answer(outcome=_refused())


def _refused() -> Outcome:
    return Outcome(kind=Kind.REFUSED_HERE, reason="A file can be neither asked nor told.", was_sent=False)


def check(client: Client) -> str:
    return "Bring a file on its page of records."


services.register(
    Service(
        key=KEY,
        name=NAME,
        family=Family.CRM,
        base_url="",
        reach=Reach.ONE_WAY_IN,
        honest="Contacts and jobs come in from files that you bring; nothing goes back into them.",
        check=f"{__name__}.check",
    )
)
systems.register(KEY, Spreadsheet)
