"""The channels and rules a workspace starts with. They are rows from then on: a workspace changes its own."""

from apps.attribution.channel_rules import CONDITIONS

# key → label, in the order of their colours.
CHANNELS = {
    "paid_social": "Paid social",
    "paid_search": "Paid search",
    "email": "Email",
    "organic_search": "Organic search",
    "retargeting": "Retargeting",
    "brand_search": "Brand search",
    "video": "Video",
    "referral": "Referral",
    "direct": "Direct",
    "partner": "Partner and offline",
    "organic_social": "Organic social",
    "display": "Display",
    "affiliate": "Affiliate",
    "other": "Other",
}

# Buyers come back from these; that is nobody's doing.
_PAYMENT = """
paypal.com paypalobjects.com stripe.com stripe.network klarna.com adyen.com mollie.com worldpay.com
sagepay.com opayo.co.uk squareup.com square.link clearpay.co.uk afterpay.com gocardless.com
braintreegateway.com checkout.com pay.google.com pay.amazon.com payments.amazon.co.uk
cardinalcommerce.com arcot.com 3dsecure.io securesuite.co.uk razorpay.com authorize.net
2checkout.com paddle.com chargebee.com recurly.com sumup.com zettle.com ideal.nl giropay.de
sofort.com barclaycard.co.uk truelayer.com
"""
PAYMENT_HOSTS = frozenset(_PAYMENT.split())

SEARCH = "google|google_ads|googleads|adwords|bing|bing_ads|microsoft|microsoft_ads|apple_search_ads|yahoo"
SOCIAL = (
    "meta|facebook*|fb|instagram*|ig|linkedin*|x|twitter*|pinterest*|reddit*|snapchat*|threads|tiktok*|t.co"
)
VIDEO = "tiktok*|youtube*|vimeo*"
SEARCH_HOSTS = (
    "google.*|*.google.*|bing.com|*.bing.com|duckduckgo.com|*.yahoo.*|yahoo.*|ecosia.org|*.ecosia.org"
    "|yandex.*|baidu.com|*.baidu.com|search.brave.com|startpage.com|*.startpage.com|qwant.com|*.qwant.com"
    "|com.google.android.googlequicksearchbox"
)
SOCIAL_HOSTS = (
    "facebook.com|*.facebook.com|instagram.com|*.instagram.com|linkedin.com|*.linkedin.com|lnkd.in|x.com|t.co"
    "|twitter.com|*.twitter.com|pinterest.*|*.pinterest.*|reddit.com|*.reddit.com|tiktok.com|*.tiktok.com"
    "|youtube.com|*.youtube.com|threads.net|bsky.app|com.linkedin.android"
)
MAIL_HOSTS = "mail.google.com|outlook.live.com|outlook.office.com|mail.yahoo.com|com.google.android.gm"
WEB = "web|website|site|app|mobile|ios|android|unknown"
PAID = "cpc|ppc|cpm|paid|paid_*|paid-*|ads|ad"
BRAND = "brand|brand[_-]*|*[_-]brand|*[_-]brand[_-]*"
NOT_BRAND = "*non[_-]brand*|*nonbrand*|*unbranded*"
GOOGLE_CLICKS = "gclid|gbraid|wbraid|msclkid"
UNSEEN = "(none)|(own)|(payment)"


def _spelt(pattern: str) -> str:
    """All spellings of a separator, since patterns have no character classes."""
    spelt = [part.replace("[_-]", mark) for part in pattern.split("|") for mark in "-_ "]
    return "|".join(dict.fromkeys(spelt))


RULES: list[tuple[str, dict[str, str]]] = [
    # What somebody says outright: mail, partners, and media that a label names.
    ("email", {"platform": "email|e-mail|mail|newsletter"}),
    ("email", {"utm_medium": "email|e-mail|e_mail|mail|newsletter"}),
    ("email", {"event_type": "email_*"}),
    ("affiliate", {"utm_medium": "affiliate*"}),
    ("affiliate", {"platform": "affiliate*"}),
    ("partner", {"platform": "offline|partner*|print|fair|event|phone|post|radio|tv"}),
    ("partner", {"utm_medium": "partner*|offline|print|fair|event|qr"}),
    ("retargeting", {"utm_medium": "*retarget*|*remarket*"}),
    ("retargeting", {"utm_campaign": "*retarget*|*remarket*"}),
    ("video", {"utm_medium": "*video*|cpv"}),
    ("display", {"utm_medium": "display|banner*|interstitial|programmatic|native"}),
    ("display", {"platform": "display|programmatic|dv360|criteo|taboola|outbrain"}),
    ("display", {"click_id": "dclid"}),
    # Somebody who searched for the company by name was on the way already: apart from other paid search.
    ("paid_search", {"platform": SEARCH, "utm_campaign": NOT_BRAND}),
    ("brand_search", {"platform": SEARCH, "utm_campaign": BRAND}),
    ("paid_search", {"click_id": GOOGLE_CLICKS, "utm_campaign": NOT_BRAND}),
    ("brand_search", {"click_id": GOOGLE_CLICKS, "utm_campaign": BRAND}),
    ("paid_search", {"utm_medium": "paid[_-]search|paidsearch|sem|search_ads"}),
    ("paid_social", {"utm_medium": "paid[_-]social|paidsocial|social[_-]paid|social[_-]ads"}),
    ("video", {"utm_medium": PAID, "utm_source": VIDEO}),
    ("paid_social", {"utm_medium": PAID, "utm_source": SOCIAL}),
    ("brand_search", {"utm_medium": PAID, "utm_source": SEARCH, "utm_campaign": BRAND}),
    ("paid_search", {"utm_medium": PAID, "utm_source": SEARCH}),
    # Free reach, by label.
    (
        "organic_social",
        {"utm_medium": "social|social[_-]media|organic[_-]social|social[_-]organic|community"},
    ),
    ("organic_social", {"utm_medium": "organic", "platform": SOCIAL}),
    ("organic_social", {"utm_medium": "organic", "utm_source": SOCIAL}),
    ("organic_search", {"utm_medium": "organic|seo|organic[_-]search"}),
    ("referral", {"utm_medium": "referral"}),
    # Click ids. Every link out of Facebook has an fbclid, advertisement or not: only the platform can tell.
    ("paid_search", {"click_id": GOOGLE_CLICKS}),
    ("video", {"click_id": "ttclid"}),
    ("paid_social", {"click_id": "li_fat_id|twclid"}),
    ("organic_social", {"click_id": "fbclid", "platform": WEB + "|organic|referral|direct|social"}),
    # A visit from Google's result page without click id and campaign was not paid for.
    (
        "organic_search",
        {"platform": SEARCH, "event_type": "visit|page_view|pageview", "utm_campaign": "(none)"}
        | {"referrer_host": SEARCH_HOSTS},
    ),
    # Platforms.
    ("paid_search", {"platform": SEARCH}),
    ("video", {"platform": VIDEO}),
    ("paid_social", {"platform": SOCIAL}),
    ("organic_social", {"platform": "organic", "referrer_host": SOCIAL_HOSTS}),
    ("organic_search", {"platform": "organic*|seo"}),
    ("organic_social", {"platform": "social|organic_social"}),
    # Back from the company's own pages or from paying: that is nobody's doing.
    ("direct", {"platform": "direct"}),
    ("direct", {"platform": "referral", "referrer_host": "(own)|(payment)"}),
    ("referral", {"platform": "referral"}),
    # Newsletters that only name their source, and whatever the referrer tells.
    ("email", {"utm_source": "newsletter*|mailchimp*|klaviyo*|sendgrid*|mailerlite*|hubspot_email*"}),
    ("email", {"referrer_host": MAIL_HOSTS}),
    ("organic_social", {"utm_source": SOCIAL}),
    ("organic_search", {"referrer_host": SEARCH_HOSTS}),
    ("organic_social", {"referrer_host": SOCIAL_HOSTS}),
    ("referral", {"referrer_host": "*.*"}),
    ("direct", {"platform": WEB, "utm_source": "(none)", "utm_medium": "(none)", "referrer_host": UNSEEN}),
]


def patterns(conditions: dict[str, str]) -> tuple[str, ...]:
    """A rule's patterns in the order of CONDITIONS."""
    return tuple(_spelt(conditions.get(name, "")) for name in CONDITIONS)
