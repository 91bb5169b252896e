"""What a connected ad account costs is the spend of its campaigns, and follows when figures change."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.attribution.models import Spend, Touchpoint
from apps.integrations import ads_pull
from tests.fakes.meta import TOKEN, Meta
from tests.integrations.connected import connection_to


@pytest.fixture
def meta(settings):
    with Meta() as fake:
        settings.INTEGRATION_URLS = {"meta_ads": fake.url}
        yield fake


@pytest.fixture
def pull(workspace, meta, django_capture_on_commit_callbacks):
    connection = connection_to(
        workspace, "meta_ads", account="act_1234", secrets={"access_token": TOKEN, "app_secret": "s3cret"}
    )

    def pull():
        with django_capture_on_commit_callbacks(execute=True):
            return ads_pull.pull(workspace_id=workspace.pk, connection_id=connection.pk)

    return pull


def yesterday():
    return timezone.now().date() - timedelta(days=1)


def figure(campaign, spend):
    return {
        "campaign_id": campaign,
        "date_start": yesterday().isoformat(),
        "spend": spend,
        "impressions": "1800",
        "clicks": "41",
    }


def known():
    rows = Spend.objects.order_by("day").values_list(
        "source__platform", "source__campaign_id", "source__channel__key", "day", "amount", "clicks"
    )
    return list(rows)


def test_what_is_pulled_is_spend_of_the_campaign_its_touches_name(pull, meta, api):
    campaign = meta.add("Spring brides")
    meta.figures.append(figure(campaign, "20.50"))
    body = {"user_id": "eve", "event_type": "click", "platform": "meta", "campaign_id": campaign}
    api.post("/api/v1/attribution/track/event", body, format="json")

    pull()

    assert known() == [("meta", campaign, "paid_social", yesterday(), Decimal("20.5000"), 41)]
    assert Touchpoint.objects.get().source_id == Spend.objects.get().source_id


def test_a_figure_that_changes_takes_the_place_of_the_one_before(pull, meta):
    campaign = meta.add("Spring brides")
    meta.figures.append(figure(campaign, "20.50"))
    pull()
    meta.figures[-1]["spend"] = "24.00"

    pull()

    assert [row[4] for row in known()] == [Decimal("24.0000")]


def test_a_currency_without_a_rate_is_left_out_and_told(pull, meta, workspace, caplog):
    workspace.currency = "USD"
    workspace.save()
    meta.figures.append(figure(meta.add("Spring brides"), "20.50"))

    pull()

    assert known() == []
    assert "no exchange rate from GBP to USD" in caplog.text
