"""Somebody is told when a customer system is not read any more, fails, or disagrees with us too often."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.integrations import metrics
from apps.integrations.models import Connection, Incident, SyncConflict, SyncExternal, SyncStream
from apps.integrations.monitoring import health
from apps.integrations.sync import streams
from tests.integrations.sync.conftest import pulled
from tests.integrations.sync.model_system import refused


@pytest.fixture
def clock(workspace):
    metrics.forget()
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def pass_(clock):
    """Let minutes pass, with a look in each."""

    def run(minutes, each=lambda: None):
        for _ in range(minutes):
            clock.shift(60)
            each()
            health.look()

    return run


def incident(key):
    found = Incident.objects.filter(dedup_key=f"rule:{key}").order_by("-pk").first()
    return found.state if found else None


def test_a_system_that_nobody_reads_any_more(crm, clock, pass_):
    pulled(crm)
    pass_(3)
    assert incident("sync_late") is None

    clock.shift(timedelta(hours=2))
    pass_(12)
    assert incident("sync_late") == "open"

    pulled(crm)
    pass_(1)
    assert incident("sync_late") == "resolved"


@pytest.mark.parametrize("why", ["paused", "stopped", "out"])
def test_what_a_person_stopped_is_not_late(crm, clock, pass_, why):
    pulled(crm)
    if why == "stopped":
        Connection.objects.update(state=Connection.State.DISCONNECTED)
    else:
        SyncStream.objects.update(**({"is_paused": True} if why == "paused" else {"direction": "out"}))

    clock.shift(timedelta(hours=2))
    pass_(12)

    assert incident("sync_late") is None


def test_a_system_that_fails_whenever_it_is_read(crm, pass_):
    def fail(what):
        raise refused()

    crm.system.add(first_name="Ada")
    pulled(crm)
    crm.system.before = fail

    pass_(20, each=lambda: pulled(crm))
    assert incident("sync_failing") is None
    pass_(15, each=lambda: pulled(crm))
    assert incident("sync_failing") == "open"

    crm.system.before = lambda what: None
    pulled(crm)
    pass_(1)
    assert incident("sync_failing") == "resolved"


def test_what_waits_to_be_decided_piles_up(crm, clock, pass_):
    for number in range(26):
        crm.system.add(first_name=f"Bride {number}")
    pulled(crm)
    stream = streams.of(crm, "contact")
    for external in SyncExternal.objects.all():
        SyncConflict.objects.create(
            workspace=crm.workspace,
            sync_stream=stream,
            external=external,
            record=external.record,
            kind="field",
            field="email",
            opened_at=timezone.now(),
        )
    pass_(20)
    assert incident("sync_conflicts") == "open"

    SyncConflict.objects.update(state="settled")
    pass_(1)
    assert incident("sync_conflicts") == "resolved"
