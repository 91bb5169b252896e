"""Four kinds of recommendation from what two platforms tell: over real HTTP, to the accounts of the fakes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from apps.accounts import events, jobs
from apps.accounts.models import Job, OutboxEvent
from apps.campaigns import demo
from apps.campaigns.models import Change, Kind, Outcome, Recommendation, SpendCap
from apps.campaigns.optimization import carrying_out, ledger, policies, runs
from apps.campaigns.optimization.policies import AutoTerms
from apps.integrations import outbox
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.events import AdChangeSettled
from apps.integrations.resilience.lanes import Lane
from tests.campaigns.conftest import person
from tests.factories import NOW
from tests.fakes.google_ads import GoogleAds
from tests.fakes.meta import Meta
from tests.fakes.server import ResetAfter


@pytest.fixture
def fakes(settings):
    with Meta() as meta, GoogleAds() as google:
        for fake in (meta, google):
            fake.furnish()
        settings.FAKES_URL = "http://fakes.invalid"
        urls = {"meta_ads": meta.url, "google_ads": google.url}
        settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, **urls}
        yield {"meta_ads": meta, "google_ads": google}


@pytest.fixture
def accounts(fakes, actor):
    """Both accounts, signed in to and read."""
    made = demo.connect(actor, now=NOW)
    return {one.service: one for one in made}


def titles(kind: str) -> str:
    return " / ".join(
        Recommendation.objects.filter(kind=kind, state="proposed").values_list("title", flat=True)
    )


def test_the_schedule_proposes_all_four_kinds_and_measures_what_is_past(accounts, actor):
    past = demo.recall(actor, now=NOW)

    runs.tick()
    for job in Job.objects.filter(kind=runs.JOB, state=Job.State.QUEUED):
        jobs.run(job_id=job.pk)

    assert set(accounts) == {"meta_ads", "google_ads"}
    assert "Spring brides" in titles(Kind.BUDGET)
    assert "Barn venues" in titles(Kind.BUDGET)
    assert "Prices and packages" in titles(Kind.BID)
    assert "Seen us before" in titles(Kind.BID)
    assert "Leave Mobile (device) out of Last-minute dates" in titles(Kind.TARGETING)
    assert "Winter weddings" in titles(Kind.CREATIVE)
    assert Outcome.objects.get().recommendation == past
    for one in Recommendation.objects.filter(state="proposed"):
        assert one.reasons
        assert one.doubts
        assert 0.5 < one.confidence <= 1
        assert one.expires_at > datetime.now(UTC)


def send() -> None:
    outbox.relay(lane=int(Lane.MARKETING))
    for row in OutboxEvent.objects.filter(name=AdChangeSettled.name, due_at__isnull=False):
        events.deliver(event_id=row.pk)


def test_a_scheduled_run_is_carried_out_within_limits_though_a_platform_dies_half_way(
    accounts, fakes, workspace
):
    """Google takes a change, and its answer is lost. Nothing is made twice, and no cap is broken."""
    google = fakes["google_ads"]
    terms = AutoTerms(is_on=True, least_confidence=0.9, most_amount=Decimal(30))
    policies.set_auto(person(workspace), "budget", terms, now=NOW)
    runs.make("daily", now=NOW)
    ledger.set_cap(person(workspace), SpendCap.Measure.DAILY_INCREASE, Decimal(40), now=NOW)
    google.misbehave(ResetAfter(), method="POST", path="mutate")

    carrying_out.approve_what_policy_allows(now=NOW)
    carrying_out.carry_out(now=NOW)
    send()

    ordered = list(Change.objects.select_related("campaign__connection"))
    assert {one.campaign.connection.service for one in ordered} == {"google_ads", "meta_ads"}
    assert [one.state for one in ordered].count(Change.State.SENT) == 1
    with time_machine.travel(NOW + timedelta(minutes=20), tick=True):
        send()

    assert set(Change.objects.values_list("state", flat=True)) == {Change.State.DONE}
    assert sum(one.increase for one in ordered) <= 40
    for change in ordered:
        client = Client(change.campaign.connection)
        found = platforms.of(client).read(change.campaign.external_id)
        assert found.budget.amount == Decimal(change.after)
    mutations = [one for one in google.seen if one.method == "POST" and "mutate" in one.path]
    of_google = [one for one in ordered if one.campaign.connection.service == "google_ads"]
    assert len(mutations) == len(of_google)
    waiting = Recommendation.objects.filter(state="approved", amount__gt=0)
    assert waiting.exists()
    assert all("may rise by 40" in one.state_reason for one in waiting)
