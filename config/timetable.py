"""The timetable as rows, which staff edit. Apart from celery.py, because it needs Django's models."""

import json
from hashlib import sha256
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

MARK = "Of the timetable in the code"
Entries = dict[str, dict[str, Any]]


class Timetable(DatabaseScheduler):  # type: ignore[misc]  # the library has no types
    """The database schedule. An entry of beat_schedule is written when it is new or has changed in the code
    since; until then edits made in the admin stay, and whether it is switched on always does. A row of an
    entry that is no longer in the code goes.
    """

    def setup_schedule(self) -> None:
        super().setup_schedule()
        ours = self.Model.objects.filter(description__contains=MARK)
        ours.exclude(name__in=self.app.conf.beat_schedule).delete()

    def update_from_dict(self, mapping: Entries) -> None:
        marked = {name: {**entry, "description": _mark_of(entry)} for name, entry in mapping.items()}
        known = dict(self.Model.objects.filter(name__in=mapping).values_list("name", "description"))
        changed = {
            name: entry for name, entry in marked.items() if entry["description"] not in known.get(name, "")
        }
        super().update_from_dict(changed)


def _mark_of(entry: dict[str, Any]) -> str:
    """A text that is another one once the entry is. It may stand anywhere in the row's description."""
    whole = json.dumps(entry, sort_keys=True, default=repr)
    return f"{MARK} ({sha256(whole.encode()).hexdigest()[:12]})."
