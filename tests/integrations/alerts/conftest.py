"""A connected channel and an incident to tell of."""

import pytest
from django.utils import timezone

from apps.integrations import outbox, sealed_json
from apps.integrations.client import Client
from apps.integrations.connectors.alerts.alert import Alert
from apps.integrations.models import Call, Connection
from apps.integrations.monitoring import incidents
from tests.factories import NOW

ID = "01930000-0000-7000-8000-00000000abcd"


def alert(deed="trigger", **changes):
    return Alert.of(
        {
            "deed": deed,
            "key": f"mg:{ID}",
            "title": "Calls fail",
            "detail": "Mean of calls.success is 0.5, below 0.9.",
            "severity": "critical",
            "tier": 1,
            "opened_at": "2026-11-20T12:00:00+00:00",
            **changes,
        }
    )


@pytest.fixture
def connect(workspace):
    """A connection with these secrets and options."""

    def make(service, secrets=None, *, account="", **options):
        connection = Connection(
            workspace=workspace,
            service=service,
            account=account,
            label=service,
            state_changed_at=NOW,
            options=options,
        )
        sealed_json.put(connection, "credentials_sealed", secrets or {})
        connection.save()
        return connection

    return make


@pytest.fixture
def client_of(connect):
    return lambda *args, **options: Client(connect(*args, **options))


@pytest.fixture
def opened(workspace):
    """Open an incident; channels are told once relayed."""

    def make(severity="critical", now=None):
        return incidents.open_(
            key="rule:x",
            title="Calls fail",
            detail="Half of them.",
            severity=severity,
            now=now or timezone.now(),
        )

    return make


def relayed():
    """Send what is due, and say what became of each call."""
    outbox.relay_critical()
    return [(call.service, call.state) for call in Call.objects.order_by("pk")]
