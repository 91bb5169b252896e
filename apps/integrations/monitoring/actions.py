"""What an alert may do by itself: deeds that apps register, by name. Each is audited, and a person may undo
it.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.db import transaction

from apps.accounts import audit
from apps.accounts.permissions import system
from apps.integrations.models import Incident

log = structlog.get_logger(__name__)

Deed = Callable[[Incident], str]
_deeds: dict[str, Deed] = {}


def action(name: str) -> Callable[[Deed], Deed]:
    """Register a deed. It runs in the incident's workspace and says in words what it did."""

    def register(deed: Deed) -> Deed:
        if name in _deeds:
            raise ValueError(f"{name} is registered twice")
        _deeds[name] = deed
        return deed

    return register


def names() -> list[str]:
    return sorted(_deeds)


def run(name: str, incident: Incident, *, now: Any) -> str:
    """Do it. A deed that no app has registered yet says so: its rule starts when it does. One that fails
    changes nothing and says so: people must be told all the same.
    """
    deed = _deeds.get(name)
    if deed is None:
        return f"{name} is not there yet."
    try:
        with transaction.atomic():
            said = deed(incident)
    except Exception as error:
        log.exception("alert.action_failed", action=name)
        said = f"{name} failed ({type(error).__name__}). Do it by hand."
    audit.record(
        system(incident.workspace_id), "alert.acted", incident, now=now, after={"action": name}, reason=said
    )
    return said
