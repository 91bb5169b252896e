"""Django's migrate, as the owner role, followed by the second wall (apps/accounts/tenancy.py)."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from apps.accounts import tenancy


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> str | None:
        if options["database"] == "default":
            options["database"] = "owner"
        database = connections[options["database"]]
        with database.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        answer = super().handle(*args, **options)
        if not (options.get("plan") or options.get("check_unapplied")):
            tenancy.install(database)
        return answer
