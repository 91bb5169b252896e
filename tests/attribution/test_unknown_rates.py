"""The page of a connection says in words which of its money cannot be counted."""

from decimal import Decimal

import pytest

from apps.accounts import workspaces
from apps.accounts.permissions import system
from apps.integrations.models import AdCampaign, AdDay
from tests.factories import NOW
from tests.integrations.connected import connection_to


@pytest.fixture(autouse=True)
def _home(workspace):
    workspaces.change(system(workspace.pk), now=NOW, currency="GBP")


@pytest.fixture
def shown(page):
    def shown(connection):
        answer = page.get(f"/integrations/{connection.public_id}/")
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return shown


@pytest.fixture
def ads(workspace):
    made = connection_to(workspace, "meta_ads", account="act_1", secrets={"access_token": "t"})
    for number, currency in enumerate(["EUR", "", "GBP", "EUR"]):
        AdCampaign.objects.create(
            workspace=workspace, connection=made, external_id=str(number), currency=currency, read_at=NOW
        )
    return made


def test_an_account_in_a_currency_without_a_rate(shown, ads, workspace):
    assert "There is no exchange rate from EUR to GBP" in shown(ads)
    assert shown(ads).count("There is no exchange rate") == 1

    workspaces.change(system(workspace.pk), now=NOW, settings={"exchange_rates": {"EUR": "0.86"}})
    assert "There is no exchange rate" not in shown(ads)


def test_a_day_in_a_currency_that_no_budget_has(shown, ads, workspace):
    AdDay.objects.create(
        workspace=workspace,
        campaign=AdCampaign.objects.first(),
        on=NOW.date(),
        currency="SEK",
        spend=Decimal(5),
        read_at=NOW,
    )

    assert "There is no exchange rate from SEK to GBP" in shown(ads)


def test_posts_that_are_charged_in_a_currency_without_a_rate(shown, workspace):
    posts = connection_to(workspace, "x_social", account="1", secrets={"access_token": "t"})
    assert "There is no exchange rate from USD to GBP" in shown(posts)

    free = connection_to(workspace, "facebook_pages", account="1", secrets={"access_token": "t"})
    assert "There is no exchange rate" not in shown(free)


def test_nothing_is_said_of_what_has_no_money(shown, workspace):
    made = connection_to(workspace, "slack", account="", secrets={})

    assert "There is no exchange rate" not in shown(made)
