"""Instagram for professional accounts: a container is made, Meta fetches the image, the container is
published.

A container can be published once only, so the same one is used for every attempt. How many posts a day it
takes is read from the network, which disagrees with itself in its documents.
"""

import re
from dataclasses import replace
from typing import Any

from django.conf import settings

from apps.integrations import services
from apps.integrations.client import Client
from apps.integrations.connectors.social import meta
from apps.integrations.connectors.social.network import (
    RECENT,
    AccountFigures,
    Image,
    Mention,
    Post,
    PostFigures,
    Room,
    Rules,
    Seen,
    Wanted,
    cannot,
    id_in,
    not_ready,
    number,
    with_link,
)
from apps.integrations.http import Request
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Family, Field, Reach, Service

RULES = Rules(
    longest=2_200,
    most_images=10,
    needs_image=True,
    is_link_clickable=False,
    most_hashtags=30,
    body=with_link,
    can_delete=False,
)
OF_POST = {"views": ["views"], "reactions": ["likes"], "comments": ["comments"], "shares": ["shares"]}
MEDIA_CODE = re.compile(r"\b(2207\d{3})\b")

INSTAGRAM = services.register(
    Service(
        key="instagram",
        name="Instagram",
        family=Family.SOCIAL,
        base_url=meta.BASE_URL,
        version=meta.VERSION,
        fields=(
            Field(
                key="account",
                label="Instagram account id",
                help="The number of the professional account in Meta Business settings.",
            ),
        ),
        oauth=meta.SIGN_IN,
        scopes=("instagram_basic", "instagram_content_publish", "pages_read_engagement", "pages_show_list"),
        reach=Reach.TWO_WAY,
        honest="Publishes one to ten JPEG images with a text; reads figures and where the account is tagged. "
        "Nothing can be deleted from here.",
        limits=Limits(at_once=2),
        sign=meta.sign,
        classify=meta.classify,
        check="apps.integrations.connectors.social.instagram.check",
    )
)


class Instagram:
    """Network at Instagram."""

    rules = RULES

    def __init__(self, client: Client) -> None:
        self.client = client
        self.user = str(client.credentials["account"])

    def account(self) -> str:
        found = self._read("account.read", f"/{self.user}", fields="username,followers_count")
        return f"@{found.get('username', self.user)}, {found.get('followers_count', 0):,} followers"

    def prepare(self, post: Post) -> Answer[str]:
        """A container, or one for each image and one for all of them. Those that are not used expire."""
        caption = {"caption": RULES.body(post)}
        if len(post.images) == 1:
            return self._container({**_of(post.images[0]), **caption})
        children = []
        for image in post.images:
            answer = self._container({**_of(image), "is_carousel_item": "true"})
            if answer.value is None:
                return answer
            children.append(answer.value)
        return self._container({"media_type": "CAROUSEL", "children": ",".join(children), **caption})

    def is_ready(self, prepared: str) -> Answer[bool]:
        """What Meta says of the container: it may still be fetching, or have given up."""
        params = {"fields": "status_code,status"}
        request = Request(method="GET", url=f"/{prepared}", params=params)
        answer: Answer[Any] = self.client.ask("container.read", request)
        if answer.value is None:
            return answer
        code, words = answer.value.get("status_code"), str(answer.value.get("status") or "")
        if code in {"FINISHED", "PUBLISHED"}:
            return replace(answer, value=True)
        if code == "IN_PROGRESS":
            return not_ready()
        found = MEDIA_CODE.search(words)
        kind = meta.kind_of_media(int(found[1])) if found else None
        return Answer(
            outcome=Outcome(kind=kind or Kind.RETRYABLE, code="container", reason=words[:300] or str(code))
        )

    def publish(self, post: Post, prepared: str) -> Answer[str]:
        request = Request(method="POST", url=f"/{self.user}/media_publish", form={"creation_id": prepared})
        return self.client.ask("posts.publish", request, read=id_in, kind="write", is_idempotent=False)

    def delete(self, post_id: str) -> Answer[Any]:
        return cannot("Instagram deletes posts in its own app only.")

    def is_there(self, post_id: str) -> bool:
        return True  # nothing is ever deleted from here

    def recent(self) -> list[Seen]:
        fields = "id,caption,timestamp,permalink"
        found = meta.rows(self.client, "posts.list", f"/{self.user}/media", {}, fields=fields)
        return [
            Seen(
                id=one["id"],
                text=one.get("caption", ""),
                at=meta.when(one["timestamp"]),
                url=one.get("permalink", ""),
            )
            for one in found
        ]

    def room(self) -> Room | None:
        path = f"/{self.user}/content_publishing_limit"
        [found] = self._read("limit.read", path, fields="quota_usage,config")["data"]
        return Room(int(found["quota_usage"]), int(found["config"]["quota_total"]))

    def mentions(self, after: str, most: int = RECENT) -> list[Mention]:
        fields = "id,caption,username,timestamp,permalink"
        found = meta.rows(self.client, "mentions.list", f"/{self.user}/tags", {}, fields=fields, limit=most)
        return [
            Mention(
                id=one["id"],
                author=one.get("username", ""),
                text=one.get("caption", ""),
                at=meta.when(one["timestamp"]),
                url=one.get("permalink", ""),
            )
            for one in found
        ]

    def post_figures(self, post_id: str) -> PostFigures:
        wanted = Wanted(settings.SOCIAL_METRICS.get("instagram_posts", OF_POST))
        told = meta.insights(self.client, f"/{post_id}", {}, wanted.query)
        row = self._read("posts.read", f"/{post_id}", fields="permalink")
        return PostFigures(**wanted.read(told), url=row.get("permalink", ""))

    def account_figures(self) -> AccountFigures:
        row = self._read("account.read", f"/{self.user}", fields="username,followers_count")
        return AccountFigures(followers=number(row, "followers_count"))

    def url_of(self, post_id: str) -> str:
        """Known once its figures are read: the address is not made of the id."""
        return ""

    def _container(self, form: dict[str, str]) -> Answer[str]:
        request = Request(method="POST", url=f"/{self.user}/media", form=form)
        return self.client.ask("container.create", request, read=id_in, kind="write", is_idempotent=True)

    def _read(self, name: str, path: str, **params: Any) -> dict[str, Any]:
        return dict(self.client.require(name, Request(method="GET", url=path, params=params)))


def _of(image: Image) -> dict[str, str]:
    return {"image_url": image.url} | ({"alt_text": image.alt} if image.alt else {})


def check(client: Client) -> str:
    return Instagram(client).account()
