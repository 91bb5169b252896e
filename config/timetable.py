"""The timetable as rows, which staff edit. Apart from celery.py, because it needs Django's models."""

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler


class Timetable(DatabaseScheduler):  # type: ignore[misc]  # the library has no types
    """The database schedule: entries of beat_schedule are created once, edits made in the admin stay."""

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        known = set(self.Model.objects.filter(name__in=mapping).values_list("name", flat=True))
        super().update_from_dict({name: entry for name, entry in mapping.items() if name not in known})
