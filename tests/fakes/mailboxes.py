"""The people to whom the fake of Resend delivers: some follow a link after a while, and some of those buy.

Others buy without having been written to, so that there is something to compare with. Nobody lives before
`teach` has named them: {"site", "api_key", "people": {address: user id}}.

What arrived can be read: `/` lists it (?to= a part of the address), `/letters/<id>` shows one, and with
`/text` its plain part.
"""

import heapq
import json
import random
import re
import threading
import time
from contextlib import suppress
from html import escape
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import uuid4

from tests.fakes.resend import Resend
from tests.fakes.server import SANDBOX, Fake, Reply, Seen, json_reply, route, text_reply
from tests.fakes.telling import fate_of

LINK = re.compile(r'href="([^"]*/c/[^"]+)"')
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
SHOWN = 200
# Of a hundred: who follow a link, by the subject; who of these buy; who buy in an hour in any case.
CLICKS, CLICKS_OF_DATES, BUYS, ANYWAY_AN_HOUR = 0.15, 0.34, 0.35, 0.5
SOONEST, LATEST = 6.0, 60.0


def _page(html: str) -> Reply:
    return Reply(200, html.encode(), {"Content-Type": "text/html; charset=utf-8"} | SANDBOX)


class _Stay(HTTPRedirectHandler):
    """Where a link leads is somebody else's shop, which is not there."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Mailboxes(Fake):
    name = "mailboxes"
    hint = "plays the recipients of the demo's campaigns; what arrived is to be read at <fakes>/mailboxes/"

    def __init__(self, *, seed: int = 1, pace: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.post: Resend | None = None
        self.clicked: list[str] = []
        self.bought: list[str] = []
        self._random, self._pace = random.Random(seed), pace
        self._site, self._key = "", ""
        self._people: dict[str, str] = {}
        self._read: set[str] = set()
        self._plans: list[tuple[float, int, Any]] = []
        self._over = threading.Event()

    @route("POST", r"/teach")
    def teach(self, request: Seen) -> Reply:
        if request.headers.get("content-type") != "application/json":  # any page may send that
            return json_reply({"error": "Teach by application/json."}, status=415)
        lesson = request.json
        self._people |= lesson["people"]
        is_new, self._site, self._key = not self._site, lesson["site"], lesson["api_key"]
        if is_new:
            threading.Thread(target=self._live, daemon=True).start()
        return json_reply({"people": len(self._people)})

    @route("GET", r"/")
    def arrived(self, request: Seen) -> Reply:
        wanted = request.query.get("to", "").lower()
        lines = [
            f'<li><a href="letters/{key}">{escape(letter["subject"])}</a> to {escape(to)}'
            f' (<a href="letters/{key}/text">text</a>)'
            for key, letter, to in self._letters()
            if wanted in to.lower()
        ]
        shown = "".join(lines[: -SHOWN - 1 : -1]) or "<li>Nothing has arrived."
        return _page(f"<title>Letters</title><h1>{len(lines):,} letters</h1><ol reversed>{shown}</ol>")

    @route("GET", r"/letters/(?P<id>[^/]+)")
    def letter(self, request: Seen) -> Reply:
        found = self._posted().get(request.args["id"])
        return _page(found.get("html") or "") if found else text_reply("No such letter.", status=404)

    @route("GET", r"/letters/(?P<id>[^/]+)/text")
    def letter_text(self, request: Seen) -> Reply:
        found = self._posted().get(request.args["id"])
        return text_reply(found.get("text") or "") if found else text_reply("No such letter.", status=404)

    @route("GET", r"/lives")
    def lives(self, request: Seen) -> Reply:
        return json_reply({"clicked": len(self.clicked), "bought": len(self.bought)})

    def _live(self) -> None:
        last = time.monotonic()
        while not self._over.wait(0.5):
            now = time.monotonic()
            self._open_post(now)
            self._go_shopping(now - last)
            last = now
            while self._plans and self._plans[0][0] <= now:
                _, _, deed = heapq.heappop(self._plans)
                with suppress(URLError, OSError):
                    deed()

    def _posted(self) -> dict[str, Any]:
        return self.post.sent if self.post is not None else {}

    def _letters(self) -> list[tuple[str, Any, str]]:
        """Each with its key and to whom it went, oldest first."""
        return [
            (key, one, one["to"][0] if isinstance(one["to"], list) else one["to"])
            for key, one in list(self._posted().items())
        ]

    def _open_post(self, now: float) -> None:
        for key, letter, to in self._letters():
            if key in self._read:
                continue
            self._read.add(key)
            user, links = self._people.get(to), LINK.findall(letter.get("html") or "")
            chance = CLICKS_OF_DATES if "dates left" in letter["subject"] else CLICKS
            has_it = fate_of(to) != "bounced"
            if has_it and user and links and self._random.random() < chance:
                wait = self._random.uniform(SOONEST, LATEST) / self._pace
                self._plan(now + wait, lambda user=user, link=links[0]: self._follow(user, link))

    def _plan(self, at: float, deed: Any) -> None:
        heapq.heappush(self._plans, (at, self.next_id(), deed))

    def _follow(self, user: str, link: str) -> None:
        with suppress(URLError):  # a redirect that is not followed counts as an error there
            asked = Request(link, headers={"User-Agent": BROWSER})  # noqa: S310 - of a message of ours
            build_opener(_Stay).open(asked, timeout=10)
        self.clicked.append(user)
        if self._random.random() < BUYS:
            wait = self._random.uniform(5, 30) / self._pace
            self._plan(time.monotonic() + wait, lambda: self._buy(user))

    def _go_shopping(self, seconds: float) -> None:
        expected = len(self._people) * ANYWAY_AN_HOUR * seconds / 3600 * self._pace
        many = int(expected) + (self._random.random() < expected % 1)
        for user in self._random.sample(sorted(self._people.values()), min(many, len(self._people))):
            with suppress(URLError, OSError):
                self._buy(user)

    def _buy(self, user: str) -> None:
        order = uuid4().hex
        body = {
            "event_id": order,
            "order_id": order,
            "user_id": user,
            "conversion_type": "subscription",
            "revenue": f"{self._random.gammavariate(4, 60):.2f}",
        }
        request = Request(  # noqa: S310 - where we were taught
            f"{self._site}/api/v1/attribution/track/conversion",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        build_opener().open(request, timeout=10)
        self.bought.append(user)
