"""X's API v2 as documented: bearer tokens of two hours, problems in bodies, a limit for each quarter of an
hour, and a bill.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

TOKEN, REFRESH = "x-token", "x-refresh"
WINDOW, MOST_POSTS = 900, 100
BILL = {key: Decimal(amount) for key, amount in {
    "create": "0.015", "create_url": "0.200", "read": "0.005", "user": "0.010", "delete": "0.010",
}.items()}  # fmt: skip


def problem(
    status: int, title: str, detail: str, kind: str = "about:blank", headers: dict[str, str] | None = None
) -> Reply:
    told = {"title": title, "detail": detail, "type": kind, "status": status}
    return json_reply(told, status=status, headers=headers)


class XSocial(Fake):
    """One account. Addresses in a text come back shortened; the same words twice are refused."""

    name = "x_social"
    hint = "user 2244994945"

    def __init__(self, *, user: str = "2244994945", **options: Any) -> None:
        super().__init__(**options)
        self.user, self.token = user, TOKEN
        self.tweets: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.mentioned: list[dict[str, Any]] = []
        self.bill = Decimal(0)
        self._posted: list[float] = []

    def furnish(self) -> None:
        self.mentioned.append(
            {
                "id": "1900",
                "text": "@studionorth you were wonderful!",
                "author_id": "55",
                "created_at": self._stamp(self.now() - 1_800),
            }
        )

    @route("GET", r"/i/oauth2/authorize")
    def dialog(self, request: Seen) -> Reply:
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=x-code&state={query['state']}"})

    @route("POST", r"/2/oauth2/token")
    def token_for(self, request: Seen) -> Reply:
        if request.form.get("grant_type") == "refresh_token":
            self.token = f"{TOKEN}-{self.next_id()}"
        told = {"access_token": self.token, "refresh_token": REFRESH, "expires_in": 7_200}
        return json_reply({**told, "token_type": "bearer", "scope": "tweet.write tweet.read users.read"})

    @route("POST", r"/2/oauth2/revoke")
    def revoke(self, request: Seen) -> Reply:
        return json_reply({"revoked": True})

    @route("GET", r"/2/users/(?P<who>me|\d+)")
    def read_user(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        self.bill += BILL["user"]
        figures = {"followers_count": 640, "following_count": 12, "tweet_count": len(self.tweets)}
        return json_reply({"data": {"id": self.user, "username": "studionorth", "public_metrics": figures}})

    @route("POST", r"/2/tweets")
    def publish(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        if full := self._full():
            return full
        text = request.json["text"]
        if any(one["as_sent"] == text for one in self.tweets.values()):
            return problem(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content.")
        media = request.json.get("media", {}).get("media_ids", [])
        if any(not self.uploads.get(one, {}).get("is_whole") for one in media):
            return problem(400, "Invalid Request", "Your media IDs are invalid.")
        self._posted.append(self.now())
        self.bill += BILL["create_url" if "http" in text else "create"]
        key = str(1_800_000_000_000_000_000 + self.next_id())
        shown = re.sub(r"https?://\S+", lambda found: f"https://t.co/{hash(found[0]) % 10**8:08d}", text)
        self.tweets[key] = {
            "id": key,
            "text": shown,
            "as_sent": text,
            "at": self.now(),
            **self._extras(request),
        }
        return json_reply({"data": {"id": key, "text": shown}}, status=201)

    def _extras(self, request: Seen) -> dict[str, Any]:
        return {name: request.json[name] for name in ("made_with_ai", "media") if name in request.json}

    def _full(self) -> Reply | None:
        recent = [at for at in self._posted if at > self.now() - WINDOW]
        if len(recent) < MOST_POSTS:
            return None
        headers = {
            "x-rate-limit-limit": str(MOST_POSTS),
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(min(recent) + WINDOW)),
        }
        return problem(429, "Too Many Requests", "Too Many Requests", headers=headers)

    @route("DELETE", r"/2/tweets/(?P<id>\d+)")
    def delete(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        self.bill += BILL["delete"]
        known = self.tweets.pop(request.args["id"], None)
        if known is None:
            return problem(
                404, "Not Found Error", "Not found", "https://api.x.com/2/problems/resource-not-found"
            )
        return json_reply({"data": {"deleted": True}})

    @route("GET", r"/2/tweets/(?P<id>\d+)")
    def read_post(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        row = self.tweets.get(request.args["id"])
        if row is None:
            missing = {
                "title": "Not Found Error",
                "detail": "Could not find tweet",
                "type": "https://api.x.com/2/problems/resource-not-found",
            }
            return json_reply({"errors": [missing]})
        self.bill += BILL["read"]
        figures = {
            "impression_count": 1_500,
            "like_count": 40,
            "reply_count": 3,
            "retweet_count": 4,
            "quote_count": 1,
        }
        return json_reply({"data": {"id": row["id"], "text": row["text"], "public_metrics": figures}})

    @route("GET", r"/2/users/(?P<id>\d+)/tweets")
    def listed(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        rows = [
            {"id": one["id"], "text": one["text"], "created_at": self._stamp(one["at"])}
            for one in reversed(self.tweets.values())
        ][: int(request.query["max_results"])]
        self.bill += BILL["read"] * len(rows)
        return json_reply(
            {"data": rows, "meta": {"result_count": len(rows)}} if rows else {"meta": {"result_count": 0}}
        )

    @route("GET", r"/2/users/(?P<id>\d+)/mentions")
    def mentions(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        after = int(request.query.get("since_id", 0))
        rows = [one for one in self.mentioned if int(one["id"]) > after]
        self.bill += (BILL["read"] + BILL["user"]) * len(rows)
        users = [{"id": key, "username": f"guest{key}"} for key in {one["author_id"] for one in rows}]
        if not rows:
            return json_reply({"meta": {"result_count": 0}})
        return json_reply({"data": rows, "includes": {"users": users}, "meta": {"result_count": len(rows)}})

    @route("POST", r"/2/media/upload/initialize")
    def begin(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        key = str(7_000 + self.next_id())
        self.uploads[key] = {**request.json, "got": 0, "is_whole": False}
        return json_reply({"data": {"id": key, "media_key": f"3_{key}", "expires_after_secs": 86_400}})

    @route("POST", r"/2/media/upload/(?P<id>\d+)/append")
    def append(self, request: Seen) -> Reply:
        row = self.uploads[request.args["id"]]
        row["got"] = row["total_bytes"] if request.body.count(b"\xff\xd8\xff") else 0
        return json_reply({"data": {"expires_at": int(self.now()) + 86_400}})

    @route("POST", r"/2/media/upload/(?P<id>\d+)/finalize")
    def finish(self, request: Seen) -> Reply:
        row = self.uploads[request.args["id"]]
        row["is_whole"] = row["got"] == row["total_bytes"]
        if not row["is_whole"]:
            return problem(400, "Invalid Request", "Segments do not add up to provided total file size.")
        return json_reply({"data": {"id": request.args["id"], "size": row["got"]}})

    def _stamp(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return problem(401, "Unauthorized", "Unauthorized")


class PublicImages(Fake):
    """A host of images: a small JPEG at every address but those that say otherwise."""

    name = "public_images"
    # SOI, an APP0 segment, EOI: as little as begins and ends like one.
    content = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

    @route("GET", r"/.*")
    def image(self, request: Seen) -> Reply:
        if "missing" in request.path:
            return Reply(404)
        if "page" in request.path:
            return Reply(200, b"<html></html>", {"Content-Type": "text/html"})
        return Reply(200, self.content, {"Content-Type": "image/jpeg"})
