"""The calls into the other rooms of campaigns: who is in an audience, who gets what, and the words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.campaigns import audiences, content, splitting
from apps.campaigns.models import Audience, Campaign, Content
from apps.integrations.bulk_mail import Body

Ints = NDArray[np.int64]


class Compiled(Protocol):
    """A campaign's contents, ready to be filled in."""

    @property
    def content_type(self) -> str: ...
    @property
    def fields(self) -> frozenset[str]: ...
    def message(self, content_id: int, values: Mapping[str, Any], token: str) -> Body: ...


def people_sql(audience: Audience, *, now: datetime) -> tuple[str, list[Any]]:
    found = audiences.people_sql(audience, now=now)
    return str(found[0]), list(found[1])


def arms(campaign: Campaign, person_ids: Ints, *, now: datetime) -> Ints:
    """For each of the people Content.pk, 0 for nothing, -1 for the winner of the test."""
    return np.asarray(splitting.arms(campaign, person_ids, now=now), dtype=np.int64)


def expose(campaign: Campaign, person_ids: Ints, drawn: Ints, *, now: datetime) -> None:
    splitting.expose(campaign, person_ids, drawn, now=now)


def compiled(campaign: Campaign, contents: Sequence[Content]) -> Compiled:
    made: Compiled = content.compiled(campaign, contents)
    return made


def values_of(person_ids: Sequence[int], made: Compiled, *, now: datetime) -> dict[int, dict[str, Any]]:
    """What fills in the words, and the address; by Person.pk, nobody who is gone."""
    return content.values_of(person_ids, now=now, fields=made.fields | {"email"})
