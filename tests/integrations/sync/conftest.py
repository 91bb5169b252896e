from uuid import uuid4

import pytest

from apps.integrations import outbox
from apps.integrations.models import Call, Connection
from apps.integrations.resilience.lanes import Lane
from apps.integrations.sync import pull
from tests.factories import NOW
from tests.integrations.sync.model_system import ACCOUNTS, ModelSystem


def connected(workspace, service="model", **options):
    account = uuid4().hex
    ACCOUNTS[account] = ModelSystem(**options)
    made = Connection.objects.create(
        workspace=workspace, service=service, account=account, label=service, state_changed_at=NOW
    )
    made.system = ACCOUNTS[account]
    return made


@pytest.fixture
def crm(workspace):
    """A connection to a system of its own; `crm.system` is the other side."""
    return connected(workspace)


def pulled(connection, **options):
    return pull.pull(connection_id=connection.pk, **options)


def sent():
    """Send what waits in the outbox, now."""
    Call.objects.filter(state="waiting").update(due_at=NOW)
    return outbox.relay(lane=int(Lane.TRANSACTIONAL))
