"""Which class speaks to which platform."""

from collections.abc import Callable

from apps.integrations.client import Client
from apps.integrations.connectors.ads.meta import MetaAds
from apps.integrations.connectors.ads.platform import AdPlatform

_PLATFORMS: dict[str, Callable[[Client], AdPlatform]] = {"meta_ads": MetaAds}


def of(client: Client) -> AdPlatform:
    """The platform at a connection. Raises KeyError for a service that is none."""
    return _PLATFORMS[client.service.key](client)
