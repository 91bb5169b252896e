"""Four kinds of recommendation from what two platforms tell: over real HTTP, to the accounts of the fakes."""

from datetime import UTC, datetime

import pytest

from apps.accounts import jobs
from apps.accounts.models import Job
from apps.campaigns import demo
from apps.campaigns.models import Kind, Outcome, Recommendation
from apps.campaigns.optimization import runs
from apps.integrations import ads_pull
from tests.factories import NOW
from tests.fakes.google_ads import GoogleAds
from tests.fakes.meta import Meta


@pytest.fixture
def accounts(settings, actor):
    """Both accounts, signed in to and read."""
    with Meta() as meta, GoogleAds() as google:
        for fake in (meta, google):
            fake.furnish()
        settings.FAKES_URL = "http://fakes.invalid"
        settings.INTEGRATION_URLS = {
            **settings.INTEGRATION_URLS,
            "meta_ads": meta.url,
            "google_ads": google.url,
        }
        made = demo.connect(actor, now=NOW)
        for connection in made:
            ads_pull.pull_parts(connection_id=connection.pk)
        yield {one.service: one for one in made}


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
    assert "Leave MOBILE (device) out of Last-minute dates" in titles(Kind.TARGETING)
    assert "Engagement shoots" in titles(Kind.TARGETING)
    assert "Winter weddings" in titles(Kind.CREATIVE)
    assert Outcome.objects.get().recommendation == past
    for one in Recommendation.objects.filter(state="proposed"):
        assert one.reasons
        assert one.doubts
        assert 0.5 < one.confidence <= 1
        assert one.expires_at > datetime.now(UTC)
