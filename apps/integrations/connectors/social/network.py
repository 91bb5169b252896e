"""What every social network can be asked, in one vocabulary; each module beside this one speaks its own.

A post is one piece of text with at most a link and some images at public addresses. Publishing has two steps:
`prepare` brings the images there and answers what to publish with, `publish` makes it public, once.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from apps.integrations import errors
from apps.integrations.connectors.ads.platform import refused
from apps.integrations.http import Response
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer

# An address, or a word that a network would take for one: it may cost more, and comes back shortened.
ADDRESS = re.compile(
    r"https?://\S+|(?<![\w@.])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}(?:/\S*)?", re.I
)
# How many of the account's last posts are read to learn what became of one.
RECENT = 10
# The clocks of two machines.
SLACK = timedelta(minutes=5)
# What an outcome's code says where the network has that post already.
DUPLICATE = "duplicate"
NOT_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Image:
    url: str
    alt: str = ""


@dataclass(frozen=True, kw_only=True)
class Post:
    """What is to be published."""

    text: str
    link: str = ""
    images: tuple[Image, ...] = ()
    is_made_with_ai: bool = False


def images_of(urls: Sequence[str], alts: Sequence[str] = ()) -> tuple[Image, ...]:
    """Addresses with what they show, as far as that is said."""
    told = [*alts, *[""] * len(urls)]
    return tuple(Image(url, alt) for url, alt in zip(urls, told, strict=False))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A post as the network has it."""

    id: str
    text: str
    at: datetime
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Mention:
    """Somebody wrote of the account."""

    id: str
    author: str
    text: str
    at: datetime
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class PostFigures:
    """What became of a post. A figure that the network did not give is None."""

    views: int | None = None
    reactions: int | None = None
    comments: int | None = None
    shares: int | None = None
    clicks: int | None = None
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class AccountFigures:
    followers: int | None = None
    views: int | None = None
    engagements: int | None = None


@dataclass(frozen=True)
class Room:
    """How many posts the network takes of the account in a while, and how many it has taken."""

    used: int
    most: int

    @property
    def is_full(self) -> bool:
        return self.used >= self.most


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What the network charges for each deed, in its currency."""

    currency: str
    create: Decimal
    create_with_link: Decimal
    read: Decimal
    read_person: Decimal
    delete: Decimal

    def of_post(self, has_link: bool) -> Decimal:
        return self.create_with_link if has_link else self.create


def plain_length(text: str) -> int:
    return len(text)


def with_link(post: Post) -> str:
    """For networks where a link is a part of the text."""
    return f"{post.text}\n\n{post.link}".strip() if post.link and post.link not in post.text else post.text


def with_link_beside_images(post: Post) -> str:
    """For networks that show a link as a card, and have no room for one beside images."""
    return with_link(post) if post.images else post.text


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a network takes, as far as it can be known before it is asked.

    body: the text that it gets. length: of that text, as it counts. why_not: a person's mistake in words.
    """

    longest: int
    most_images: int
    body: Callable[[Post], str] = with_link
    length: Callable[[str], int] = plain_length
    needs_image: bool = False
    is_link_clickable: bool = True
    most_hashtags: int | None = None
    prices: Callable[[], Prices] | None = None
    can_delete: bool = True
    can_read_mentions: bool = True

    def faults(self, post: Post) -> list[str]:
        """Why the network would refuse the post."""
        body, found = self.body(post), []
        if not body.strip() and not post.images:
            found.append("Write something.")
        if (length := self.length(body)) > self.longest:
            found.append(f"It has {length:,} characters, of which {self.longest:,} are taken.")
        if self.needs_image and not post.images:
            found.append("It needs an image.")
        if len(post.images) > self.most_images:
            found.append(f"At most {self.most_images} images.")
        if self.most_hashtags is not None and body.count("#") > self.most_hashtags:
            found.append(f"At most {self.most_hashtags} hashtags.")
        return found

    def warnings(self, post: Post) -> list[str]:
        """What a person should know before it leaves."""
        found = []
        if not self.is_link_clickable and ADDRESS.search(self.body(post)):
            found.append("A link in the text cannot be clicked there.")
        if self.prices is not None and ADDRESS.search(self.body(post)):
            found.append(f"A link makes it dearer: {self.price(post)} {self.prices().currency}.")
        if not self.can_delete:
            found.append("Once it is out it can only be deleted in the network's own app.")
        return found

    def price(self, post: Post) -> Decimal:
        """What publishing it costs; nothing where posts are free."""
        if self.prices is None:
            return Decimal(0)
        return self.prices().of_post(has_link=ADDRESS.search(self.body(post)) is not None)


class Network(Protocol):
    """An account at a network. Reads raise errors.ServiceError; writes answer, for the outbox to settle."""

    rules: Rules

    def account(self) -> str: ...
    def prepare(self, post: Post) -> Answer[str]: ...
    def is_ready(self, prepared: str) -> Answer[bool]: ...
    def publish(self, post: Post, prepared: str) -> Answer[str]: ...
    def delete(self, post_id: str) -> Answer[Any]: ...
    def is_there(self, post_id: str) -> bool: ...
    def recent(self) -> list[Seen]: ...
    def room(self) -> Room | None: ...
    def mentions(self, after: str, most: int) -> list[Mention]: ...
    def post_figures(self, post_id: str) -> PostFigures: ...
    def account_figures(self) -> AccountFigures: ...
    def url_of(self, post_id: str) -> str: ...


def fingerprint(body: str) -> str:
    """The same for a text as it was written and as the network gives it back: addresses may be shortened, and
    white space may change.
    """
    plain = " ".join(ADDRESS.sub("<address>", unicodedata.normalize("NFC", body)).split())
    return hashlib.sha256(plain.encode()).hexdigest()


def matching(seen: Iterable[Seen], print_: str, *, since: datetime) -> Seen | None:
    """The post with this fingerprint that was published since then (give or take), or None."""
    recent = (one for one in seen if one.at >= since - SLACK)
    return next((one for one in recent if fingerprint(one.text) == print_), None)


def nothing_to_prepare() -> Answer[str]:
    return Answer(outcome=OK, value="")


def ready() -> Answer[bool]:
    return Answer(outcome=OK, value=True)


def not_ready() -> Answer[bool]:
    """Not a failure: it is asked again in a minute."""
    return Answer(
        outcome=Outcome(
            kind=Kind.RATE_LIMITED,
            reason="The network still works on it.",
            was_sent=False,
            retry_after_seconds=NOT_READY_SECONDS,
        ),
        value=False,
    )


def is_there(network: str, answer: Answer[Any], *, is_gone: bool) -> bool:
    """What asking for a post says of it. Raises ServiceError where it says neither."""
    if not answer.outcome.is_good and not is_gone:
        raise errors.of(network, answer.outcome)
    return not is_gone


def cannot(words: str) -> Answer[Any]:
    return refused(words)


def id_in(response: Response) -> str:
    return str(response.json().get("id") or "")


def number(values: Mapping[str, Any], *names: str) -> int | None:
    """The sum of those figures that are there."""
    found = [int(values[name]) for name in names if isinstance(values.get(name), int | str | float)]
    return sum(found) if found else None


@dataclass(frozen=True)
class Wanted:
    """Metrics to ask for, by what they mean to us; which of them exist is the network's changing mind."""

    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def query(self) -> str:
        return ",".join(name for many in self.names.values() for name in many)

    def read(self, values: Mapping[str, Any]) -> dict[str, int | None]:
        return {key: number(values, *many) for key, many in self.names.items()}
