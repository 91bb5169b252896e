"""What a change came to, measured on days that only that change tells apart."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.campaigns.models import Change, Outcome, Recommendation
from apps.campaigns.optimization import outcomes, track_record
from apps.integrations.models import AdCampaign, AdDay
from tests.campaigns.conftest import recommend
from tests.factories import NOW

State, Verdict = Recommendation.State, Outcome.Verdict
TODAY = NOW.date()


@pytest.fixture
def raised(account):
    """Spring brides earned 100 a day on 40; raised to 48 nine days ago, it earns 150."""
    for campaign in account.campaigns:
        _days(campaign, raised=campaign.name == "Spring brides")
    return recommend(account.campaigns[0], "48", state=State.DONE, done_at=NOW - timedelta(days=9), gain=30.0)


def _days(campaign, *, raised):
    rows = []
    for ago in range(1, 61):
        is_after = raised and ago <= 8
        revenue = Decimal((150 if is_after else 100) + ago % 3 - 1)
        rows.append(
            AdDay(
                workspace_id=campaign.workspace_id, campaign=campaign, on=TODAY - timedelta(days=ago),
                currency="GBP", spend=Decimal(48 if is_after else 40), conversion_value=revenue, read_at=NOW,
            )
        )  # fmt: skip
    AdDay.objects.bulk_create(rows)


def changed(campaign, *, days_ago, deed=Change.Deed.DO):
    """Another change of a campaign."""
    other = recommend(campaign, "44", kind="bid", target="1", state=State.DONE, done_at=NOW)
    moment = NOW - timedelta(days=days_ago)
    Change.objects.create(
        workspace_id=campaign.workspace_id, recommendation=other, campaign=campaign, deed=deed,
        before="40", after="44", day=moment.date(), state=Change.State.DONE, ordered_by="ada@example.com",
        created_at=moment, settled_at=moment,
    )  # fmt: skip


def measured(found) -> Outcome:
    outcomes.measure_due(now=NOW)
    return Outcome.objects.get(recommendation=found, after_days=7)


def test_a_campaign_that_was_changed_again_meanwhile_is_not_claimed_for_either(account, raised):
    changed(account.campaigns[0], days_ago=5)

    found = measured(raised)

    assert (found.verdict, found.realised) == (Verdict.CANNOT_TELL, None)
    assert "changed again on 15 November" in found.note


def test_days_before_an_earlier_change_are_not_compared_with(account, raised):
    changed(account.campaigns[0], days_ago=24)

    assert "7 days after against 14 before" in measured(raised).note


def test_a_change_a_few_days_after_another_is_not_measured(account, raised):
    changed(account.campaigns[0], days_ago=12)

    found = measured(raised)

    assert (found.verdict, found.realised) == (Verdict.CANNOT_TELL, None)
    assert "too shortly before" in found.note


def test_a_campaign_that_was_paused_meanwhile_is_no_yardstick(account, raised):
    """Were it one, the others' fall would be taken for a gain of the change."""
    AdDay.objects.filter(campaign=account.campaigns[2], on__gte=TODAY - timedelta(days=6)).delete()

    found = measured(raised)

    assert "against 1\N{NO-BREAK SPACE}campaign that was not changed" in found.note
    assert found.realised == pytest.approx(42, abs=2)


def test_a_campaign_that_stood_still_is_not_measured(account, raised):
    AdDay.objects.filter(campaign=account.campaigns[0], on=TODAY - timedelta(days=4)).update(
        spend=0, conversion_value=0
    )

    assert measured(raised).verdict == Verdict.CANNOT_TELL


def test_a_change_that_was_rolled_back_before_it_was_measured_does_not_count(account, raised):
    Recommendation.objects.filter(pk=raised.pk).update(state=State.ROLLED_BACK)

    assert outcomes.measure_due(now=NOW) == 0


def test_the_longest_span_that_could_be_measured_counts(account, raised):
    for days, gain in ((7, 12.0), (14, None)):
        Outcome.objects.create(
            workspace_id=raised.workspace_id, recommendation=raised, after_days=days, measured_at=NOW,
            confidence=0.9, realised=gain, realised_low=gain and 4.0, realised_high=gain and 20.0,
            verdict=Verdict.CAME_TRUE if gain else Verdict.CANNOT_TELL,
        )  # fmt: skip

    assert [one.after_days for one in outcomes.latest()] == [7]


def test_a_campaign_alone_is_held_against_itself(account, raised):
    AdCampaign.objects.exclude(pk=account.campaigns[0].pk).update(status="ended")

    assert "held against itself alone" in measured(raised).note


def test_money_that_moved_counts_once_in_the_sum(account):
    """10 a day from where it brought 8 to where it brings 13: 5 in all, though each side counts them."""
    sides = ((account.campaigns[0], "50", 10, 0.8), (account.campaigns[1], "30", -10, 1.3))
    for campaign, after, extra, price in sides:
        found = recommend(
            campaign, after, state=State.MEASURED, done_at=NOW, gain=5.0, evidence={"price_of_money": price}
        )
        Outcome.objects.create(
            workspace_id=found.workspace_id, recommendation=found, after_days=7, measured_at=NOW,
            confidence=0.9, claimed=5.0, realised=5.0, realised_low=1.0, realised_high=9.0,
            extra_spend=float(extra), verdict=Verdict.CAME_TRUE,
        )  # fmt: skip

    record = track_record.read()

    assert (record.gain, record.claimed) == (pytest.approx(5), pytest.approx(5))
