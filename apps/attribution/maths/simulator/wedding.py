"""The company of the demo: software for wedding suppliers, sold online and at fairs."""

from __future__ import annotations

from .market import Campaign, Channel, Market

PAID_SOCIAL = Channel(
    key="paid_social",
    touches=0.8,
    effect=0.045,
    drift=0.5,
    lag_days=6,
    moment=(1.3, 2.6),
    intent=0.1,
    click_share=0.4,
    campaigns=(
        Campaign(
            key="meta-prospecting-lookalike", platform="meta", share=5,
            creatives=("reel-diary", "carousel-reviews"),
            utm_source="facebook", utm_medium="paid_social", utm_campaign="prospecting-lookalike",
            click_id="fbclid", click_price_minor=420, thousand_price_minor=1100,
        ),
        Campaign(
            key="meta-prospecting-interest", platform="meta", share=3,
            creatives=("story-invoice", "reel-diary"),
            utm_source="instagram", utm_medium="paid_social", utm_campaign="prospecting-interest",
            click_id="fbclid", click_price_minor=460, thousand_price_minor=1250,
        ),
        Campaign(
            key="linkedin-venue-managers", platform="linkedin", share=1.5,
            creatives=("venue-case-study",),
            utm_source="linkedin", utm_medium="paid_social", utm_campaign="venue-managers",
            click_id="li_fat_id", click_price_minor=980, thousand_price_minor=3400,
        ),
        Campaign(
            key="x-wedding-pros", platform="x", share=1,
            creatives=("thread-pricing",),
            utm_source="x", utm_medium="paid_social", utm_campaign="wedding-pros",
            click_id="twclid", click_price_minor=310, thousand_price_minor=600,
        ),
    ),
)  # fmt: skip
VIDEO = Channel(
    key="video",
    touches=0.95,
    effect=0.004,
    lag_days=8,
    moment=(1.0, 4.0),
    click_share=0.15,
    campaigns=(
        Campaign(
            key="tiktok-behind-the-scenes", platform="tiktok",
            creatives=("bts-florist", "bts-barn", "bts-cake"),
            utm_source="tiktok", utm_medium="paid_video", utm_campaign="behind-the-scenes",
            click_id="ttclid", click_price_minor=240, thousand_price_minor=700,
        ),
    ),
)  # fmt: skip
GENERIC_SEARCH = Channel(
    key="generic_search",
    touches=0.45,
    effect=0.085,
    lag_days=2,
    moment=(1.6, 1.8),
    intent=0.2,
    campaigns=(
        Campaign(
            key="google-generic-crm", platform="google", share=3,
            creatives=("rsa-bookings", "rsa-contracts"),
            utm_source="google", utm_medium="cpc", utm_campaign="generic-wedding-crm",
            click_id="gclid", click_price_minor=760,
        ),
        Campaign(
            key="google-generic-invoicing", platform="google", share=2,
            creatives=("rsa-invoices",),
            utm_source="google", utm_medium="cpc", utm_campaign="generic-invoicing",
            click_id="gclid", click_price_minor=640,
        ),
    ),
)  # fmt: skip
BRAND_SEARCH = Channel(
    key="brand_search",
    touches=0.22,
    effect=0.004,
    lag_days=1,
    moment=(3.0, 1.4),
    intent=0.9,
    symptom=0.4,
    campaigns=(
        Campaign(
            key="google-brand", platform="google",
            creatives=("rsa-brand",),
            utm_source="google", utm_medium="cpc", utm_campaign="brand-exact",
            click_id="gclid", click_price_minor=190,
        ),
    ),
)  # fmt: skip
RETARGETING = Channel(
    key="retargeting",
    touches=1.7,
    effect=0.003,
    lag_days=2,
    moment=(2.2, 1.3),
    intent=0.8,
    needs_visit=True,
    click_share=0.08,
    campaigns=(
        Campaign(
            key="meta-retargeting-visitors", platform="meta", share=3,
            creatives=("dpa-plans", "dpa-quote"),
            utm_source="facebook", utm_medium="retargeting", utm_campaign="visitors-30d",
            click_id="fbclid", click_price_minor=330, thousand_price_minor=1600,
        ),
        Campaign(
            key="google-display-retargeting", platform="google", share=2,
            creatives=("banner-300x250", "banner-728x90"),
            utm_source="google", utm_medium="retargeting", utm_campaign="display-visitors",
            click_id="gclid", click_price_minor=280, thousand_price_minor=450,
        ),
    ),
)  # fmt: skip
EMAIL = Channel(
    key="email",
    touches=0.75,
    effect=0.03,
    lag_days=2,
    moment=(1.8, 1.3),
    intent=0.4,
    needs_visit=True,
    click_share=0.35,
    click_type="email_click",
    view_type="email_open",
    stays=0.6,
    campaigns=(
        Campaign(
            key="newsletter-season", platform="email", share=3,
            creatives=("issue-season", "issue-pricing"),
            utm_source="newsletter", utm_medium="email", utm_campaign="season", fee_minor=180,
        ),
        Campaign(
            key="nurture-guide", platform="email", share=2,
            creatives=("guide-1", "guide-2"),
            utm_source="nurture", utm_medium="email", utm_campaign="guide", fee_minor=60,
        ),
    ),
)  # fmt: skip
ORGANIC = Channel(
    key="organic",
    touches=0.5,
    effect=0.05,
    lag_days=3,
    moment=(1.4, 1.8),
    intent=0.2,
    click_type="visit",
    campaigns=(
        Campaign(key="", platform="organic", share=4, referrer="https://www.google.com/"),
        Campaign(key="", platform="organic", share=1, referrer="https://www.bing.com/"),
    ),
)
REFERRAL = Channel(
    key="referral",
    touches=0.16,
    effect=0.17,
    lag_days=4,
    moment=(1.3, 1.8),
    click_type="visit",
    campaigns=(
        Campaign(key="", platform="referral", share=2, referrer="https://blog.barn-venues.example/"),
        Campaign(key="", platform="referral", share=1, referrer="https://florists-forum.example/"),
    ),
)
DIRECT = Channel(
    key="direct",
    touches=0.3,
    effect=0.0,
    moment=(2.4, 1.4),
    intent=0.7,
    symptom=0.35,
    click_type="visit",
    stays=0.5,
    campaigns=(Campaign(key="", platform="direct"),),
)
PARTNER = Channel(
    key="partner",
    touches=0.12,
    effect=0.22,
    lag_days=5,
    moment=(1.3, 1.6),
    click_share=0.4,
    click_type="call",
    view_type="visit",
    campaigns=(
        Campaign(key="fair-spring", platform="offline", share=3, utm_campaign="fair-spring", fee_minor=1400),
        Campaign(
            key="supplier-guild", platform="partner", share=2, utm_campaign="supplier-guild", fee_minor=700
        ),
    ),
)
OTHER = Channel(
    key="other",
    touches=0.2,
    effect=0.0,
    moment=(1.4, 1.6),
    campaigns=(
        Campaign(
            key="aislemap-listing", platform="aislemap",
            creatives=("listing",),
            utm_source="aislemap", utm_medium="listing", utm_campaign="spring-listing", click_price_minor=150,
        ),
    ),
)  # fmt: skip

WEDDING_SUPPLIERS = Market(
    channels=(
        PAID_SOCIAL, VIDEO, GENERIC_SEARCH, BRAND_SEARCH, RETARGETING, EMAIL,
        ORGANIC, REFERRAL, DIRECT, PARTNER, OTHER,
    ),
    baseline=0.06,
    intent=0.9,
)  # fmt: skip
