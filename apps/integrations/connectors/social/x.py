"""X: posts cost money, reads as well, and a post with a link thirteen times as much.

Length is weighted: most letters of the Latin, Greek and Cyrillic alphabets count one, others and emoji two,
an address 23, whatever its length.
"""

import json
import re
import unicodedata
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.ads.platform import nothing
from apps.integrations.connectors.social import pictures
from apps.integrations.connectors.social.network import (
    ADDRESS,
    DUPLICATE,
    RECENT,
    AccountFigures,
    Image,
    Mention,
    Post,
    PostFigures,
    Prices,
    Room,
    Rules,
    Seen,
    is_there,
    nothing_to_prepare,
    number,
    ready,
    with_link,
)
from apps.integrations.http import Request, Response
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

NAME = "X"
LONGEST, ADDRESS_LENGTH = 280, 23
# Code points that count one; all others count two (twitter-text, configuration 3).
LIGHT = ((0, 4_351), (8_192, 8_205), (8_208, 8_223), (8_242, 8_247))
PICTOGRAPH = "[\U0001f300-\U0001faff\u2600-\u27bf\u2300-\u23ff\u2b00-\u2bff\u3030\u303d]"
MODIFIED = f"{PICTOGRAPH}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{MODIFIED}(?:\u200d{MODIFIED})*")
# Of August 2026, in dollars. SOCIAL_PRICES has the last word.
PRICES = {
    "create": "0.015",
    "create_with_link": "0.200",
    "read": "0.005",
    "read_person": "0.010",
    "delete": "0.010",
}
# What is not ours to repeat: the plan, or the application.
NOT_THERE = "resource-not-found"
OF_THE_PLAN = ("usage-capped", "client-forbidden", "credits")


def prices() -> Prices:
    known = {**PRICES, **settings.SOCIAL_PRICES.get("x_social", {})}
    return Prices(currency="USD", **{name: Decimal(amount) for name, amount in known.items()})


def weighted_length(text: str) -> int:
    """As X counts it, in its NFC form."""
    left = ADDRESS.sub("", unicodedata.normalize("NFC", text))
    addresses = len(ADDRESS.findall(unicodedata.normalize("NFC", text)))
    emoji = len(EMOJI.findall(left))
    return addresses * ADDRESS_LENGTH + emoji * 2 + sum(_weight(one) for one in EMOJI.sub("", left))


def _weight(letter: str) -> int:
    return 1 if any(low <= ord(letter) <= high for low, high in LIGHT) else 2


RULES = Rules(longest=LONGEST, most_images=4, length=weighted_length, body=with_link, prices=prices)


def sign(request: Request, credentials: Credentials) -> Request:
    headers = {**request.headers, "Authorization": f"Bearer {credentials.get('access_token', '')}"}
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The status and the problem in the body; a 200 with errors and without data did nothing."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    body = response.json_object()
    problem, words = _problem(body)
    if by_status.is_good:
        if body.get("errors") and not body.get("data"):
            failed = Outcome(kind=Kind.PERMANENT_DATA, status=response.status)
            return reading.told(failed, code=problem, words=words, name=NAME)
        return reading.with_body(by_status, response, NAME)
    found = reading.told(by_status, code=problem or response.status, words=words, name=NAME)
    if response.status == 403 and "duplicate" in words.lower():
        return replace(found, kind=Kind.PERMANENT_DATA, code=DUPLICATE)
    if response.status == 402 or problem in OF_THE_PLAN:
        return replace(found, kind=Kind.PERMANENT_CONFIG)
    return found


def _problem(body: dict[str, Any]) -> tuple[str, str]:
    told = (body.get("errors") or [body])[0] if isinstance(body.get("errors"), list) else body
    kind = str(told.get("type") or body.get("type") or "").rsplit("/", 1)[-1]
    words = told.get("detail") or told.get("message") or told.get("title") or body.get("title") or ""
    return kind, str(words)


X = services.register(
    Service(
        key="x_social",
        name="X",
        family=Family.SOCIAL,
        base_url="https://api.x.com/{version}",
        version="2",
        fields=(Field(key="account", label="User id", help="The number of the account, not its @name."),),
        oauth=OAuth(
            authorize_url="https://x.com/i/oauth2/authorize",
            token_url="https://api.x.com/2/oauth2/token",  # noqa: S106 - an address
            revoke_url="https://api.x.com/2/oauth2/revoke",
        ),
        scopes=("tweet.write", "tweet.read", "users.read", "media.write", "offline.access"),
        reach=Reach.TWO_WAY,
        honest="Publishes and deletes posts; reads figures and mentions. X charges for each of these: a "
        "limit for each day holds them back.",
        limits=Limits(at_once=2, rates=(Rate(limit=100, window_seconds=900),)),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.social.x.check",
    )
)


class XAccount:
    """Network at X."""

    rules = RULES

    def __init__(self, client: Client) -> None:
        self.client = client
        self.user = str(client.credentials["account"])

    def account(self) -> str:
        found = self._read("account.read", "/users/me", {"user.fields": "public_metrics"})
        followers = found["data"].get("public_metrics", {}).get("followers_count", 0)
        return f"@{found['data']['username']}, {followers:,} followers"

    def prepare(self, post: Post) -> Answer[str]:
        if not post.images:
            return nothing_to_prepare()
        ids = []
        for image in post.images:
            answer = self._upload(image)
            if answer.value is None:
                return answer
            ids.append(answer.value)
        return Answer(outcome=OK, value=json.dumps(ids))

    def is_ready(self, prepared: str) -> Answer[bool]:
        return ready()

    def publish(self, post: Post, prepared: str) -> Answer[str]:
        told: dict[str, Any] = {"text": with_link(post)}
        if prepared:
            told["media"] = {"media_ids": json.loads(prepared)}
        if post.is_made_with_ai:
            told["made_with_ai"] = True
        request = Request(method="POST", url="/tweets", json=told)
        return self.client.ask(
            "posts.publish", request, read=_id, kind="write", is_idempotent=False, is_costly=True
        )

    def delete(self, post_id: str) -> Answer[Any]:
        request = Request(method="DELETE", url=f"/tweets/{post_id}")
        answer: Answer[Any] = self.client.ask(
            "posts.delete", request, kind="write", is_idempotent=False, is_costly=True
        )
        return Answer(outcome=OK) if answer.outcome.status == 404 else answer

    def is_there(self, post_id: str) -> bool:
        request = Request(method="GET", url=f"/tweets/{post_id}")
        answer: Answer[Any] = self.client.ask("posts.read", request, is_costly=True)
        is_gone = answer.outcome.status == 404 or answer.outcome.code == NOT_THERE
        return is_there(NAME, answer, is_gone=is_gone)

    def recent(self) -> list[Seen]:
        params = {"max_results": RECENT, "tweet.fields": "created_at"}
        found = self._read("posts.list", f"/users/{self.user}/tweets", params)
        return [
            Seen(id=one["id"], text=one["text"], at=_when(one), url=self.url_of(one["id"]))
            for one in found.get("data", [])
        ]

    def room(self) -> Room | None:
        return None

    def mentions(self, after: str, most: int = RECENT) -> list[Mention]:
        params: dict[str, Any] = {
            "max_results": most,
            "tweet.fields": "created_at,author_id",
            "expansions": "author_id",
        }
        if after:
            params["since_id"] = after
        found = self._read("mentions.list", f"/users/{self.user}/mentions", params)
        names = {one["id"]: one["username"] for one in found.get("includes", {}).get("users", [])}
        return [
            Mention(
                id=one["id"],
                author=names.get(one.get("author_id", ""), ""),
                text=one["text"],
                at=_when(one),
                url=self.url_of(one["id"]),
            )
            for one in found.get("data", [])
        ]

    def post_figures(self, post_id: str) -> PostFigures:
        found = self._read("figures.read", f"/tweets/{post_id}", {"tweet.fields": "public_metrics"})
        told = found["data"].get("public_metrics", {})
        return PostFigures(
            views=number(told, "impression_count"),
            reactions=number(told, "like_count"),
            comments=number(told, "reply_count"),
            shares=number(told, "retweet_count", "quote_count"),
            url=self.url_of(post_id),
        )

    def account_figures(self) -> AccountFigures:
        found = self._read("account.read", f"/users/{self.user}", {"user.fields": "public_metrics"})
        return AccountFigures(followers=number(found["data"].get("public_metrics", {}), "followers_count"))

    def url_of(self, post_id: str) -> str:
        return f"https://x.com/i/web/status/{post_id}"

    def _upload(self, image: Image) -> Answer[str]:
        """In one piece: images are smaller than what a piece may hold."""
        picture = pictures.fetched(self.client, image.url)
        if picture.value is None:
            return Answer(outcome=picture.outcome)
        told = {
            "media_type": picture.value.kind,
            "total_bytes": len(picture.value.content),
            "media_category": "tweet_image",
        }
        begin = Request(method="POST", url="/media/upload/initialize", json=told)
        begun = self.client.ask("media.begin", begin, read=_id, kind="write", is_idempotent=True)
        if begun.value is None:
            return begun
        append = Request(
            method="POST",
            url=f"/media/upload/{begun.value}/append",
            files=[
                ("media", ("image", picture.value.content, picture.value.kind)),
                ("segment_index", (None, "0")),
            ],
        )
        added = self.client.ask("media.append", append, read=nothing, kind="write", is_idempotent=True)
        if not added.outcome.is_good:
            return Answer(outcome=added.outcome)
        finish = Request(method="POST", url=f"/media/upload/{begun.value}/finalize")
        return self.client.ask("media.finish", finish, read=_id, kind="write", is_idempotent=True)

    def _read(self, name: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        return dict(self.client.require(name, Request(method="GET", url=path, params=params), is_costly=True))


def _id(response: Response) -> str:
    return str(response.json()["data"]["id"])


def _when(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["created_at"])


def check(client: Client) -> str:
    return XAccount(client).account()
