"""The calls into the other rooms of campaigns: who is in an audience, who gets what, and the words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.accounts.errors import DomainError, Invalid
from apps.accounts.models import Workspace
from apps.campaigns import audiences, content, splitting
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Audience, Campaign, Content
from apps.integrations.bulk_mail import Body

Ints = NDArray[np.int64]


class Compiled(Protocol):
    """A campaign's contents, ready to be filled in."""

    @property
    def content_type(self) -> str: ...
    @property
    def fields(self) -> frozenset[str]: ...
    def message(
        self, content_id: int, values: Mapping[str, Any], tokens: Tokens, *, is_plain: bool = False
    ) -> Body: ...


class NotAskable(DomainError):
    """The rules of an audience name what is no longer there."""

    code = "audience_not_askable"
    status = 409


def people_sql(audience: Audience, *, now: datetime) -> tuple[str, list[Any]]:
    """Raises NotAskable."""
    try:
        return audiences.people_sql(audience, now=now)
    except Invalid as error:
        raise NotAskable(
            f"The rules of the audience {audience.name} cannot be asked any more. Mend them, then resume "
            "the campaign."
        ) from error


def arms(campaign: Campaign, person_ids: Ints, *, now: datetime) -> Ints:
    """For each of the people Content.pk, 0 for nothing, -1 for the winner of the test."""
    return splitting.arms(campaign, person_ids, now=now)


def expose(campaign: Campaign, person_ids: Ints, drawn: Ints, *, now: datetime) -> None:
    splitting.expose(campaign, person_ids, drawn, now=now)


def compiled(campaign: Campaign, contents: Sequence[Content]) -> Compiled:
    return content.compiled(campaign, contents)


def columns(made: Compiled) -> tuple[str, ...]:
    """Of accounts_person, as `p`: what the words and the address are read by."""
    return content.columns(_fields(made))


def known(person_id: int, told: Sequence[Any]) -> content.Known:
    """Somebody who was read by these columns."""
    return content.known(person_id, told)


def values_in(
    people: Sequence[content.Known], made: Compiled, *, now: datetime, workspace: Workspace
) -> dict[int, dict[str, Any]]:
    """What fills in the words, and the address; by Person.pk."""
    return content.values_in(people, now=now, fields=_fields(made), workspace=workspace)


def values_of(
    person_ids: Sequence[int], made: Compiled, *, now: datetime, workspace: Workspace | None = None
) -> dict[int, dict[str, Any]]:
    """What fills in the words, and the address; by Person.pk, nobody who is gone."""
    return content.values_of(person_ids, now=now, fields=_fields(made), workspace=workspace)


def _fields(made: Compiled) -> frozenset[str]:
    return made.fields | {"email"}
