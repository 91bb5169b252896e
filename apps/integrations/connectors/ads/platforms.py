"""Which class speaks to which platform."""

from apps.integrations.client import Client
from apps.integrations.connectors.ads.google import GoogleAds
from apps.integrations.connectors.ads.linkedin import LinkedInAds
from apps.integrations.connectors.ads.meta import MetaAds
from apps.integrations.connectors.ads.platform import AdPlatform, Dimension
from apps.integrations.connectors.ads.tiktok import TikTokAds
from apps.integrations.connectors.ads.x import XAds

_PLATFORMS: dict[str, type[GoogleAds | LinkedInAds | MetaAds | TikTokAds | XAds]] = {
    "google_ads": GoogleAds,
    "linkedin_ads": LinkedInAds,
    "meta_ads": MetaAds,
    "tiktok_ads": TikTokAds,
    "x_ads": XAds,
}


def excludes(service: str) -> frozenset[Dimension]:
    """By which of a platform's dimensions a segment can be left out from here. Raises KeyError."""
    return _PLATFORMS[service].excludes


def of(client: Client) -> AdPlatform:
    """The platform at a connection. Raises KeyError for a service that is none."""
    return _PLATFORMS[client.service.key](client)


def kind_of(service: str) -> type[AdPlatform]:
    """What is known of a platform without a connection: dimensions, excludes, can_validate, reread_days.
    Raises KeyError for a service that is none.
    """
    return _PLATFORMS[service]
