"""An ad account at a fake of Meta, with campaigns whose curves are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
import time_machine
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.campaigns.models import Kind, Recommendation, Run
from apps.campaigns.optimization import ledger
from apps.integrations import ads_pull, calling, metrics
from apps.integrations.models import AdCampaign, AdDay, Connection
from tests.factories import NOW
from tests.fakes.meta import TOKEN, Meta
from tests.integrations.connected import connection_to


@pytest.fixture(autouse=True)
def _calls_begin_anew() -> None:
    calling.reset()
    metrics._buffer.clear()


@pytest.fixture(autouse=True)
def _a_weekday_at_noon() -> Iterator[None]:
    """Friday 20 November 2026, 12:00 in London."""
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def meta(settings) -> Iterator[Meta]:
    with Meta() as fake:
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, "meta_ads": fake.url}
        yield fake


@dataclass
class Account:
    """connection and campaigns as they were read; `fake` is the platform."""

    fake: Meta
    connection: Connection
    campaigns: list[AdCampaign]

    def budget_of(self, campaign: AdCampaign) -> Decimal:
        """What the platform has."""
        return Decimal(self.fake.campaigns[campaign.external_id]["daily_budget"]) / 100

    def read_again(self) -> None:
        ads_pull.pull(connection_id=self.connection.pk)
        for campaign in self.campaigns:
            campaign.refresh_from_db()


@pytest.fixture
def account(workspace: Workspace, meta: Meta) -> Account:
    """Three campaigns of 40.00 a day."""
    for name in ("Spring brides", "Venues near you", "Albums"):
        meta.add(name, daily_budget="4000")
    connection = connection_to(workspace, "meta_ads", account="1234", secrets={"access_token": TOKEN})
    ads_pull.pull(connection_id=connection.pk)
    ledger.ensure_caps(now=NOW)
    return Account(meta, connection, list(AdCampaign.objects.order_by("pk")))


def with_history(account: Account, *, days: int = 90, seed: int = 1) -> None:
    """Days of figures in which Spring brides earns much, and the others little; budgets moved by chance."""
    rng = np.random.default_rng(seed)
    worth = {"Spring brides": 30.0, "Venues near you": 9.0, "Albums": 8.0}
    today = timezone.now().date()
    rows = []
    for campaign in account.campaigns:
        spend = 40 * np.exp(rng.normal(0, 0.25, days))
        revenue = worth[campaign.name] * spend**0.6 * rng.gamma(40, 1 / 40, days)
        rows += [
            AdDay(
                workspace_id=campaign.workspace_id,
                campaign=campaign,
                on=today - timedelta(days=days - place),
                currency="GBP",
                spend=Decimal(f"{spend[place]:.2f}"),
                impressions=2_000,
                clicks=50,
                conversions=Decimal(2),
                conversion_value=Decimal(f"{revenue[place]:.2f}"),
                read_at=NOW,
            )
            for place in range(days)
        ]
    AdDay.objects.bulk_create(rows)


def recommend(campaign: AdCampaign, after: str, *, confidence: float = 0.95, **more) -> Recommendation:
    """A proposal to change a budget."""
    run = Run.objects.create(
        workspace_id=campaign.workspace_id, cadence=Run.Cadence.DAILY, currency="GBP", finished_at=NOW
    )
    before = f"{campaign.budget.normalize():f}"
    return Recommendation.objects.create(
        workspace_id=campaign.workspace_id,
        **{
            "run": run,
            "kind": Kind.BUDGET,
            "campaign": campaign,
            "title": f"Change the budget of {campaign.name}",
            "before": before,
            "after": after,
            "currency": "GBP",
            "amount": Decimal(after) - Decimal(before) if "kind" not in more else Decimal(0),
            "gain": 5.0,
            "confidence": confidence,
            "reasons": ["It pays."],
            "expires_at": NOW + timedelta(days=7),
            "changed_at": NOW,
        }
        | more,
    )


def person(workspace: Workspace, number: int = 1) -> Actor:
    """Somebody who may approve; each number is somebody else."""
    return Actor(kind="user", id=number, label=f"person-{number}", workspace_id=workspace.pk, role="owner")
