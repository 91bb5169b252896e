"""Facebook Pages: posts of a page by the page's own token, which the person's token leads to.

Several images are uploaded unpublished first, and the post names them.
"""

import json
from typing import Any

from django.conf import settings

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.social import meta
from apps.integrations.connectors.social.network import (
    RECENT,
    AccountFigures,
    Mention,
    Post,
    PostFigures,
    Room,
    Rules,
    Seen,
    Wanted,
    id_in,
    is_there,
    nothing_to_prepare,
    number,
    ready,
    with_link_beside_images,
)
from apps.integrations.http import Request
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits
from apps.integrations.services import Family, Field, Reach, Service

NAME = "Facebook"
RULES = Rules(longest=63_206, most_images=10, body=with_link_beside_images)
OF_POST = {
    "views": ["post_total_media_view_unique"],
    "reactions": ["post_reactions_by_type_total"],
    "clicks": ["post_clicks"],
}
OF_PAGE = {"views": ["page_media_view"], "engagements": ["page_post_engagements"]}

FACEBOOK = services.register(
    Service(
        key="facebook_pages",
        name="Facebook Page",
        family=Family.SOCIAL,
        base_url=meta.BASE_URL,
        version=meta.VERSION,
        fields=(Field(key="account", label="Page id", help="The number under About, Page transparency."),),
        oauth=meta.SIGN_IN,
        scopes=("pages_show_list", "pages_manage_posts", "pages_read_engagement", "read_insights"),
        reach=Reach.TWO_WAY,
        honest="Publishes and deletes posts of a page; reads their figures and where the page is tagged.",
        limits=Limits(at_once=2),
        sign=meta.sign,
        classify=meta.classify,
        check="apps.integrations.connectors.social.facebook.check",
    )
)


class FacebookPage:
    """Network at a page."""

    rules = RULES

    def __init__(self, client: Client) -> None:
        self.client = client
        self.page = str(client.credentials["account"])
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The page's own token, asked for once. Raises ServiceError."""
        if self._headers is None:
            asked = {"fields": "id,name,access_token", "limit": 100}
            found = self.client.require("pages.list", Request(method="GET", url="/me/accounts", params=asked))
            token = next((one["access_token"] for one in found.get("data", []) if one["id"] == self.page), "")
            if not token:
                reason = "Whoever signed in does not manage this page."
                raise errors.of(NAME, Outcome(kind=Kind.PERMANENT_CONFIG, reason=reason))
            self._headers = {"Authorization": f"Bearer {token}"}
        return self._headers

    def account(self) -> str:
        found = self._read("page.read", f"/{self.page}", fields="name,followers_count")
        return f"{found.get('name', self.page)}, {found.get('followers_count', 0):,} followers"

    def prepare(self, post: Post) -> Answer[str]:
        """Each image, unpublished. One that was uploaded and is not used shows nowhere."""
        if not post.images:
            return nothing_to_prepare()
        ids = []
        for image in post.images:
            form = {"url": image.url, "published": "false"}
            form |= {"alt_text_custom": image.alt} if image.alt else {}
            answer = self._write("photos.upload", f"/{self.page}/photos", form, is_idempotent=True)
            if answer.value is None:
                return answer
            ids.append(answer.value)
        return Answer(outcome=OK, value=json.dumps(ids))

    def is_ready(self, prepared: str) -> Answer[bool]:
        return ready()

    def publish(self, post: Post, prepared: str) -> Answer[str]:
        link = "" if post.images else post.link
        form: dict[str, str] = {"message": RULES.body(post), "link": link}
        for place, one in enumerate(json.loads(prepared) if prepared else []):
            form[f"attached_media[{place}]"] = json.dumps({"media_fbid": one}, separators=(",", ":"))
        filled = {name: value for name, value in form.items() if value}
        return self._write("posts.publish", f"/{self.page}/feed", filled, is_idempotent=False)

    def delete(self, post_id: str) -> Answer[Any]:
        request = Request(method="DELETE", url=f"/{post_id}", headers=self.headers)
        answer: Answer[Any] = self.client.ask("posts.delete", request, kind="write", is_idempotent=True)
        return Answer(outcome=OK) if answer.outcome.code == meta.NOT_THERE else answer

    def is_there(self, post_id: str) -> bool:
        request = Request(method="GET", url=f"/{post_id}", headers=self.headers, params={"fields": "id"})
        answer: Answer[Any] = self.client.ask("posts.read", request)
        return is_there(NAME, answer, is_gone=answer.outcome.code == meta.NOT_THERE)

    def recent(self) -> list[Seen]:
        fields = "id,message,created_time,permalink_url"
        found = meta.rows(self.client, "posts.list", f"/{self.page}/feed", self.headers, fields=fields)
        return [
            Seen(
                id=one["id"],
                text=one.get("message", ""),
                at=meta.when(one["created_time"]),
                url=one.get("permalink_url", ""),
            )
            for one in found
        ]

    def room(self) -> Room | None:
        return None

    def mentions(self, after: str, most: int = RECENT) -> list[Mention]:
        fields = "id,message,from,created_time,permalink_url"
        path = f"/{self.page}/tagged"
        found = meta.rows(self.client, "mentions.list", path, self.headers, fields=fields, limit=most)
        return [
            Mention(
                id=one["id"],
                author=(one.get("from") or {}).get("name", ""),
                text=one.get("message", ""),
                at=meta.when(one["created_time"]),
                url=one.get("permalink_url", ""),
            )
            for one in found
        ]

    def post_figures(self, post_id: str) -> PostFigures:
        wanted = Wanted(settings.SOCIAL_METRICS.get("facebook_posts", OF_POST))
        told = meta.insights(self.client, f"/{post_id}", self.headers, wanted.query)
        asked = "permalink_url,shares,comments.limit(0).summary(total_count)"
        row = self._read("posts.read", f"/{post_id}", fields=asked)
        return PostFigures(
            **wanted.read(told),
            comments=number(row.get("comments", {}).get("summary", {}), "total_count"),
            shares=number(row.get("shares", {}), "count"),
            url=row.get("permalink_url", ""),
        )

    def account_figures(self) -> AccountFigures:
        wanted = Wanted(settings.SOCIAL_METRICS.get("facebook_pages", OF_PAGE))
        told = meta.insights(self.client, f"/{self.page}", self.headers, wanted.query, period="day")
        row = self._read("page.read", f"/{self.page}", fields="name,followers_count")
        return AccountFigures(followers=number(row, "followers_count"), **wanted.read(told))

    def url_of(self, post_id: str) -> str:
        return f"https://www.facebook.com/{post_id}"

    def _read(self, name: str, path: str, **params: Any) -> dict[str, Any]:
        request = Request(method="GET", url=path, headers=self.headers, params=params)
        return dict(self.client.require(name, request))

    def _write(self, name: str, path: str, form: dict[str, str], *, is_idempotent: bool) -> Answer[str]:
        request = Request(method="POST", url=path, headers=self.headers, form=form)
        return self.client.ask(name, request, read=id_in, kind="write", is_idempotent=is_idempotent)


def check(client: Client) -> str:
    return FacebookPage(client).account()
