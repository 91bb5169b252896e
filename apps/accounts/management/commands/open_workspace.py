"""manage.py open_workspace --slug S --name N --owner E-MAIL: a workspace and who owns it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError
from django.utils import timezone

from apps.accounts import workspaces
from apps.accounts.errors import Invalid
from apps.accounts.models import User


class Command(BaseCommand):
    help = "Open a workspace for a user who can sign in already (manage.py createsuperuser makes the first)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--slug", required=True, help="short name for commands, such as acme")
        parser.add_argument("--name", required=True)
        parser.add_argument("--owner", required=True, metavar="E-MAIL")
        parser.add_argument("--currency", default="GBP")
        parser.add_argument("--time-zone", default="Europe/London")

    def handle(
        self, *args: Any, slug: str, name: str, owner: str, currency: str, time_zone: str, **_: Any
    ) -> None:
        user = User.objects.filter(email=owner.strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {owner}. Make the user with manage.py createsuperuser.")
        try:
            workspaces.create(
                now=timezone.now(), owner=user, slug=slug, name=name, currency=currency, time_zone=time_zone
            )
        except Invalid as refusal:
            faults = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in refusal.errors.items())
            raise CommandError(faults) from refusal
        except IntegrityError as error:
            raise CommandError(f"There is a workspace {slug!r} already. Choose another --slug.") from error
        self.stdout.write(f"Opened {name} ({slug}); {owner} owns it.")
