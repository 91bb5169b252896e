"""A connection to a fake, and a client of it, for the tests of connectors."""

from django.test import RequestFactory
from django.urls import resolve

from apps.integrations import sealed_json
from apps.integrations.client import Client
from apps.integrations.models import Connection
from tests.factories import NOW


def connection_to(workspace, service, *, account, secrets, **options):
    made = Connection(
        workspace=workspace,
        service=service,
        account=account,
        label=service,
        state_changed_at=NOW,
        options=options,
    )
    sealed_json.put(made, "credentials_sealed", secrets)
    made.save()
    return made


def client_of(workspace, service, **given):
    return Client(connection_to(workspace, service, **given))


class Hasty(Client):
    """A client that waits for nothing: what drips is cut off while a test can still watch it."""

    def ask(self, name, request, **options):
        return super().ask(name, request, **{**options, "timeout_seconds": 0.3, "deadline_seconds": 1.5})


def at_the_view(path, body, content_type, headers):
    """The answer of the view at an address, without what stands before each: for a thousand requests."""
    request = RequestFactory().post(path, body, content_type=content_type, headers=headers)
    view, args, named = resolve(request.path)
    return view(request, *args, **named)
