"""LinkedIn's Posts API: little text, ids in a header, images put to an address that it names."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

TOKEN = "AQX-token"
# A character of theirs that is not escaped makes the text something else.
BARE = re.compile(r"(?<!\\)(?:\\\\)*[|{}@\[\]()<>#*_~]")


def error(status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> Reply:
    told = {"status": status, "serviceErrorCode": 100, "code": code, "message": message}
    return json_reply(told, status=status, headers=headers)


class LinkedInPages(Fake):
    """One organisation. The same words twice within an hour are a duplicate."""

    name = "linkedin_pages"
    hint = "organisation 2414"

    def __init__(self, *, organization: str = "2414", **options: Any) -> None:
        super().__init__(**options)
        self.author = f"urn:li:organization:{organization}"
        self.posts: dict[str, dict[str, Any]] = {}
        self.images: dict[str, bytes] = {}

    @route("GET", r"/oauth/v2/authorization")
    def dialog(self, request: Seen) -> Reply:
        query = request.query
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?code=li-code&state={query['state']}"})

    @route("POST", r"/oauth/v2/accessToken")
    def token_for(self, request: Seen) -> Reply:
        return json_reply({"access_token": TOKEN, "expires_in": 5_184_000, "scope": "w_organization_social"})

    @route("GET", r"/rest/organizations/(?P<id>\d+)")
    def organization(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply(
            {"localizedName": "Studio North", "id": request.args["id"]}
        )

    @route("POST", r"/rest/images")
    def begin(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        if request.query.get("action") != "initializeUpload":
            return error(400, "ILLEGAL_ARGUMENT", "Unknown action")
        key = self.next_id()
        told = {"uploadUrl": f"https://www.linkedin.com/dms-uploads/{key}", "image": f"urn:li:image:C{key}"}
        return json_reply({"value": {**told, "uploadUrlExpiresAt": int(self.now() * 1_000) + 86_400_000}})

    @route("PUT", r"/dms-uploads/(?P<key>\d+)")
    def upload(self, request: Seen) -> Reply:
        self.images[f"urn:li:image:C{request.args['key']}"] = request.body
        return Reply(201)

    @route("POST", r"/rest/posts")
    def publish(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        told = request.json
        if told.get("author") != self.author:
            return error(403, "ACCESS_DENIED", "Not enough permissions to access: posts.CREATE")
        if BARE.search(told["commentary"]):
            return error(422, "INVALID_COMMENTARY", "Reserved characters must be escaped")
        urns = [told["content"]["media"]["id"]] if "media" in told.get("content", {}) else []
        urns += [one["id"] for one in told.get("content", {}).get("multiImage", {}).get("images", [])]
        if any(one not in self.images for one in urns):
            return error(400, "MEDIA_ASSET_PROCESSING_FAILED", "Image is not there")
        recent = (one for one in self.posts.values() if one["at"] > self.now() - 3_600)
        known = next((one for one in recent if one["commentary"] == told["commentary"]), None)
        if known is not None:
            return error(422, "DUPLICATE_POST", f"Content is a duplicate of {known['id']}")
        key = f"urn:li:share:7{self.next_id():018d}"
        self.posts[key] = {**told, "id": key, "at": self.now()}
        return Reply(201, b"", {"x-restli-id": key, "Location": f"/posts/{key}"})

    @route("GET", r"/rest/posts")
    def listed(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        rows = [
            {
                "id": one["id"],
                "commentary": one["commentary"],
                "createdAt": int(one["at"] * 1_000),
                "author": self.author,
            }
            for one in reversed(self.posts.values())
        ]
        return json_reply({"elements": rows[: int(request.query.get("count", 10))], "paging": {"links": []}})

    @route("GET", r"/rest/posts/(?P<urn>.+)")
    def read_post(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        known = self.posts.get(unquote(request.args["urn"]))
        if known is None:
            return error(404, "RESOURCE_NOT_FOUND", "Not found")
        return json_reply({"id": known["id"], "commentary": known["commentary"], "author": self.author})

    @route("DELETE", r"/rest/posts/(?P<urn>.+)")
    def delete(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        known = self.posts.pop(unquote(request.args["urn"]), None)
        return Reply(204) if known else error(404, "RESOURCE_NOT_FOUND", "Not found")

    @route("GET", r"/rest/organizationalEntityShareStatistics")
    def statistics(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        asked = re.search(r"shares=List\(([^)]*)\)", urlsplit(request.target).query)
        told = {"impressionCount": 700, "likeCount": 31, "commentCount": 2, "shareCount": 1, "clickCount": 44}
        urn = unquote(asked[1]) if asked else ""
        rows = [{"share": urn, "totalShareStatistics": told}] if urn in self.posts else []
        return json_reply({"elements": rows})

    @route("GET", r"/rest/networkSizes/(?P<urn>.+)")
    def followers(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply({"firstDegreeSize": 812})

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "INVALID_ACCESS_TOKEN", "Invalid access token")
        if "linkedin-version" not in request.headers:
            return error(400, "VERSION_MISSING", "A version must be present.")
        return None
