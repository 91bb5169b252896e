"""What mail services tell of a message afterwards: in their own time, signed, and again until it is taken.

What becomes of a message is decided by its address, so that a trial comes out the same each time. Whose local
part begins with bounced, complained or delivered has it so, as Resend's own addresses for tests do; of all
others few bounce, and hardly anybody complains: more would have the sender paused.
"""

import heapq
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener
from zlib import crc32

FATES = ("bounced", "complained", "delivered")
# Of a thousand and of ten thousand.
BOUNCES, COMPLAINTS = 6, 3
# After a message was taken; a complaint comes later than its delivery.
SOONEST_SECONDS, COMPLAINT_SECONDS = 0.5, 8.0
AGAIN_AFTER_SECONDS = (2.0, 5.0, 15.0, 60.0)
NEVER_AGAIN = 406
Signed = tuple[bytes, dict[str, str]]


def fate_of(address: str) -> str:
    local = address.partition("@")[0].lower()
    if named := next((one for one in FATES if local.startswith(one)), ""):
        return named
    number = crc32(address.lower().encode()) % 10_000
    if number < COMPLAINTS:
        return "complained"
    return "bounced" if number < COMPLAINTS + 10 * BOUNCES else "delivered"


class Teller:
    """Posts to one address what it is given, each at its time. sign: makes body and headers, then."""

    def __init__(self, *, pace: float = 1.0) -> None:
        self.url = ""
        self.told: list[int] = []
        self._pace = pace
        self._waiting: list[tuple[float, int, int, Callable[[], Signed]]] = []
        self._many = 0
        self._news = threading.Condition()

    def reaches(self, url: str) -> None:
        with self._news:
            is_first, self.url = not self.url, url
            if is_first:
                threading.Thread(target=self._tell_all, daemon=True).start()

    def tell(self, sign: Callable[[], Signed], *, seconds: float = SOONEST_SECONDS) -> None:
        """Nothing where nobody asked to be told."""
        if self.url:
            self._plan(time.monotonic() + seconds / self._pace, 0, sign)

    def _plan(self, at: float, tries: int, sign: Callable[[], Signed]) -> None:
        with self._news:
            self._many += 1
            heapq.heappush(self._waiting, (at, self._many, tries, sign))
            self._news.notify()

    def _tell_all(self) -> None:
        while True:
            tries, sign = self._next()
            signed = sign()
            status = self._post(*signed)
            self.told.append(status)
            if not (200 <= status < 300 or status == NEVER_AGAIN) and tries < len(AGAIN_AFTER_SECONDS):
                self._plan(time.monotonic() + AGAIN_AFTER_SECONDS[tries], tries + 1, lambda one=signed: one)

    def _next(self) -> tuple[int, Callable[[], Signed]]:
        with self._news:
            while not self._waiting or self._waiting[0][0] > time.monotonic():
                seconds = self._waiting[0][0] - time.monotonic() if self._waiting else None
                self._news.wait(seconds)
            _, _, tries, sign = heapq.heappop(self._waiting)
            return tries, sign

    def _post(self, body: bytes, headers: dict[str, Any]) -> int:
        """0: nobody answered."""
        asked = Request(  # noqa: S310 - where whoever connected the service is to be told
            self.url, data=body, headers={"Content-Type": "application/json", **headers}, method="POST"
        )
        try:
            with build_opener().open(asked, timeout=10) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            return 0
