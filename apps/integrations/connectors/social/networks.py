"""Which class speaks to which network, and what each takes."""

from collections.abc import Callable

from apps.integrations.client import Client
from apps.integrations.connectors.social import facebook, instagram, linkedin, x
from apps.integrations.connectors.social.network import Network, Rules

_NETWORKS: dict[str, Callable[[Client], Network]] = {
    "facebook_pages": facebook.FacebookPage,
    "instagram": instagram.Instagram,
    "linkedin_pages": linkedin.LinkedInPage,
    "x_social": x.XAccount,
}
_RULES: dict[str, Rules] = {
    "facebook_pages": facebook.RULES,
    "instagram": instagram.RULES,
    "linkedin_pages": linkedin.RULES,
    "x_social": x.RULES,
}
KEYS = tuple(_NETWORKS)


def of(client: Client) -> Network:
    """The network at a connection. Raises KeyError for a service that is none."""
    return _NETWORKS[client.service.key](client)


def rules_of(service: str) -> Rules:
    """Raises KeyError for a service that is none."""
    return _RULES[service]
