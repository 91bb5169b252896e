"""Campaigns made by way of the outbox: one each on every platform, whatever becomes of the answer."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from apps.integrations import outbox
from apps.integrations.connectors.ads import writes
from apps.integrations.connectors.ads.platform import (
    BudgetKind,
    Change,
    Level,
    NewCampaign,
    Status,
    Target,
)
from apps.integrations.models import Call
from apps.integrations.money import Money
from apps.integrations.resilience.lanes import Lane
from tests.fakes import google_ads, linkedin, meta, tiktok, x
from tests.fakes.server import ResetAfter, ResetBefore
from tests.integrations.connected import connection_to

PLATFORMS = {
    "google_ads": (google_ads.GoogleAds, {"access_token": google_ads.TOKEN}, {}, "mutate"),
    "linkedin_ads": (linkedin.LinkedInAds, {"access_token": linkedin.TOKEN}, {"campaign_group": "2"}, "Camp"),
    "meta_ads": (meta.Meta, {"access_token": meta.TOKEN}, {}, "campaigns"),
    "tiktok_ads": (tiktok.TikTokAds, {"access_token": tiktok.TOKEN}, {}, "create"),
    "x_ads": (x.XAds, x.SECRETS, {}, "campaigns"),
}
WANTED = NewCampaign(
    name="Spring",
    objective="LEADS",
    budget=Money(Decimal("25.50"), "GBP"),
    budget_kind=BudgetKind.DAILY,
    tag="0192",
)


@pytest.fixture(params=PLATFORMS)
def there(request, settings):
    with PLATFORMS[request.param][0]() as fake:
        settings.INTEGRATION_URLS = {request.param: fake.url}
        yield fake


@pytest.fixture
def connected(workspace, there):
    _, secrets, options, _ = PLATFORMS[there.name]
    return connection_to(workspace, there.name, account="1234", secrets=secrets, **options)


def enqueue(connection, operation, payload, key):
    return outbox.enqueue(
        connection, operation, payload, dedup_key=key, now=timezone.now(), lane=Lane.TRANSACTIONAL
    )


@pytest.mark.parametrize("fault", [None, ResetAfter(), ResetBefore()])
def test_one_campaign_is_made_whatever_becomes_of_the_answer(connected, there, fault):
    if fault:
        there.misbehave(fault, path=PLATFORMS[there.name][3])
    call = enqueue(connected, writes.CREATE, writes.payload_of_new(WANTED), "spring")

    for hours in range(3):
        with time_machine.travel(timezone.now() + timedelta(hours=hours)):
            outbox.relay(lane=int(Lane.TRANSACTIONAL))

    call = Call.objects.get(pk=call.pk)
    assert call.state == Call.State.DONE
    assert list(there.campaigns) == [call.reference]


def test_a_change_goes_out_by_the_outbox(connected, there):
    key = there.add("Spring")
    change = Change(status=Status.PAUSED, budget=Money(Decimal(30), "GBP"), budget_kind=BudgetKind.DAILY)
    call = enqueue(
        connected, writes.CHANGE, writes.payload_of_change(Target(Level.CAMPAIGN, key), change), "pause"
    )

    outbox.relay(lane=int(Lane.TRANSACTIONAL))

    assert Call.objects.get(pk=call.pk).state == Call.State.DONE
    row = there.campaigns[key]
    assert {row.get(name) for name in ("status", "operation_status", "entity_status")} & {"PAUSED", "DISABLE"}
