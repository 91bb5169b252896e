"""Which class speaks to which customer system; each module beside this one adds its own."""

from collections.abc import Callable

from apps.integrations.client import Client
from apps.integrations.connectors.crm.system import System

_SYSTEMS: dict[str, Callable[[Client], System]] = {}


def register(service: str, make: Callable[[Client], System]) -> None:
    """Say how a service's system is reached. Raises ValueError for one that is taken."""
    if service in _SYSTEMS:
        raise ValueError(f"{service} is registered twice")
    _SYSTEMS[service] = make


def of(client: Client) -> System:
    """The system at a connection. Raises KeyError for a service that is none."""
    return _SYSTEMS[client.service.key](client)
