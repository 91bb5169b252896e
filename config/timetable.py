"""The timetable as rows, which staff edit. Apart from celery.py, because it needs Django's models."""

import json
import re
from hashlib import sha256
from typing import Any

from celery.schedules import maybe_schedule
from django_celery_beat.schedulers import DatabaseScheduler

MARK = "Of the timetable in the code"
Entries = dict[str, dict[str, Any]]


class Timetable(DatabaseScheduler):  # type: ignore[misc]  # the library has no types
    """The database schedule. An entry of beat_schedule is written when it is new or has changed in the code
    since. How often a person has it run stays theirs, and whether it is switched on. A row of an entry that
    is no longer in the code goes.
    """

    def setup_schedule(self) -> None:
        super().setup_schedule()
        ours = self.Model.objects.filter(description__contains=MARK)
        ours.exclude(name__in=self.app.conf.beat_schedule).delete()

    def update_from_dict(self, mapping: Entries) -> None:
        rows = self.Model.objects.filter(name__in=mapping)
        known = {row.name: row for row in rows.select_related("interval", "crontab", "solar", "clocked")}
        changed = {
            name: self._written(entry, known.get(name))
            for name, entry in mapping.items()
            if name not in known or _mark_of(entry) not in known[name].description
        }
        super().update_from_dict(changed)

    def _written(self, entry: dict[str, Any], row: Any) -> dict[str, Any]:
        """The entry for the row: with the time that a person chose, where one did."""
        time, _ = self.Entry.to_model_schedule(maybe_schedule(entry["schedule"]))
        time.refresh_from_db()  # 15.0 becomes 15
        schedule = row.schedule if row is not None and _is_persons_own(row) else entry["schedule"]
        return {**entry, "schedule": schedule, "description": f"{_mark_of(entry)}: {time}."}


def _mark_of(entry: dict[str, Any]) -> str:
    """A text that is another one once the entry is. It may stand anywhere in the row's description."""
    whole = json.dumps(entry, sort_keys=True, default=repr)
    return f"{MARK} ({sha256(whole.encode()).hexdigest()[:12]})"


def _is_persons_own(row: Any) -> bool:
    """Whether the row runs at another time than the code said when it was written."""
    said = re.search(rf"{MARK} \(\w+\): (.+?)\.(\s|$)", row.description)
    return said is not None and said[1] != str(row.scheduler)
