"""What every customer system can be asked, in one vocabulary; each module beside this one speaks its own
system's. The sync engine asks for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from apps.integrations.resilience.policy import Answer


class Entity(StrEnum):
    """What is held of whom: a person or firm, and the work that is done for them (a wedding, a shoot)."""

    CONTACT = "contact"
    JOB = "job"


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The names of canonical fields, and which of them are money, days, sets or consent.

    Contact: kind, first_name, last_name, company, email, phone, tags, marketing_opt_in.
    Job: name, stage (lead, booked, fulfilment, completed), job_type, lead_source, inquiry_date, event_date,
    booking_date, guest_count, total, currency, is_closed, tags, contacts (external ids).

    people, of a job and written alone: the canonical fields of its contacts, the client first, for systems
    that take a job and its people in one message.

    Values are JSON: text, a number of people as int, a day as ISO text, money as text with its decimals, a
    truth, a sorted list of text; None where the system does not say.
    """

    entity: Entity
    writable: frozenset[str]
    readable: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A record as a system has it. raw: as received; fields: the canonical ones that it speaks of;
    modified_at: None where the system does not say; our_id: the id that we gave when we made it.

    is_gone: deleted or anonymised there. Then it says nothing in its fields, and is written to no more.
    """

    entity: Entity
    id: str
    raw: Mapping[str, Any]
    fields: Mapping[str, Any]
    modified_at: datetime | None = None
    our_id: str = ""
    url: str = ""
    is_gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some records, newest change first, and the number of the page after it; None where it is the last."""

    records: Sequence[Remote] = field(default_factory=tuple)
    following: int | None = None


class Changed(Exception):
    """The record is not as it was when the change was decided: read again, merge again."""


class System(Protocol):
    """A customer system at a connection. Reads raise errors.ServiceError; writes answer, for the outbox.

    speaks: what it holds and which fields of it can be read and written. An entity that it does not list is
    not synced.

    is_readable: whether it can be asked what it has. Where not, page and fetch raise errors.Refused and find
    knows nothing; what it has to say it pushes to us; a record that was made there has our id as its own, and
    is changed no more from here: update is refused.

    drops_duplicates: whether what is made twice for one id of ours is there once.
    """

    speaks: Mapping[Entity, Fields]
    is_readable: bool
    drops_duplicates: bool

    def page(self, entity: Entity, number: int, *, since: datetime | None = None) -> Page:
        """A page of all records, the latest changed first. number: from 1.

        since: what did not change after it is left out where the system says when, and no page follows.
        """

    def fetch(self, entity: Entity, external_id: str) -> Remote | None:
        """One record as it is now; None where there is none any more."""

    def find(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> Remote | None:
        """The record that was made for our id, or that stands for the same one: what is looked up before
        anything is made, where the system has no keys against repetition.
        """

    def create(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> "Answer[Remote]": ...

    def update(
        self,
        entity: Entity,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        modified_at: datetime | None,
    ) -> "Answer[Remote]":
        """Change those fields. Raises Changed where it was changed after modified_at, or is gone."""
