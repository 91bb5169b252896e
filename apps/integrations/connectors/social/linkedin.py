"""LinkedIn's Posts API, for an organisation or a member.

Text is "little text": its own characters are escaped. The id of a new post comes in a header, not in the
body. Images are uploaded as bytes to an address that LinkedIn names.
"""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.ads import linkedin as linkedin_ads
from apps.integrations.connectors.ads.platform import nothing, refused
from apps.integrations.connectors.social import pictures
from apps.integrations.connectors.social.network import (
    DUPLICATE,
    RECENT,
    AccountFigures,
    Image,
    Mention,
    Post,
    PostFigures,
    Room,
    Rules,
    Seen,
    is_there,
    nothing_to_prepare,
    number,
    ready,
    with_link_beside_images,
)
from apps.integrations.http import Request, Response
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Credentials, Family, Field, OAuth, Reach, Service

NAME = "LinkedIn"
OURS = re.compile(r"([\\|{}@\[\]()<>#*_~])")
ESCAPED = re.compile(r"\\([\\|{}@\[\]()<>#*_~])")
LONGEST_TITLE = 200


RULES = Rules(longest=3_000, most_images=20, body=with_link_beside_images, can_read_mentions=False)


def escaped(text: str) -> str:
    return OURS.sub(r"\\\1", text)


def unescaped(text: str) -> str:
    return ESCAPED.sub(r"\1", text)


def sign(request: Request, credentials: Credentials) -> Request:
    """Bearer token and the month of the interface, as for advertisements but of this service."""
    headers = {
        **request.headers,
        "Authorization": f"Bearer {credentials.get('access_token', '')}",
        "LinkedIn-Version": LINKEDIN.spoken_version,
        "X-Restli-Protocol-Version": "2.0.0",
    }
    return replace(request, headers=headers)


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """As for advertisements; a limit of the day without a word on when is over at midnight, UTC."""
    outcome = linkedin_ads.classify(response, is_idempotent, now)
    if outcome.kind == Kind.THROTTLED and outcome.retry_after_seconds is None:
        return replace(outcome, kind=Kind.QUOTA_EXHAUSTED)
    is_duplicate = response.status in {409, 422} and "duplicate" in outcome.reason.lower()
    return replace(outcome, code=DUPLICATE, kind=Kind.PERMANENT_DATA) if is_duplicate else outcome


LINKEDIN = services.register(
    Service(
        key="linkedin_pages",
        name="LinkedIn Page",
        family=Family.SOCIAL,
        base_url="https://api.linkedin.com/rest",
        version="202609",
        sunset_on=date(2027, 9, 1),
        fields=(
            Field(
                key="account",
                label="Organisation",
                help="The number of the page, or a whole urn:li:person:… of a member.",
            ),
        ),
        oauth=OAuth(
            authorize_url="https://www.linkedin.com/oauth/v2/authorization",
            token_url="https://www.linkedin.com/oauth/v2/accessToken",  # noqa: S106 - an address
            uses_pkce=False,
        ),
        scopes=("w_organization_social", "r_organization_social", "rw_organization_admin"),
        reach=Reach.TWO_WAY,
        honest="Publishes and deletes posts of a page and reads their figures. LinkedIn has no door through "
        "which mentions could be read.",
        limits=Limits(at_once=2),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.social.linkedin.check",
    )
)


class LinkedInPage:
    """Network at LinkedIn."""

    rules = RULES

    def __init__(self, client: Client) -> None:
        self.client = client
        account = str(client.credentials["account"])
        self.author = account if account.startswith("urn:") else f"urn:li:organization:{account}"

    def account(self) -> str:
        if ":organization:" not in self.author:
            self.recent()
            return self.author
        number_of = self.author.rsplit(":", 1)[-1]
        found = self._read("account.read", f"/organizations/{number_of}")
        return str(found.get("localizedName") or self.author)

    def prepare(self, post: Post) -> Answer[str]:
        """The images, uploaded. One that is not used shows nowhere."""
        if not post.images:
            return nothing_to_prepare()
        urns = []
        for image in post.images:
            answer = self._upload(image)
            if answer.value is None:
                return answer
            urns.append(answer.value)
        return Answer(outcome=OK, value=json.dumps(urns))

    def is_ready(self, prepared: str) -> Answer[bool]:
        return ready()

    def publish(self, post: Post, prepared: str) -> Answer[str]:
        told: dict[str, Any] = {
            "author": self.author,
            "commentary": escaped(RULES.body(post)),
            "visibility": "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }
        if content := _content(post, json.loads(prepared) if prepared else []):
            told["content"] = content
        request = Request(method="POST", url="/posts", json=told)
        return self.client.ask("posts.publish", request, read=_id, kind="write", is_idempotent=False)

    def delete(self, post_id: str) -> Answer[Any]:
        request = Request(
            method="DELETE", url=f"/posts/{quote(post_id, safe='')}", headers={"X-RestLi-Method": "DELETE"}
        )
        answer = self.client.ask("posts.delete", request, read=nothing, kind="write", is_idempotent=True)
        return Answer(outcome=OK) if answer.outcome.status == 404 else answer

    def is_there(self, post_id: str) -> bool:
        request = Request(method="GET", url=f"/posts/{quote(post_id, safe='')}")
        answer: Answer[Any] = self.client.ask("posts.read", request)
        return is_there(NAME, answer, is_gone=answer.outcome.status == 404)

    def recent(self) -> list[Seen]:
        query = f"q=author&author={quote(self.author, safe='')}&count={RECENT}&sortBy=CREATED"
        found = self._read("posts.list", f"/posts?{query}")
        return [
            Seen(
                id=one["id"],
                text=unescaped(one.get("commentary", "")),
                at=datetime.fromtimestamp(int(one["createdAt"]) / 1_000, UTC),
                url=self.url_of(one["id"]),
            )
            for one in found.get("elements", [])
        ]

    def room(self) -> Room | None:
        return None

    def mentions(self, after: str, most: int = RECENT) -> list[Mention]:
        return []

    def post_figures(self, post_id: str) -> PostFigures:
        kind = "ugcPosts" if ":ugcPost:" in post_id else "shares"
        query = (
            f"q=organizationalEntity&organizationalEntity={quote(self.author, safe='')}"
            f"&{kind}=List({quote(post_id, safe='')})"
        )
        rows = self._read("figures.read", f"/organizationalEntityShareStatistics?{query}").get("elements", [])
        told = rows[0].get("totalShareStatistics", {}) if rows else {}
        return PostFigures(
            views=number(told, "impressionCount"),
            reactions=number(told, "likeCount"),
            comments=number(told, "commentCount"),
            shares=number(told, "shareCount"),
            clicks=number(told, "clickCount"),
        )

    def account_figures(self) -> AccountFigures:
        if ":organization:" not in self.author:
            return AccountFigures()
        path = f"/networkSizes/{quote(self.author, safe='')}?edgeType=COMPANY_FOLLOWED_BY_MEMBER"
        return AccountFigures(followers=number(self._read("followers.read", path), "firstDegreeSize"))

    def url_of(self, post_id: str) -> str:
        return f"https://www.linkedin.com/feed/update/{post_id}"

    def _upload(self, image: Image) -> Answer[str]:
        """Ask for an address, and put the bytes there."""
        picture = pictures.fetched(self.client, image.url)
        if picture.value is None:
            return Answer(outcome=picture.outcome)
        asked = Request(
            method="POST",
            url="/images?action=initializeUpload",
            json={"initializeUploadRequest": {"owner": self.author}},
        )
        begun: Answer[Any] = self.client.ask("images.begin", asked, kind="write", is_idempotent=True)
        if begun.value is None:
            return begun
        told = begun.value["value"]
        if not _is_theirs(told["uploadUrl"]):
            return refused("LinkedIn named an upload address that is not its own.")
        put = Request(
            method="PUT",
            url=LINKEDIN.placed(told["uploadUrl"]),
            headers={"Content-Type": picture.value.kind},
            content=picture.value.content,
        )
        done = self.client.ask("images.upload", put, read=nothing, kind="write", is_idempotent=True)
        return Answer(outcome=done.outcome, value=told["image"] if done.outcome.is_good else None)

    def _read(self, name: str, path: str) -> dict[str, Any]:
        return dict(self.client.require(name, Request(method="GET", url=path)))


def _is_theirs(url: str) -> bool:
    """The token goes along, so only an address of LinkedIn will do."""
    parts = urlsplit(url)
    return parts.scheme == "https" and f".{parts.hostname or ''}".endswith(".linkedin.com")


def _content(post: Post, urns: list[str]) -> dict[str, Any]:
    if len(urns) == 1:
        return {"media": {"id": urns[0], "altText": post.images[0].alt}}
    if urns:
        images = zip(urns, post.images, strict=True)
        return {"multiImage": {"images": [{"id": urn, "altText": one.alt} for urn, one in images]}}
    if post.link:
        title = (post.text.strip().splitlines() or [post.link])[0][:LONGEST_TITLE]
        return {"article": {"source": post.link, "title": title}}
    return {}


def _id(response: Response) -> str:
    """Without the header it is found by its text."""
    return response.headers.get("x-restli-id", "")


def check(client: Client) -> str:
    return LinkedInPage(client).account()
