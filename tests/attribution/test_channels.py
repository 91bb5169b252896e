"""Which channel a touch is in: the default rules, a workspace's own, and when a change is known."""

import pytest

from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry
from apps.attribution import channels, ingest, parsing
from apps.attribution.maths.simulator import WEDDING_SUPPLIERS
from apps.attribution.models import Channel, ChannelRule, Touchpoint
from tests.factories import NOW

SITE = "https://www.example.com/"


def touch(**fields):
    given = {"user_id": "u", "event_type": "click", "platform": "web", **fields}
    return parsing.touch(given, received_at=NOW)


def channel_of(actor, **fields):
    return ingest.track_event(actor, touch(**fields), now=NOW).channel


CASES = [
    # platforms alone, as the simplest sender names them
    ({"platform": "meta"}, "paid_social"),
    ({"platform": "Meta"}, "paid_social"),
    ({"platform": "facebook"}, "paid_social"),
    ({"platform": "instagram_ads"}, "paid_social"),
    ({"platform": "linkedin"}, "paid_social"),
    ({"platform": "x"}, "paid_social"),
    ({"platform": "twitter"}, "paid_social"),
    ({"platform": "google"}, "paid_search"),
    ({"platform": "bing"}, "paid_search"),
    ({"platform": "tiktok"}, "video"),
    ({"platform": "youtube"}, "video"),
    ({"platform": "email"}, "email"),
    ({"platform": "organic"}, "organic_search"),
    ({"platform": "referral"}, "referral"),
    ({"platform": "direct"}, "direct"),
    ({"platform": "offline"}, "partner"),
    ({"platform": "partner"}, "partner"),
    ({"platform": "affiliate"}, "affiliate"),
    ({"platform": "aislemap"}, "other"),
    ({"platform": "web"}, "direct"),
    # campaigns
    ({"platform": "google", "campaign_id": "UK | Brand"}, "brand_search"),
    ({"platform": "google", "campaign_id": "uk-brand-exact"}, "brand_search"),
    ({"platform": "google", "campaign_id": "brand"}, "brand_search"),
    ({"platform": "google", "campaign_id": "uk-non-brand"}, "paid_search"),
    ({"platform": "google", "campaign_id": "rebranding-2026"}, "paid_search"),
    ({"platform": "meta", "campaign_id": "meta-retargeting-visitors"}, "retargeting"),
    # UTM labels
    ({"url": SITE + "?utm_source=google&utm_medium=cpc"}, "paid_search"),
    ({"url": SITE + "?utm_source=google&utm_medium=cpc&utm_campaign=brand"}, "brand_search"),
    ({"url": SITE + "?utm_source=facebook&utm_medium=cpc"}, "paid_social"),
    ({"url": SITE + "?utm_source=facebook&utm_medium=Paid_Social"}, "paid_social"),
    ({"url": SITE + "?utm_source=linkedin&utm_medium=social"}, "organic_social"),
    ({"url": SITE + "?utm_source=newsletter&utm_medium=email"}, "email"),
    ({"url": SITE + "?utm_source=newsletter-may"}, "email"),
    ({"url": SITE + "?utm_medium=affiliate"}, "affiliate"),
    ({"url": SITE + "?utm_medium=display"}, "display"),
    ({"url": SITE + "?utm_medium=remarketing&utm_source=google"}, "retargeting"),
    ({"url": SITE + "?utm_medium=paid_video"}, "video"),
    ({"url": SITE + "?utm_source=somewhere"}, "other"),
    ({"platform": "meta", "utm_medium": "organic"}, "organic_social"),
    ({"platform": "google", "utm_medium": "organic"}, "organic_search"),
    # click ids, in the address and as fields
    ({"url": SITE + "?gclid=abc"}, "paid_search"),
    ({"url": SITE + "?gbraid=abc"}, "paid_search"),
    ({"url": SITE + "?wbraid=abc"}, "paid_search"),
    ({"url": SITE + "?msclkid=abc"}, "paid_search"),
    ({"url": SITE + "?li_fat_id=abc"}, "paid_social"),
    ({"url": SITE + "?twclid=abc"}, "paid_social"),
    ({"url": SITE + "?ttclid=abc"}, "video"),
    ({"url": SITE + "?fbclid=abc"}, "organic_social"),
    ({"platform": "meta", "url": SITE + "?fbclid=abc"}, "paid_social"),
    ({"gclid": "abc"}, "paid_search"),
    ({"platform": "direct", "url": SITE + "?gclid=abc"}, "paid_search"),
    # referrers
    ({"referrer": "https://www.google.co.uk/"}, "organic_search"),
    ({"referrer": "https://duckduckgo.com/?q=wedding+crm"}, "organic_search"),
    ({"referrer": "https://l.facebook.com/l.php"}, "organic_social"),
    ({"referrer": "https://t.co/abc"}, "organic_social"),
    ({"referrer": "https://mail.google.com/"}, "email"),
    ({"referrer": "android-app://com.google.android.googlequicksearchbox/"}, "organic_search"),
    ({"referrer": "https://blog.barn-venues.example/top-ten"}, "referral"),
    ({"platform": "organic", "referrer": "https://www.linkedin.com/"}, "organic_social"),
    ({"platform": "google", "event_type": "visit", "referrer": "https://www.google.com/"}, "organic_search"),
    # the company itself and those who take its money are nobody's source
    ({"url": SITE + "thanks", "referrer": "https://shop.example.com/basket"}, "direct"),
    ({"url": SITE + "thanks", "referrer": "https://checkout.stripe.com/c/pay"}, "direct"),
    ({"url": SITE, "platform": "referral", "referrer": "https://www.paypal.com/"}, "direct"),
    ({"url": "https://a.wordpress.com/", "referrer": "https://b.wordpress.com/"}, "referral"),
    # whatever the sender says outright
    ({"platform": "meta", "channel": "Paid Social"}, "paid_social"),
    ({"platform": "meta", "channel": "Hochzeitsmesse Köln"}, "hochzeitsmesse_köln"),
    ({"platform": "meta", "channel": "none"}, "paid_social"),
    ({"event_type": "email_open", "platform": "mailchimp"}, "email"),
]


@pytest.mark.parametrize(("fields", "expected"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_default_rules(actor, fields, expected):
    assert channel_of(actor, **fields) == expected


TRUTH = {"generic_search": "paid_search", "organic": "organic_search"}


@pytest.mark.parametrize("with_url", [True, False])
def test_the_demo_market_comes_out_as_its_true_channels(actor, with_url):
    """Impressions have no address: platform and campaign id are enough."""
    found: dict[str, set[str]] = {}
    for channel in WEDDING_SUPPLIERS.channels:
        for campaign in channel.campaigns:
            fields = {
                "platform": campaign.platform,
                "campaign_id": campaign.key,
                "referrer": campaign.referrer,
            }
            if with_url:
                fields["url"] = campaign.landing_url("click-1")
            event_type = channel.click_type if with_url else channel.view_type
            found.setdefault(channel.key, set()).add(channel_of(actor, event_type=event_type, **fields))

    assert found == {key: {TRUTH.get(key, key)} for key in WEDDING_SUPPLIERS.keys}


def test_an_unknown_platform_is_kept(actor):
    channel_of(actor, platform="AisleMap", campaign_id="listing")

    assert Touchpoint.objects.values_list("source__platform", "source__campaign_id").get() == (
        "aislemap",
        "listing",
    )


def test_a_new_channel_keeps_the_name_it_was_given(actor):
    channel_of(actor, channel="Bridal Fair 2026")

    made = Channel.objects.get(key="bridal_fair_2026")
    assert (made.label, made.position) == ("Bridal Fair 2026", 1 + 14)


def test_a_channel_too_many_is_other(actor):
    channels.ensure_defaults()
    channels.ensure_channels({f"c{number}": f"C{number}" for number in range(200)})

    assert Channel.objects.count() == 200
    channel_of(actor, channel="one too many")
    assert Touchpoint.objects.values_list("source__channel__key", flat=True).get() == "other"


def test_own_hosts_and_payment_hosts_of_the_workspace(actor, workspace):
    workspace.settings = {"own_hosts": ["booking-tool.test"], "payment_hosts": ["pay.bank.test"]}
    workspace.save()

    assert channel_of(actor, referrer="https://www.booking-tool.test/form") == "direct"
    assert channel_of(actor, referrer="https://pay.bank.test/3ds") == "direct"
    assert channel_of(actor, referrer="https://bank.test/") == "referral"


def test_the_first_rule_that_holds_decides(actor, now):
    rules: list[dict[str, object]] = [
        {"channel_key": "fairs", "platform": "meta", "utm_campaign": "fair-*|*-fair"},
        {"channel_key": "social", "platform": "meta|linkedin"},
        {"channel_key": "labelled", "utm_source": "*"},
        {"channel_key": "blank", "platform": "web", "utm_source": "(none)", "is_active": False},
    ]

    channels.replace_rules(actor, rules, now=now)

    assert channel_of(actor, platform="meta", campaign_id="fair-2026") == "fairs"
    assert channel_of(actor, platform="meta", campaign_id="winter-fair") == "fairs"
    assert channel_of(actor, platform="meta", campaign_id="affair") == "social"
    assert channel_of(actor, platform="web", utm_source="anything") == "labelled"
    assert channel_of(actor, platform="web") == "other"


def test_replacing_rules_is_audited_with_both_lists(actor, now):
    channels.ensure_defaults()

    channels.replace_rules(actor, [{"channel_key": "all"}], now=now, reason="a test")

    entry = AuditEntry.objects.get(deed="channel_rules.replaced")
    assert len(entry.before["rules"]) > 30
    assert entry.after == {"rules": [{"channel_key": "all", "is_active": True}]}
    assert entry.reason == "a test"


def test_a_rule_changed_behind_our_back_is_known_within_a_second(actor, monkeypatch):
    assert channel_of(actor, platform="aislemap") == "other"

    ChannelRule.objects.filter(channel_key="referral", platform="referral").update(
        platform="referral|aislemap"
    )
    later = channels.time.monotonic() + 1.1
    monkeypatch.setattr(channels.time, "monotonic", lambda: later)

    assert channel_of(actor, platform="aislemap") == "referral"


def test_rules_of_one_workspace_do_not_reach_another(actor, other_workspace, now):
    channels.replace_rules(actor, [{"channel_key": "all"}], now=now)

    with channels.scoping.workspace(other_workspace):
        assert channel_of(actor, platform="meta") == "paid_social"


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ([], {"rules"}),
        ("email", {"rules"}),
        ([{"channel_key": "a"}] * 501, {"rules"}),
        (["email"], {"rules.0"}),
        ([{"platform": "meta"}], {"rules.0.channel_key"}),
        ([{"channel_key": "none"}], {"rules.0.channel_key"}),
        ([{"channel_key": "a", "platform": "x" * 301}], {"rules.0.platform"}),
        ([{"channel_key": "a", "platform": "\u0130" * 151}], {"rules.0.platform"}),
        ([{"channel_key": "a", "colour": "red", "is_active": 1}], {"rules.0.colour", "rules.0.is_active"}),
    ],
)
def test_bad_rules_are_refused_and_change_nothing(actor, now, rules, fields):
    channels.ensure_defaults()
    before = list(ChannelRule.objects.order_by("position").values())

    with pytest.raises(Invalid) as refusal:
        channels.replace_rules(actor, rules, now=now)

    assert set(refusal.value.errors) == fields
    assert list(ChannelRule.objects.order_by("position").values()) == before


def test_a_pattern_full_of_stars_takes_no_time(actor, now):
    """A backtracking matcher would not come back from this one."""
    channels.replace_rules(actor, [{"channel_key": "a", "utm_campaign": "*a" * 140 + "*b"}], now=now)

    assert channel_of(actor, campaign_id="a" * 199) == "other"
