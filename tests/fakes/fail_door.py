"""The door by which somebody tells running fakes to fail: what goes wrong, at which service, how often.

The faults are those that tests use, by a name (`faults` of each fake).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.server import Fake, Fault, Planned, Slow

MOST = 1_000_000
FIELDS = {"service", "fault", "times", "path", "method", "seconds"}


class NotUnderstood(ValueError):
    """What was asked for cannot be done; the words say why."""


@dataclass(frozen=True)
class Asked:
    fake: Fake
    name: str
    fault: Fault
    times: int
    path: str
    method: str

    def plan(self) -> None:
        self.fake.misbehave(self.fault, times=self.times, path=self.path, method=self.method, name=self.name)


def read(document: Any, fakes: Mapping[str, Fake]) -> Asked:
    """service, fault: by name. times: 1 where nothing is said. path: a pattern that the request's path holds.
    seconds: of a slow answer. Raises NotUnderstood.
    """
    if not isinstance(document, dict) or not set(document) <= FIELDS:
        raise NotUnderstood(f"Give an object of {', '.join(sorted(FIELDS))}, as application/json.")
    fake = fakes.get(str(document.get("service")))
    if fake is None:
        raise NotUnderstood(f"service is one of {', '.join(sorted(fakes))}.")
    name, times = str(document.get("fault")), document.get("times", 1)
    if name not in fake.faults:
        raise NotUnderstood(f"fault is, at {fake.name}, one of {', '.join(sorted(fake.faults))}.")
    if not isinstance(times, int) or not 1 <= times <= MOST:
        raise NotUnderstood(f"times is a whole number from 1 to {MOST:,}.")
    return Asked(fake, name, _fault(fake, name, document), times, _pattern(document), _method(document))


def _fault(fake: Fake, name: str, document: Mapping[str, Any]) -> Fault:
    if "seconds" not in document:
        return fake.faults[name]
    seconds = document["seconds"]
    if name != "slow" or not isinstance(seconds, (int, float)) or not 0 < seconds <= 3_600:
        raise NotUnderstood("seconds is a number up to 3,600, of the fault slow.")
    return Slow(float(seconds))


def _pattern(document: Mapping[str, Any]) -> str:
    text = str(document.get("path", ""))
    try:
        re.compile(text)
    except re.error as error:
        raise NotUnderstood(f"path is a pattern; this is none: {error}.") from error
    return text


def _method(document: Mapping[str, Any]) -> str:
    return str(document.get("method", "")).upper()


def told(fakes: Mapping[str, Fake]) -> dict[str, Any]:
    """What is still going to go wrong, and what can."""
    waiting = [_told(name, one) for name, fake in fakes.items() for one in fake.planned()]
    return {"waiting": waiting, "faults": {name: sorted(fake.faults) for name, fake in fakes.items()}}


def _told(service: str, one: Planned) -> dict[str, Any]:
    asked = {"service": service, "fault": one.name, "times": one.left}
    return asked | {"path": one.path.pattern, "method": one.method}


def forget(fakes: Mapping[str, Fake], service: str) -> None:
    """At one service, or at all where none is named. Raises NotUnderstood."""
    if service and service not in fakes:
        raise NotUnderstood(f"service is one of {', '.join(sorted(fakes))}.")
    for name, fake in fakes.items():
        if service in {"", name}:
            fake.behave()
