"""What each floor has to say on the first page of a workspace, registered in its AppConfig.ready."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.permissions import Actor


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One answer and where it comes from.

    sentence: the answer in plain words with its figure; note: from how much, by what, how fresh.
    """

    sentence: str
    note: str
    href: str
    label: str


Author = Callable[[Actor, datetime], Headline | None]
_authors: dict[str, Author] = {}


def headline(name: str) -> Callable[[Author], Author]:
    """Register a function of (actor, now); None means nothing to say, or not to this actor.

    Keep it to a query or two: every sign-in waits for it.
    """

    def register(author: Author) -> Author:
        _authors[name] = author
        return author

    return register


def headlines(actor: Actor, *, now: datetime) -> list[Headline]:
    found = (author(actor, now) for author in _authors.values())
    return [one for one in found if one is not None]
