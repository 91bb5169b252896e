"""What is asked every minute or hour of tables that only grow has an index."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.integrations.models import Call, InboundRecord


@pytest.fixture
def plan(workspace):
    def plan(rows):
        with connection.cursor() as cursor:  # a table of a test is so small that it is read whole
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        return rows.explain()

    return plan


def test_calls_that_were_given_up_of_late(plan):
    since = timezone.now() - timedelta(days=1)

    assert "calls_given_up" in plan(Call.objects.filter(state=Call.State.DEAD, settled_at__gte=since))


def test_deliveries_whose_content_is_to_be_forgotten(plan):
    old = InboundRecord.objects.filter(received_at__lt=timezone.now(), content_sealed__isnull=False)

    assert "inbound_records_to_forget" in plan(old.exclude(state=InboundRecord.State.WAITING))
