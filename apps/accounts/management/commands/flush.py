"""Django's flush, as the owner role: the application's may not truncate."""

from typing import Any

from django.core.management.commands import flush


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        options["database"] = "owner"
        options["allow_cascade"] = True  # tables of libraries that no model stands for
        super().handle(**options)
