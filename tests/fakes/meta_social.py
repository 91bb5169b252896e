"""Facebook Pages and Instagram as documented: a page's own token, unpublished photos, containers that are
fetched for a while, and a limit for each day that is to be read.
"""

import json
from datetime import UTC, datetime
from typing import Any

from tests.fakes.meta import error
from tests.fakes.server import Fake, Reply, Seen, json_reply, route

TOKEN, PAGE_TOKEN = "EAAB-token", "EAAB-page-token"


def stamp(seconds: float) -> str:
    """Graph's own form of a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


class Graph(Fake):
    """What both have in common: sign-in, refusals, lists."""

    token = TOKEN

    @route("GET", r"/v[\d.]+/dialog/oauth")
    def dialog(self, request: Seen) -> Reply:
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=meta-code&state={query['state']}"})

    @route("POST", r"/v[\d.]+/oauth/access_token")
    def token_for(self, request: Seen) -> Reply:
        return json_reply({"access_token": TOKEN, "token_type": "bearer", "expires_in": 5_183_944})

    def unknown(self, request: Seen) -> Reply:
        return error(2500, f"Unknown path components: {request.path}")

    def refused(self, request: Seen, token: str) -> Reply | None:
        if request.headers.get("authorization") == f"Bearer {token}":
            return None
        return error(190, "Error validating access token: Session has expired.", subcode=463, status=401)


class FacebookPages(Graph):
    """One page. The same words twice within an hour are refused as a duplicate."""

    name = "facebook_pages"
    hint = "page 1001"

    def __init__(self, *, page: str = "1001", **options: Any) -> None:
        super().__init__(**options)
        self.page = page
        self.posts: dict[str, dict[str, Any]] = {}
        self.photos: dict[str, dict[str, str]] = {}
        self.tagged: list[dict[str, Any]] = []

    def furnish(self) -> None:
        for number, (name, words) in enumerate(
            (
                ("Ada & Tom", "Studio North made our day."),
                ("Hill House", "What a wedding, with Studio North."),
            )
        ):
            self.tagged.append(
                {
                    "id": f"77{number}_1",
                    "from": {"name": name, "id": f"77{number}"},
                    "message": words,
                    "created_time": stamp(self.now() - 7_200 * (number + 1)),
                    "permalink_url": f"https://www.facebook.com/77{number}/posts/1",
                }
            )

    @route("GET", r"/v[\d.]+/me/accounts")
    def accounts(self, request: Seen) -> Reply:
        row = {"id": self.page, "name": "Studio North", "access_token": PAGE_TOKEN}
        return self.refused(request, TOKEN) or json_reply({"data": [row]})

    @route("GET", r"/v[\d.]+/(?P<page>\d+)")
    def read_page(self, request: Seen) -> Reply:
        told = {"id": self.page, "name": "Studio North", "followers_count": 1_204}
        return self.refused(request, PAGE_TOKEN) or json_reply(told)

    @route("POST", r"/v[\d.]+/(?P<page>\d+)/photos")
    def upload(self, request: Seen) -> Reply:
        if refused := self.refused(request, PAGE_TOKEN):
            return refused
        if not request.form.get("url", "").startswith("http"):
            return error(324, "(#324) Requires upload file")
        key = str(9_000 + self.next_id())
        self.photos[key] = request.form
        return json_reply({"id": key})

    @route("POST", r"/v[\d.]+/(?P<page>\d+)/feed")
    def publish(self, request: Seen) -> Reply:
        if refused := self.refused(request, PAGE_TOKEN):
            return refused
        form = request.form
        media = [
            json.loads(value)["media_fbid"] for name, value in form.items() if name.startswith("attached")
        ]
        if any(one not in self.photos for one in media):
            return error(100, "(#100) Param attached_media must be photos of this page")
        if not form.get("message") and not form.get("link") and not media:
            return error(100, "(#100) Empty post", subcode=33)
        recent = (one for one in self.posts.values() if one["at"] > self.now() - 3_600)
        if any(one["message"] == form.get("message", "") for one in recent):
            return error(506, "Duplicate status message", error_user_title="Duplicate Status Update")
        key = f"{self.page}_{500 + self.next_id()}"
        self.posts[key] = {
            "id": key,
            "message": form.get("message", ""),
            "link": form.get("link", ""),
            "media": media,
            "at": self.now(),
        }
        return json_reply({"id": key})

    @route("GET", r"/v[\d.]+/(?P<page>\d+)/feed")
    def feed(self, request: Seen) -> Reply:
        if refused := self.refused(request, PAGE_TOKEN):
            return refused
        rows = [
            {
                "id": one["id"],
                "message": one["message"],
                "created_time": stamp(one["at"]),
                "permalink_url": f"https://www.facebook.com/{one['id']}",
            }
            for one in reversed(self.posts.values())
        ]
        return json_reply({"data": rows[: int(request.query.get("limit", 25))]})

    @route("GET", r"/v[\d.]+/(?P<page>\d+)/tagged")
    def list_tagged(self, request: Seen) -> Reply:
        return self.refused(request, PAGE_TOKEN) or json_reply({"data": self.tagged})

    @route("GET", r"/v[\d.]+/(?P<id>\d+_\d+)")
    def read_post(self, request: Seen) -> Reply:
        if request.args["id"] not in self.posts:
            return error(100, "Unsupported get request. Object does not exist", subcode=33)
        told = {"shares": {"count": 3}, "comments": {"data": [], "summary": {"total_count": 4}}}
        address = f"https://www.facebook.com/{request.args['id']}"
        return self.refused(request, PAGE_TOKEN) or json_reply({**told, "permalink_url": address})

    @route("GET", r"/v[\d.]+/(?P<id>\d+(?:_\d+)?)/insights")
    def insights(self, request: Seen) -> Reply:
        if refused := self.refused(request, PAGE_TOKEN):
            return refused
        known: dict[str, Any] = {
            "post_total_media_view_unique": 420,
            "post_reactions_by_type_total": {"like": 20, "love": 5},
            "post_clicks": 12,
            "page_media_view": 3_100,
            "page_post_engagements": 210,
        }
        asked = request.query["metric"].split(",")
        if any(one not in known for one in asked):
            return error(100, "(#100) The value must be a valid insights metric")
        rows = [{"name": one, "period": "lifetime", "values": [{"value": known[one]}]} for one in asked]
        return json_reply({"data": rows})

    @route("DELETE", r"/v[\d.]+/(?P<id>\d+_\d+)")
    def delete(self, request: Seen) -> Reply:
        if refused := self.refused(request, PAGE_TOKEN):
            return refused
        if self.posts.pop(request.args["id"], None) is None:
            return error(100, "Unsupported delete request. Object does not exist", subcode=33)
        return json_reply({"success": True})


class Instagram(Graph):
    """One account. fetches: how often a container says IN_PROGRESS before it is finished. quota: posts a
    day.
    """

    name = "instagram"
    hint = "account 1789"

    def __init__(self, *, user: str = "1789", fetches: int = 0, quota: int = 50, **options: Any) -> None:
        super().__init__(**options)
        self.user, self.fetches, self.quota = user, fetches, quota
        self.containers: dict[str, dict[str, Any]] = {}
        self.media: dict[str, dict[str, Any]] = {}
        self.tags: list[dict[str, Any]] = []

    def furnish(self) -> None:
        self.tags.append(
            {
                "id": "1800",
                "caption": "Our pictures by @studionorth are here!",
                "username": "ada.weds",
                "timestamp": stamp(self.now() - 3_600),
                "permalink": "https://www.instagram.com/p/ada/",
            }
        )

    @route("GET", r"/v[\d.]+/(?P<id>\d+)")
    def read(self, request: Seen) -> Reply:
        if refused := self.refused(request, TOKEN):
            return refused
        if request.args["id"] == self.user:
            return json_reply({"id": self.user, "username": "studionorth", "followers_count": 3_015})
        if row := self.containers.get(request.args["id"]):
            return json_reply(self._state_of(row))
        if row := self.media.get(request.args["id"]):
            return json_reply({"id": row["id"], "permalink": f"https://www.instagram.com/p/{row['id']}/"})
        return error(100, "Unsupported get request. Object does not exist", subcode=33)

    def _state_of(self, row: dict[str, Any]) -> dict[str, Any]:
        row["asked"] += 1
        if row["asked"] > self.fetches and row["status_code"] == "IN_PROGRESS":
            row["status_code"] = "FINISHED"
        return {name: row[name] for name in ("id", "status_code", "status") if name in row}

    @route("POST", r"/v[\d.]+/(?P<user>\d+)/media")
    def make(self, request: Seen) -> Reply:
        if refused := self.refused(request, TOKEN):
            return refused
        form = request.form
        children = [one for one in form.get("children", "").split(",") if one]
        if len(form.get("caption", "")) > 2_200:
            return error(100, "The caption was too long", subcode=2_207_010)
        if children and not 2 <= len(children) <= 10:
            return error(100, "Carousel needs 2 to 10 children", subcode=2_207_028)
        if not children and not form.get("image_url", "").lower().endswith((".jpg", ".jpeg")):
            return error(9004, "Only photo or video can be accepted as media type.", subcode=2_207_004)
        key = str(17_000 + self.next_id())
        self.containers[key] = {"id": key, "status_code": "IN_PROGRESS", "asked": 0, **form}
        return json_reply({"id": key})

    @route("GET", r"/v[\d.]+/(?P<user>\d+)/content_publishing_limit")
    def limit(self, request: Seen) -> Reply:
        used = sum(one["at"] > self.now() - 86_400 for one in self.media.values())
        row = {"quota_usage": used, "config": {"quota_total": self.quota, "quota_duration": 86_400}}
        return self.refused(request, TOKEN) or json_reply({"data": [row]})

    @route("POST", r"/v[\d.]+/(?P<user>\d+)/media_publish")
    def publish(self, request: Seen) -> Reply:
        if refused := self.refused(request, TOKEN):
            return refused
        row = self.containers.get(request.form.get("creation_id", ""))
        if row is None:
            return error(100, "Invalid parameter", subcode=2_207_006)
        if row["status_code"] == "PUBLISHED":
            return error(100, "The container was published already", subcode=2_207_027)
        if row["status_code"] != "FINISHED":
            return error(9007, "Media ID is not available", subcode=2_207_027)
        if sum(one["at"] > self.now() - 86_400 for one in self.media.values()) >= self.quota:
            return error(9, "Application request limit reached", subcode=2_207_042, status=403)
        row["status_code"] = "PUBLISHED"
        key = str(18_000 + self.next_id())
        self.media[key] = {"id": key, "caption": row.get("caption", ""), "at": self.now()}
        return json_reply({"id": key})

    @route("GET", r"/v[\d.]+/(?P<user>\d+)/media")
    def list_media(self, request: Seen) -> Reply:
        rows = [
            {
                "id": one["id"],
                "caption": one["caption"],
                "timestamp": stamp(one["at"]),
                "permalink": f"https://www.instagram.com/p/{one['id']}/",
            }
            for one in reversed(self.media.values())
        ]
        return self.refused(request, TOKEN) or json_reply(
            {"data": rows[: int(request.query.get("limit", 25))]}
        )

    @route("GET", r"/v[\d.]+/(?P<user>\d+)/tags")
    def list_tags(self, request: Seen) -> Reply:
        return self.refused(request, TOKEN) or json_reply({"data": self.tags})

    @route("GET", r"/v[\d.]+/(?P<id>\d+)/insights")
    def insights(self, request: Seen) -> Reply:
        known = {"views": 900, "likes": 81, "comments": 6, "shares": 2}
        asked = request.query["metric"].split(",")
        rows = [{"name": one, "values": [{"value": known[one]}]} for one in asked if one in known]
        return self.refused(request, TOKEN) or json_reply({"data": rows})
