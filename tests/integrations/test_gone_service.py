"""A connection whose service this version does not know stops nothing, says so, and can be disconnected."""

import pytest
from django.urls import reverse

from apps.integrations.models import Connection, Incident
from apps.integrations.monitoring import health, status
from tests.factories import NOW


@pytest.fixture
def gone(workspace, connection):
    return Connection.objects.create(
        workspace=workspace, service="old_crm", account="a", label="Old CRM", state_changed_at=NOW
    )


def test_the_pages_show_it_among_the_others(page, gone, connection):
    listed = page.get(reverse("integrations:connections")).content.decode()
    told = page.get(reverse("integrations:status")).content.decode()
    alone = page.get(reverse("integrations:connection", args=[gone.public_id])).content.decode()

    for text in (listed, told, alone):
        assert "This version of Bellwether has no door to it. Disconnect it." in text
    assert connection.label in listed


def test_the_api_lists_it(api, gone):
    assert {one["service"] for one in api.get("/api/v1/integrations/connections").json()} == {
        "post",
        "old_crm",
    }
    assert api.get("/api/v1/integrations/status").status_code == 200
    assert api.post(f"/api/v1/integrations/connections/{gone.public_id}/test").status_code == 409


def test_rules_are_still_looked_at(gone):
    health.look()

    assert not Incident.objects.exists()
    assert {one.service.key for one in status.statuses(now=NOW)} == {"post", "old_crm"}


def test_it_can_be_disconnected(page, gone):
    page.post(reverse("integrations:connection-disconnect", args=[gone.public_id]))

    gone.refresh_from_db()
    assert gone.state == Connection.State.DISCONNECTED
