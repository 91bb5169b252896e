"""The company that judges the models must itself be right: same seed, same company; built in, found again."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from functools import reduce
from operator import add

import numpy as np
import pytest

from apps.attribution.maths.simulator import (
    CONVERSION_TYPES,
    EVENT_TYPES,
    NO_DEVICE,
    RECORD_KINDS,
    WEDDING_SUPPLIERS,
    simulate,
    simulate_in_chunks,
)

END = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY_SECONDS = 86_400
PLATFORMS = {"meta", "google", "linkedin", "tiktok", "x", "email", "organic", "referral", "direct", "offline"}


def company_of(people=5_000, *, days=180, seed=7, market=WEDDING_SUPPLIERS):
    return simulate(people, days=days, end=END, rng=np.random.default_rng(seed), market=market)


@pytest.fixture(scope="module")
def company():
    return company_of(20_000)


@pytest.fixture(scope="module")
def year():
    return company_of(60_000, days=730)


@pytest.fixture(scope="module")
def lottery():
    return company_of(60_000, market=WEDDING_SUPPLIERS.randomised())


def flat(record):
    values = [getattr(record, field.name) for field in fields(record)]
    return [v.tolist() if isinstance(v, np.ndarray) else v for v in values]


def assert_same(one, other):
    for name in (
        "people",
        "devices",
        "touches",
        "touch_deliveries",
        "conversions",
        "conversion_deliveries",
        "truth",
    ):
        assert flat(getattr(one, name)) == flat(getattr(other, name))
    assert (one.spend_minor == other.spend_minor).all()


def test_the_same_seed_gives_the_same_company():
    assert_same(company_of(500), company_of(500))


def test_another_seed_gives_another_company():
    one, other = company_of(500), company_of(500, seed=8)

    assert one.tag != other.tag
    assert len(one.touches) != len(other.touches)


def test_touches_and_conversions_are_as_frequent_as_ordered(company):
    people = len(company.people)

    assert 4 <= len(company.touches) / people <= 6
    assert 0.08 <= company.truth.subscriptions.sum() / people <= 0.20
    assert 0.08 <= company.truth.sign_ups.sum() / people <= 0.20


def test_every_platform_is_met_and_one_of_them_is_unknown(company):
    met = {company.market.campaigns[i].platform for i in np.unique(company.touches.campaign)}

    assert PLATFORMS | {"partner", "aislemap"} == met


def test_every_channel_and_event_type_occurs(company):
    assert set(np.unique(company.touches.channel)) == set(range(len(company.truth.channels)))
    assert set(np.unique(company.touches.event_type)) == set(range(len(EVENT_TYPES)))


def test_touches_are_ordered_by_person_and_time_within_the_period(company):
    touches = company.touches
    same = np.diff(touches.person) == 0

    assert (np.diff(touches.person) >= 0).all()
    assert (np.diff(touches.occurred_at)[same] >= 0).all()
    assert touches.occurred_at.min() >= company.start
    assert touches.occurred_at.max() <= company.end


def test_a_touch_is_on_a_device_of_its_person_or_carries_the_external_id(company):
    touches, devices = company.touches, company.devices
    on_device = touches.device != NO_DEVICE
    platforms = np.array([campaign.platform for campaign in company.market.campaigns])[touches.campaign]

    assert (devices.person[touches.device[on_device]] == touches.person[on_device]).all()
    assert (on_device == ~np.isin(platforms, ["offline", "partner"])).all()


def test_a_creative_belongs_to_its_campaign_and_a_campaign_to_its_channel(company):
    market, touches = company.market, company.touches
    owner = np.repeat(np.arange(len(market.channels)), [len(c.campaigns) for c in market.channels])
    creatives = np.array([len(campaign.creatives) for campaign in market.campaigns])

    assert (owner[touches.campaign] == touches.channel).all()
    assert (touches.creative < creatives[touches.campaign]).all()


def test_a_landing_address_carries_what_channel_rules_read(company):
    by_platform = {campaign.platform: campaign for campaign in company.market.campaigns}

    assert by_platform["tiktok"].landing_url("a1") == (
        "https://www.example.com/?utm_source=tiktok&utm_medium=paid_video"
        "&utm_campaign=behind-the-scenes&ttclid=a1"
    )
    assert by_platform["direct"].landing_url("a1") == "https://www.example.com/"


def test_ids_are_unique_and_addresses_clearly_fake(company):
    for ids in (
        company.people.external_ids(),
        company.people.emails(),
        company.devices.anonymous_ids(),
        company.touches.event_ids(),
        company.conversions.event_ids(),
    ):
        assert len(set(ids)) == len(ids)
    assert all(address.endswith("@example.com") for address in company.people.emails())
    assert len(company.people.names()) == len(company.people)


def test_retargeting_and_newsletters_follow_a_visit(company):
    touches = company.touches
    gated = np.array([c.needs_visit for c in company.market.channels])[touches.channel]
    first_of_person = np.flatnonzero(np.diff(touches.person, prepend=-1))

    assert gated.any()
    assert not gated[first_of_person].any()


def test_some_people_have_several_devices_and_some_are_known_only_afterwards(company):
    devices, touches = company.devices, company.touches
    on_device = touches.device != NO_DEVICE
    known_at = devices.identified_at[touches.device[on_device]]
    before = touches.occurred_at[on_device] < known_at

    assert 0.3 < (np.bincount(devices.person) > 1).mean() < 0.45
    assert (before & np.isfinite(known_at)).mean() > 0.1
    assert (known_at == np.inf).mean() > 0.2


def test_a_sign_up_identifies_the_main_device_at_the_latest_then(company):
    main = company.devices.position == 0
    signed_up = np.isfinite(company.people.signed_up_at)

    assert (company.devices.identified_at[main] <= company.people.signed_up_at).all()
    assert signed_up.sum() == company.truth.sign_ups.sum()


def test_orders_are_trials_subscriptions_and_their_sequels(company):
    records = company.conversions
    kind = np.array(RECORD_KINDS)[records.record_kind]
    sold = np.array(CONVERSION_TYPES)[records.conversion_type] == "subscription"
    purchases = sold & (kind == "purchase")

    assert purchases.sum() == company.truth.subscriptions.sum()
    assert records.value_minor[purchases].sum() == company.truth.revenue_minor.sum()
    assert set(records.value_minor[purchases]) == {29_000, 59_000, 89_000, 149_000}
    assert (records.value_minor[~sold] == 0).all()
    assert (records.value_minor[kind == "refund"] < 0).all()
    assert 0.01 < (kind == "refund").sum() / purchases.sum() < 0.05
    assert (kind == "replacement").sum() > 0


def test_a_sequel_follows_the_purchase_of_its_order(company):
    records = company.conversions
    rows = list(zip(records.order_ids(), records.record_kind, records.occurred_at, strict=True))
    bought_at = {order: at for order, kind, at in rows if RECORD_KINDS[kind] == "purchase"}

    assert all(bought_at[order] <= at for order, _, at in rows)


def test_spend_is_what_clicks_impressions_and_fees_cost(company):
    campaigns = company.market.campaigns
    clicks = np.bincount(
        company.touches.campaign, weights=company.touches.cost_minor, minlength=len(campaigns)
    )
    free = [i for i, c in enumerate(campaigns) if c.platform in {"organic", "referral", "direct"}]

    assert company.spend_minor.shape == (len(campaigns), 181)
    assert company.first_day == date(2025, 10, 2)
    assert (company.spend_minor.sum(axis=1) >= 2 * clicks - 181).all()
    assert (company.spend_minor[free] == 0).all()
    assert (company.spend_minor.sum(axis=1)[[i for i in range(len(campaigns)) if i not in free]] > 0).all()


def test_events_arrive_late_twice_and_out_of_order(company):
    touches, arrivals = company.touches, company.touch_deliveries
    wait = arrivals.received_at - touches.occurred_at[arrivals.event]
    first = np.unique(arrivals.event, return_index=True)[1]

    assert set(arrivals.event) == set(range(len(touches)))
    assert 0.005 < len(arrivals) / len(touches) - 1 < 0.02
    assert (np.diff(arrivals.received_at) >= 0).all()
    assert (wait >= 0).all()
    assert 0.01 < (wait[first] > DAY_SECONDS / 2).mean() < 0.1
    assert (np.diff(touches.occurred_at[arrivals.event]) < 0).mean() > 0.01
    assert (arrivals.first_received_at() == arrivals.received_at[first]).all()


def test_a_wrong_clock_is_mended_by_the_time_of_sending(company):
    arrivals = company.touch_deliveries
    true_at = company.touches.occurred_at[arrivals.event]
    mended = arrivals.reported_at + (arrivals.received_at - arrivals.sent_at)

    assert (np.abs(arrivals.reported_at - true_at) > 60).mean() > 0.02
    assert np.abs(mended - true_at).max() < 15


def test_the_season_is_in_the_data(year):
    days = year.touches.occurred_at.astype("datetime64[s]").astype("datetime64[D]").astype(int)
    months = year.touches.occurred_at.astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12
    by_weekday = np.bincount((days + 3) % 7)
    by_month = np.bincount(months)

    assert by_weekday.argmin() == 5
    assert by_weekday[5] < 0.65 * by_weekday[:4].mean()
    assert by_month[[11, 0, 1]].mean() > 1.5 * by_month[[5, 6, 7]].mean()


def test_conversions_have_the_season_too(year):
    months = year.conversions.occurred_at.astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12
    by_month = np.bincount(months)

    assert by_month[[0, 1]].mean() > 1.3 * by_month[[6, 7]].mean()


def test_a_channel_without_effect_has_none_in_a_lottery(lottery):
    lost = dict(zip(lottery.truth.channels, lottery.truth.incremental_sign_ups.sum(axis=1), strict=True))

    assert lost["direct"] == 0
    assert lost["other"] == 0
    assert min(lost[key] for key in lost if key not in {"direct", "other"}) > 0


def test_under_equal_exposure_the_truth_has_the_order_of_the_effects(lottery):
    effects = lottery.truth.effects.mean(axis=1)
    lost = lottery.truth.incremental_sign_ups.sum(axis=1)
    clearly_above = effects[:, None] > 1.25 * effects[None, :] + 0.003

    assert (lost[:, None] > lost[None, :])[clearly_above].all()


def test_under_equal_exposure_the_truth_has_the_size_of_the_effects(lottery):
    touches = np.bincount(lottery.touches.channel)
    partner, organic = (lottery.truth.channels.index(key) for key in ("partner", "organic"))
    per_touch = lottery.truth.incremental_sign_ups.sum(axis=1) / touches
    built = lottery.truth.effects.mean(axis=1)

    assert per_touch[partner] / per_touch[organic] == pytest.approx(built[partner] / built[organic], rel=0.35)


@pytest.mark.parametrize("key", ["paid_social", "brand_search", "email"])
def test_switching_a_channel_off_by_hand_loses_what_the_truth_says(key):
    whole = company_of(3_000)
    without = company_of(3_000, market=WEDDING_SUPPLIERS.without(key))
    row = whole.truth.channels.index(key)

    assert row not in without.touches.channel
    assert flat(whole.people)[:-1] == flat(without.people)[:-1]
    lost = whole.truth.subscriptions - without.truth.subscriptions
    assert (lost == whole.truth.incremental_subscriptions[row]).all()


def test_the_drifting_channel_falls_while_the_others_keep_their_effect(lottery):
    paid_social = lottery.truth.channels.index("paid_social")
    steady = lottery.truth.channels.index("organic")
    before, after = lottery.truth.incremental_sign_ups.T

    assert lottery.truth.effects[paid_social].tolist() == [0.045, 0.0225]
    assert after[paid_social] / before[paid_social] < 0.7 * after[steady] / before[steady]


def test_intent_confounds_the_company_and_not_the_lottery(company, lottery):
    def sign_up_lift(one, key):
        met = np.zeros(len(one.people), dtype=bool)
        met[one.touches.person[one.touches.channel == one.truth.channels.index(key)]] = True
        signed_up = np.isfinite(one.people.signed_up_at)
        return signed_up[met].mean() / signed_up[~met].mean()

    assert sign_up_lift(company, "brand_search") > 3
    assert sign_up_lift(lottery, "brand_search") < 1.15


def test_chunks_share_no_id_and_add_up():
    chunks = list(
        simulate_in_chunks(2_500, days=90, end=END, rng=np.random.default_rng(3), chunk_people=1_000)
    )
    truth = reduce(add, (chunk.truth for chunk in chunks))
    events = [event for chunk in chunks for event in chunk.touches.event_ids()]
    subscribed = [(c.conversions.conversion_type == 1) & (c.conversions.record_kind == 0) for c in chunks]

    assert [len(chunk.people) for chunk in chunks] == [1_000, 1_000, 500]
    assert len({chunk.tag for chunk in chunks}) == 1
    assert len(set(events)) == len(events)
    assert truth.people == 2_500
    assert truth.subscriptions.sum() == sum(mask.sum() for mask in subscribed)
    assert truth.shares().sum() == pytest.approx(1)
    assert truth.shares(period=1).sum() == pytest.approx(1)


def test_a_company_of_one_day_stands_but_has_no_shares():
    tiny = company_of(1, days=1)

    assert len(tiny.people) == 1
    with pytest.raises(ValueError, match="no channel caused a sign-up"):
        tiny.truth.shares()


@pytest.mark.parametrize(
    ("people", "days", "end", "message"),
    [
        (0, 30, END, "people must be >= 1"),
        (10, 0, END, "days must be >= 1"),
        (10, 30, END.replace(tzinfo=None), "time zone"),
    ],
)
def test_impossible_companies_are_refused(people, days, end, message):
    with pytest.raises(ValueError, match=message):
        simulate(people, days=days, end=end, rng=np.random.default_rng(1))


def test_a_switched_off_channel_stays_off():
    market = WEDDING_SUPPLIERS.without("video").without("email")

    assert [c.key for c in market.channels if not c.is_on] == ["video", "email"]
    assert replace(market).keys == WEDDING_SUPPLIERS.keys
