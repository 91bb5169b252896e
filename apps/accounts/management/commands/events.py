"""manage.py events stats|dead|replay: what waits in the outbox, what was given up, and trying that again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Min, Q

from apps.accounts import events, members, scoping
from apps.accounts.models import Delivery, OutboxEvent, Workspace


class Command(BaseCommand):
    help = "Look at the event outbox, or deliver dead letters again."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        for name, what in (
            ("stats", "events that wait and deliveries by state, per workspace"),
            ("dead", "deliveries that were given up, with their last error"),
            ("replay", "deliver again to the subscribers that gave up"),
        ):
            deed = deeds.add_parser(name, help=what)
            deed.add_argument("--workspace", metavar="SLUG", help="only this one")
            deed.add_argument("--name", help="only events of this name")
            if name == "replay":
                deed.add_argument("--event", type=int, metavar="ID", help="only this event")
                deed.add_argument("--subscriber", help="this one, even if it has its receipt; needs --event")

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("subscriber") and not options.get("event"):
            raise CommandError("--subscriber needs --event: it runs again even where it succeeded.")
        chosen = [one for one in members.workspaces_for_staff() if options["workspace"] in (None, one.slug)]
        if not chosen:
            raise CommandError(f"There is no workspace {options['workspace']!r}.")
        deed = {"stats": self._stats, "dead": self._dead, "replay": self._replay}[options["deed"]]
        for workspace in chosen:
            with scoping.workspace(workspace):
                deed(workspace, options)

    def _stats(self, workspace: Workspace, options: dict[str, Any]) -> None:
        waiting = _of_name(OutboxEvent.objects.filter(due_at__isnull=False), "name", options)
        found = waiting.aggregate(count=Count("pk"), oldest=Min("created_at"))
        states = _of_name(Delivery.objects.all(), "event__name", options).aggregate(
            **{state: Count("pk", filter=Q(state=state)) for state in Delivery.State.values}
        )
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        since = f" (oldest {found['oldest']:%Y-%m-%d %H:%M:%S})" if found["oldest"] else ""
        self.stdout.write(f"{workspace.slug}: {found['count']} waiting{since}; deliveries: {counts}")

    def _dead(self, workspace: Workspace, options: dict[str, Any]) -> None:
        dead = _of_name(Delivery.objects.filter(state=Delivery.State.DEAD), "event__name", options)
        for one in dead.select_related("event").order_by("pk"):
            self.stdout.write(
                f"{workspace.slug} event {one.event_id} {one.event.name} → {one.subscriber}, "
                f"{one.attempts} attempts, {one.updated_at:%Y-%m-%d %H:%M}: {one.error}"
            )

    def _replay(self, workspace: Workspace, options: dict[str, Any]) -> None:
        dead = Delivery.objects.filter(state=Delivery.State.DEAD).values("event_id")
        chosen = Q(pk=options["event"]) if options["event"] else Q(pk__in=dead)
        found = _of_name(OutboxEvent.objects.filter(chosen), "name", options).order_by("pk")
        for event in found:
            events.replay(event, subscriber=options["subscriber"])
        self.stdout.write(f"{workspace.slug}: {len(found)} events are being delivered again")


def _of_name(rows: Any, field: str, options: dict[str, Any]) -> Any:
    return rows.filter(**{field: options["name"]}) if options["name"] else rows
