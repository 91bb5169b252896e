"""Where the parcels of the soak go: it fails one request in ten, in every way that there is."""

import random
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.fakes.server import (
    Answer,
    Fake,
    Fault,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Seen,
    Truncated,
    json_reply,
    route,
)

FAULTS: tuple[Fault, ...] = (
    Answer(Reply(503)),
    Answer(Reply(500), is_applied=True),
    Answer(Reply(500)),
    Answer(json_reply({}, status=429, headers={"Retry-After": "1"})),
    ResetBefore(),
    ResetAfter(),
    Truncated(),
    NotJson(502),
)


class World(Fake):
    """effects: by parcel, how often it was taken to heart. drops: whether a known one is left alone."""

    name = "world"

    def __init__(self, *, drops: bool, share: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.drops, self.share = drops, share
        self.effects: Counter[str] = Counter()
        self.requests = self.faults = 0
        self._rng = random.Random(20261130)

    @route("POST", r"/parcels/(?P<key>.+)")
    def take(self, request: Seen) -> Reply:
        key = request.args["key"]
        if not (self.drops and self.effects[key]):
            self.effects[key] += 1
        return json_reply({"id": key}, status=201)

    @route("GET", r"/parcels/(?P<key>.+)")
    def find(self, request: Seen) -> Reply:
        return json_reply({}, status=200 if self.effects[request.args["key"]] else 404)

    def answer(self, request: Seen, connection: Any) -> None:
        self.requests += 1
        if self._rng.random() < self.share:
            self.faults += 1
            self.misbehave(self._rng.choice(FAULTS))
        with suppress(OSError):  # the worker that asked was killed
            super().answer(request, connection)
        self.seen.clear()
