"""Groups, ads and segments of Meta and Google as they are read, and the raw bytes of what changes them."""

import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.integrations import ads_pull
from apps.integrations.client import Client
from apps.integrations.connectors.ads import platforms
from apps.integrations.connectors.ads.platform import (
    Change,
    Creative,
    Dimension,
    Group,
    Segment,
    Status,
)
from apps.integrations.models import AdCampaign, AdCreative, AdCreativeDay, AdDay, AdGroup, AdSegmentDay
from apps.integrations.money import Money
from apps.integrations.resilience.outcomes import Kind
from tests.fakes import google_ads, linkedin, meta, tiktok, x
from tests.fakes.server import Answer
from tests.integrations.connected import connection_to

SINCE, UNTIL = date(2026, 11, 1), date(2026, 11, 30)
DAY = {"date_start": "2026-11-07", "spend": "3.00", "impressions": "100", "clicks": "4"}


def connected(workspace, fake, settings, token):
    settings.INTEGRATION_URLS = {**settings.INTEGRATION_URLS, fake.name: fake.url}
    return connection_to(workspace, fake.name, account="1234567890", secrets={"access_token": token})


@pytest.fixture
def there():
    with meta.Meta(account="1234567890") as fake:
        yield fake


@pytest.fixture
def connection(workspace, there, settings):
    return connected(workspace, there, settings, meta.TOKEN)


@pytest.fixture
def ads(connection):
    return platforms.of(Client(connection))


@pytest.fixture
def google():
    with google_ads.GoogleAds() as fake:
        yield fake


@pytest.fixture
def google_connection(workspace, google, settings):
    return connected(workspace, google, settings, google_ads.TOKEN)


@pytest.fixture
def search(google_connection):
    return platforms.of(Client(google_connection))


def pounds(amount):
    return Money(Decimal(amount), "GBP")


# Meta


def test_ad_sets_and_ads_of_every_page_are_read(ads, there):
    key = there.add("Spring")
    plain = there.add_adset(key, "Everybody")
    capped = there.add_adset(
        key, "Capped", bid_strategy="COST_CAP", bid_amount=1_250, daily_budget="500", status="PAUSED"
    )
    for number in range(3):
        there.add_ad(capped, f"Ad {number}", status="PAUSED" if number else "ACTIVE")

    groups, creatives = list(ads.groups()), list(ads.creatives())

    assert groups[0] == Group(
        id=plain,
        campaign_id=key,
        name="Everybody",
        status=Status.ACTIVE,
        bid_strategy="LOWEST_COST_WITHOUT_CAP",
    )
    assert (groups[1].bid, groups[1].budget, groups[1].status) == (
        pounds("12.5"),
        pounds(5),
        Status.PAUSED,
    )
    assert [(one.group_id, one.status) for one in creatives] == [
        (capped, Status.ACTIVE),
        (capped, Status.PAUSED),
        (capped, Status.PAUSED),
    ]
    assert len(there.asked("GET", r".*/ads")) == 2


def test_insights_of_ads_and_of_a_breakdown_as_they_are_asked_for(ads, there):
    list(ads.creative_figures(SINCE, UNTIL))
    list(ads.segment_figures(SINCE, UNTIL, Dimension.PLACEMENT))

    of_ads, of_places = there.asked("GET", r".*/insights")
    assert of_ads.query["level"] == "ad"
    assert of_ads.query["fields"].startswith("ad_id,reach,frequency,date_start,spend,")
    # Written by hand from the documentation.
    assert of_places.target == (
        "/v26.0/act_1234567890/insights?level=campaign&fields=campaign_id%2Cdate_start%2Cspend%2C"
        "impressions%2Cclicks%2Cactions%2Caction_values%2Caccount_currency&breakdowns=publisher_platform"
        "&time_increment=1&time_range=%7B%22since%22%3A+%222026-11-01%22%2C+%22until%22%3A+"
        "%222026-11-30%22%7D&limit=500"
    )


def test_an_ads_day_has_reach_and_frequency(ads, there):
    there.figures = [{"campaign_id": "1", "ad_id": "7", "reach": "80", "frequency": "1.25", **DAY}]

    [day] = ads.creative_figures(SINCE, UNTIL)

    assert (day.creative_id, day.on, day.reach, day.frequency) == (
        "7",
        date(2026, 11, 7),
        80,
        Decimal("1.25"),
    )
    assert (day.spend, day.conversions) == (pounds(3), None)


def test_phones_are_one_segment_as_in_targeting_and_hours_are_numbers(ads, there):
    lead = [{"action_type": "lead", "value": "2"}]
    there.figures = [
        {"campaign_id": "1", "device_platform": "mobile_app", "actions": lead, **DAY},
        {"campaign_id": "1", "device_platform": "mobile_web", **DAY},
        {"campaign_id": "1", "device_platform": "desktop", **DAY},
        {
            "campaign_id": "1",
            "hourly_stats_aggregated_by_advertiser_time_zone": "07:00:00 - 07:59:59",
            **DAY,
        },
    ]

    mobile, desktop = ads.segment_figures(SINCE, UNTIL, Dimension.DEVICE)
    [hour] = ads.segment_figures(SINCE, UNTIL, Dimension.HOUR)

    assert mobile.segment == Segment(Dimension.DEVICE, "mobile")
    assert (mobile.spend, mobile.impressions, mobile.clicks) == (pounds(6), 200, 8)
    assert (mobile.conversions, desktop.conversions) == (Decimal(2), None)
    assert hour.segment == Segment(Dimension.HOUR, "7")


def test_a_targeting_is_replaced_whole_with_a_placement_left_out(ads, there):
    key = there.add("Spring")
    group = there.add_adset(key, "All", targeting={"geo_locations": {"countries": ["GB"]}, "age_min": 25})
    places = Change(exclude=Segment(Dimension.PLACEMENT, "audience_network"))

    assert ads.change(key, places).outcome.is_good

    [sent] = there.asked("POST", r".*")
    assert sent.raw.startswith(f"POST /v26.0/{group} HTTP/1.1\r\n".encode())
    # Written by hand from the documentation: form encoding, the nested value as JSON.
    assert sent.body == (
        b"targeting=%7B%22geo_locations%22%3A%7B%22countries%22%3A%5B%22GB%22%5D%7D%2C%22age_min%22%3A25%2C"
        b"%22publisher_platforms%22%3A%5B%22facebook%22%2C%22instagram%22%2C%22messenger%22%5D%7D"
    )


@pytest.mark.parametrize(
    ("targeting", "segment", "wanted"),
    [
        ({}, Segment(Dimension.AGE, "18-24"), (25, 65)),
        ({"age_min": 25, "age_max": 44}, Segment(Dimension.AGE, "35-44"), (25, 34)),
        ({}, Segment(Dimension.AGE, "65+"), (18, 64)),
    ],
)
def test_ages_are_cut_off_at_an_end(ads, there, targeting, segment, wanted):
    key = there.add("Spring")
    group = there.add_adset(key, "All", targeting=targeting)

    assert ads.change(key, Change(exclude=segment)).outcome.is_good
    assert ads.is_excluded(key, segment)

    now = there.adsets[group]["targeting"]
    assert (now["age_min"], now["age_max"]) == wanted
    assert ads.change(key, Change(include=segment)).outcome.is_good
    assert not ads.is_excluded(key, segment)


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        (Segment(Dimension.AGE, "25-34"), "Meta reaches one span of ages, here 18 to 65: 25-34 is no end."),
        (Segment(Dimension.AGE, "Unknown"), "Unknown is no span of ages."),
        (
            Segment(Dimension.REGION, "Avalon"),
            "Meta knows 0 regions called Avalon: leave it out in Ads Manager.",
        ),
        (
            Segment(Dimension.HOUR, "3"),
            "Meta runs ads by the hour only under a lifetime budget and a schedule: set it in Ads Manager.",
        ),
    ],
)
def test_what_meta_cannot_leave_out_is_refused_with_the_reason(ads, there, segment, reason):
    key = there.add("Spring")
    there.add_adset(key, "All")

    outcome = ads.change(key, Change(exclude=segment)).outcome

    assert (outcome.kind, outcome.reason) == (Kind.REFUSED_HERE, reason)
    assert there.asked("POST", ".*") == []


def test_a_region_is_left_out_by_its_number_and_reached_again_without(ads, there):
    key = there.add("Spring")
    group = there.add_adset(key, "All")
    before, wales = dict(there.adsets[group]["targeting"]), Segment(Dimension.REGION, "Wales")

    assert ads.change(key, Change(exclude=wales)).outcome.is_good

    left_out = there.adsets[group]["targeting"]["excluded_geo_locations"]
    assert left_out == {"regions": [{"key": "1081", "name": "Wales"}]}
    assert ads.is_excluded(key, wales)
    ads.change(key, Change(include=wales))
    assert there.adsets[group]["targeting"] == before


def test_the_last_placement_is_not_taken_away(ads, there):
    key = there.add("Spring")
    there.add_adset(key, "All", targeting={"publisher_platforms": ["facebook"]})

    outcome = ads.change(key, Change(exclude=Segment(Dimension.PLACEMENT, "facebook"))).outcome

    assert outcome.reason == "facebook is all that this ad set reaches: pause it instead."


def test_a_campaign_without_ad_sets_has_nobody_to_leave_out(ads, there):
    outcome = ads.change(there.add("Spring"), Change(exclude=Segment(Dimension.DEVICE, "mobile"))).outcome

    assert outcome.kind == Kind.REFUSED_HERE


def test_a_thing_that_is_not_there_is_none(ads, search, google):
    assert ads.read("999") is ads.read_group("999") is ads.read_creative("999") is None
    assert search.read("999") is search.read_group("999") is search.read_creative("9~9") is None


# Google


def test_ad_groups_and_ads_are_read_with_their_bids(search, google):
    key = google.add("Spring")
    group = google.add_group(key, "Exact", cpcBidMicros="1250000", targetCpaMicros="9000000")
    named, nameless = google.add_ad(group, "Dusk"), google.add_ad(group, "", status="PAUSED")

    [found] = search.groups()
    creatives = list(search.creatives())

    assert found == Group(
        id=group,
        campaign_id=key,
        name="Exact",
        status=Status.ACTIVE,
        bid=pounds("1.25"),
        bid_strategy="MANUAL_CPC",
    )
    ad = nameless.partition("~")[2]
    assert creatives[1] == Creative(
        id=nameless,
        campaign_id=key,
        group_id=group,
        name=f"responsive search ad {ad}",
        status=Status.PAUSED,
    )
    assert search.read_creative(named).name == "Dusk"


def test_segments_are_added_over_groups_and_regions_have_names(search, google):
    metrics = {"costMicros": "2000000", "conversions": 1.0}
    for group in ("1", "2"):
        row = {
            "campaign": {"id": "5"},
            "adGroup": {"id": group},
            "adGroupCriterion": {"ageRange": {"type": "AGE_RANGE_25_34"}},
            "segments": {"date": "2026-11-07"},
            "metrics": metrics,
        }
        google.rows.append(("ad_group_criterion.age_range.type", row))
    place = "geoTargetConstants/20339"
    segments = {"date": "2026-11-07", "geoTargetRegion": place}
    region = {"campaign": {"id": "5"}, "segments": segments, "metrics": metrics}
    google.rows.append(("segments.geo_target_region", region))

    [age] = search.segment_figures(SINCE, UNTIL, Dimension.AGE)
    [wide] = search.segment_figures(SINCE, UNTIL, Dimension.REGION)

    assert (age.segment.value, age.spend, age.conversions) == ("AGE_RANGE_25_34", pounds(4), Decimal(2))
    assert (wide.segment.value, wide.label) == (place, "England,United Kingdom")


def test_the_hour_of_midnight_is_not_told_and_an_ads_days_are_read(search, google):
    told = {"campaign": {"id": "5"}, "segments": {"date": "2026-11-07"}, "metrics": {"clicks": "3"}}
    google.rows.append(("segments.hour", told))
    ad = {"adGroup": {"id": "8"}, "adGroupAd": {"ad": {"id": "9"}}}
    google.rows.append(("ad_group_ad.ad.id", told | ad))

    [hour] = search.segment_figures(SINCE, UNTIL, Dimension.HOUR)
    [day] = search.creative_figures(SINCE, UNTIL)

    assert (hour.segment.value, hour.clicks) == ("0", 3)
    assert (day.creative_id, day.clicks, day.reach, day.frequency) == ("8~9", 3, None, None)


def test_a_device_is_left_out_by_a_bid_of_nothing(search, google):
    key = google.add("Spring")
    tablets = Segment(Dimension.DEVICE, "TABLET")

    assert search.change(key, Change(exclude=tablets)).outcome.is_good

    sent = google.asked("POST", r".*:mutate")
    # Written by hand from the documentation.
    assert sent[0].body == (
        b'{"mutateOperations":[{"campaignCriterionOperation":{"create":{"campaign":'
        b'"customers/1234567890/campaigns/%s","device":{"type":"TABLET"},"bidModifier":0.0}}}],'
        b'"partialFailure":false,"validateOnly":false}' % key.encode()
    )
    assert search.is_excluded(key, tablets)
    search.change(key, Change(include=tablets))
    [row] = google.criteria.values()
    assert row["bidModifier"] == 1.0
    assert not search.is_excluded(key, tablets)


def test_a_region_is_left_out_by_a_negative_location_and_reached_again_without(search, google):
    key = google.add("Spring")
    wales = Segment(Dimension.REGION, "geoTargetConstants/20342")

    search.change(key, Change(exclude=wales))
    [row] = google.criteria.values()
    assert (row["negative"], row["location"]) == (True, {"geoTargetConstant": wales.value})
    assert search.is_excluded(key, wales)

    search.change(key, Change(include=wales))
    assert google.criteria == {}


def test_search_partners_are_switched_off(search, google):
    key = google.add("Spring")
    partners = Segment(Dimension.PLACEMENT, "SEARCH_PARTNERS")

    search.change(key, Change(exclude=partners))

    [operation] = google.seen[-1].json["mutateOperations"]
    assert operation == {
        "campaignOperation": {
            "update": {
                "resourceName": f"customers/1234567890/campaigns/{key}",
                "networkSettings": {"targetSearchNetwork": False},
            },
            "updateMask": "networkSettings.targetSearchNetwork",
        }
    }
    assert search.is_excluded(key, partners)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        (Dimension.HOUR, "3"),
        (Dimension.AGE, "AGE_RANGE_18_24"),
        (Dimension.PLACEMENT, "YOUTUBE_WATCH"),
        (Dimension.DEVICE, "OTHER"),
        (Dimension.REGION, "UNKNOWN"),
    ],
)
def test_what_google_cannot_leave_out_is_refused_with_the_reason(search, google, dimension, value):
    outcome = search.change(google.add("Spring"), Change(exclude=Segment(dimension, value))).outcome

    assert outcome.kind == Kind.REFUSED_HERE
    assert outcome.reason
    assert google.asked("POST", r".*:mutate") == []


@pytest.mark.parametrize(
    ("fake", "secrets"),
    [
        (linkedin.LinkedInAds, {"access_token": linkedin.TOKEN}),
        (tiktok.TikTokAds, {"access_token": tiktok.TOKEN}),
        (x.XAds, x.SECRETS),
    ],
)
def test_a_platform_without_parts_says_so_and_is_not_asked(workspace, settings, fake, secrets):
    with fake() as there:
        settings.INTEGRATION_URLS = {there.name: there.url}
        made = connection_to(workspace, there.name, account="6900", secrets=secrets)
        platform = platforms.of(Client(made))

        assert platform.dimensions == platform.excludes == frozenset()
        assert [*platform.groups(), *platform.creatives(), *platform.creative_figures(SINCE, UNTIL)] == []
        assert [*platform.segment_figures(SINCE, UNTIL, Dimension.AGE)] == []
        paused = platform.change_creative("1", Status.PAUSED).outcome
        whom = platform.change("1", Change(exclude=Segment(Dimension.AGE, "18-24"))).outcome
        assert paused.kind == whom.kind == Kind.REFUSED_HERE
        assert there.seen == []


# The pull


def pull(connection):
    return ads_pull.pull(workspace_id=connection.workspace_id, connection_id=connection.pk)


def pull_parts(connection):
    return ads_pull.pull_parts(workspace_id=connection.workspace_id, connection_id=connection.pk)


def counts():
    return [model.objects.count() for model in (AdGroup, AdCreative, AdCreativeDay, AdSegmentDay)]


def test_a_pull_reads_the_parts_and_again_only_after_some_hours(connection, there):
    there.furnish(meta.PLANS[:2])

    pull(connection)
    first = counts()
    pull(connection)

    # Two devices as targeting has them, four regions, 24 hours, six ages, four placements.
    assert first == [2, 6, 6 * 90, 2 * 28 * (2 + 4 + 24 + 6 + 4)]
    assert counts() == first
    assert len(there.asked("GET", r".*/adsets")) == 1
    AdGroup.objects.update(read_at=timezone.now() - timedelta(hours=4))
    pull(connection)
    assert len(there.asked("GET", r".*/adsets")) == 2
    assert counts() == first


def test_segments_add_up_to_the_campaigns_day(google_connection, google):
    google.furnish(google_ads.PLANS[4:5])
    pull(google_connection)
    on = timezone.now().date() - timedelta(days=3)
    campaign = AdCampaign.objects.get(name="Last-minute dates")
    day = AdDay.objects.get(campaign=campaign, on=on)

    for dimension in Dimension:
        parts = AdSegmentDay.objects.filter(campaign=campaign, on=on, dimension=dimension)
        assert sum(one.conversions for one in parts) == day.conversions
        assert abs(sum(one.spend for one in parts) - day.spend) < Decimal("0.2")
    regions = AdSegmentDay.objects.filter(campaign=campaign, on=on, dimension="region")
    assert "Wales,United Kingdom" in regions.values_list("label", flat=True)


def test_a_breakdown_that_is_refused_loses_none_of_the_others(connection, there):
    there.furnish(meta.PLANS[:2])
    pull(connection)
    days, read = AdDay.objects.count(), len(there.asked("GET", ".*/insights"))
    refusal = meta.error(100, "This breakdown is not available.")
    there.misbehave(Answer(refusal), path="insights")

    assert pull_parts(connection) == 7
    assert AdDay.objects.count() == days
    assert len(there.asked("GET", ".*/insights")) > read + 5


def test_a_throttle_puts_off_the_rest(connection, there):
    there.furnish(meta.PLANS[:2])
    there.misbehave(meta.throttled(), path="/ads$")
    pull(connection)

    assert counts()[:2] == [2, 0]
    assert AdDay.objects.count() == 2 * 90


def test_an_ad_that_is_listed_twice_is_kept_once(connection, there):
    there.furnish(meta.PLANS[:2])
    key, ad = next(iter(there.ads.items()))
    there.ads["again"] = ad

    pull(connection)

    assert AdCreative.objects.count() == 6
    assert AdCreative.objects.filter(external_id=key).count() == 1


def test_the_page_says_what_can_be_read_and_left_out(page, connection, there):
    there.furnish(meta.PLANS[:2])
    pull(connection)

    shown = page.get(f"/integrations/{connection.public_id}/").content.decode()

    assert "6 ads in 2 groups" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "age, device, placement, region; the rest at meta_ads" in shown


def test_what_is_listed_no_more_has_ended(connection, there):
    there.furnish(meta.PLANS[:2])
    pull(connection)
    gone = there.ads.popitem()[0]

    pull_parts(connection)

    assert AdCreative.objects.get(external_id=gone).status == "ended"
    assert AdCreative.objects.filter(status="active").count() == 5


# What the fakes' accounts do


def test_a_changed_budget_changes_the_days_that_follow_and_no_day_before(ads, there):
    there.furnish()
    key, today = next(iter(there.campaigns)), timezone.now().date()
    since, until = today - timedelta(days=90), today + timedelta(days=9)

    def spent():
        return [one.spend.amount for one in ads.figures(since, until) if one.campaign_id == key]

    before = spent()
    ads.change(key, Change(budget=pounds(120)))
    assert spent() == before
    there.now = there.world.now = lambda: time.time() + 5 * 86_400

    after = spent()
    assert after[:90] == before
    assert all(112 <= amount <= 120 for amount in after[90:])
    assert len(after) == 95


def test_what_there_is_to_find_is_worth_doing_something_about(ads, there, search, google):
    there.furnish()
    google.furnish()
    meta_world, google_world = there.world, google.world
    worse = [meta_world.curve(place)[0] for place in (4, 5, 6)] + [google_world.curve(4)[0]]
    keys, groups, others = list(there.campaigns), list(there.adsets), list(google.campaigns)

    ads.change(keys[4], Change(exclude=Segment(Dimension.PLACEMENT, "audience_network")))
    ads.change_creative(list(there.ads)[15], Status.PAUSED)
    ads.change_group(groups[6], Change(bid=pounds(10)))
    search.change(others[4], Change(exclude=Segment(Dimension.DEVICE, "MOBILE")))

    better = [meta_world.curve(place)[0] for place in (4, 5, 6)] + [google_world.curve(4)[0]]
    assert all(now > 1.2 * before for before, now in zip(worse, better, strict=True))


def test_the_past_of_an_account_is_the_same_each_time():
    pasts = []
    for _ in range(2):
        fake = google_ads.GoogleAds(now=lambda: 1_796_000_000.0)
        fake._server.server_close()
        fake.furnish()
        pasts.append(list(fake.world.days(date.min, date.max)))

    assert pasts[0] == pasts[1]
    assert len(pasts[0]) == 8 * 90
