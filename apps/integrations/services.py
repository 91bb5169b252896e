"""The services that there are doors to. Each connector describes its own here, in one place for pages and
code.

What is known of a service for certain stands in its module; what is not is a setting (INTEGRATION_URLS,
INTEGRATION_VERSIONS), so that a wrong guess is mended without a release.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils.module_loading import import_string

from apps.integrations.http import Request, Response
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Outcome
from apps.integrations.resilience.policy import Limits


class Family(StrEnum):
    """The value names the room under connectors/."""

    ADS = "ads"
    CONVERSIONS = "conversions"
    EMAIL = "email"
    ANALYTICS = "analytics"
    CRM = "crm"
    SOCIAL = "social"
    ALERTS = "alerts"
    LLM = "llm"
    # Of connections whose service has no room any more.
    GONE = "gone"


class Reach(StrEnum):
    """What a connection can honestly do."""

    TWO_WAY = "two-way"
    BRIDGE = "bridge"
    ONE_WAY_OUT = "one-way out"
    ONE_WAY_IN = "one-way in"


@dataclass(frozen=True, kw_only=True)
class Field:
    """Something that a person types in to connect. A secret one is sealed and never shown again."""

    key: str
    label: str
    help: str = ""
    is_secret: bool = False
    is_required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    # What an address must begin with.
    begins_with: str = ""


@dataclass(frozen=True, kw_only=True)
class OAuth:
    """Authorisation code flow. The application's id and secret are settings: OAUTH_CLIENTS."""

    authorize_url: str
    token_url: str
    revoke_url: str = ""
    uses_pkce: bool = True
    extra: Mapping[str, str] = field(default_factory=dict)


Credentials = Mapping[str, Any]
Sign = Callable[[Request, Credentials], Request]
Classify = Callable[[Response, bool, datetime], Outcome]


def by_status(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The classifier of a service that says all by its status."""
    return of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)


def unsigned(request: Request, credentials: Credentials) -> Request:
    return request


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, described: everything that differs between services and is not code of its own.

    base_url: where it is, unless settings say otherwise. check: dotted name of a function that asks it
    something harmless with a client and answers what to show ("Account 123, GBP"). honest: what a connection
    can and cannot do, for the page. sunset_on: the day on which this version stops.

    welcome: dotted name of what is done with a connection in the transaction that makes it; farewell: of what
    is done with a client before its credentials are forgotten. facts: of what else the page says of one.
    """

    key: str
    name: str
    family: Family
    base_url: str
    version: str = ""
    sunset_on: date | None = None
    fields: tuple[Field, ...] = ()
    oauth: OAuth | None = None
    scopes: tuple[str, ...] = ()
    reach: Reach = Reach.ONE_WAY_OUT
    honest: str = ""
    limits: Limits = field(default_factory=Limits)
    sign: Sign = unsigned
    classify: Classify = by_status
    check: str = ""
    welcome: str = ""
    farewell: str = ""
    facts: str = ""
    # Whether the page of services offers it; false for what has a page of its own.
    is_offered: bool = True

    @property
    def spoken_version(self) -> str:
        """Of its interface, as settings have it or as the module knows it."""
        return str(settings.INTEGRATION_VERSIONS.get(self.key, self.version))

    @property
    def url(self) -> str:
        """The base with its version, without a slash at the end."""
        return self.placed(self.base_url.format(version=self.spoken_version)).rstrip("/")

    def placed(self, url: str) -> str:
        """An address of it, at the origin where settings say that it is (a sandbox, a proxy, a fake)."""
        fakes = f"{settings.FAKES_URL}/{self.key}" if settings.FAKES_URL else ""
        origin: str = settings.INTEGRATION_URLS.get(self.key, fakes)
        parts = urlsplit(url)
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        return f"{origin.rstrip('/')}{path}" if origin else url

    @property
    def sign_in_origin(self) -> str:
        """Where a person is sent to sign in, without its path; empty where nobody is."""
        if self.oauth is None:
            return ""
        parts = urlsplit(self.placed(self.oauth.authorize_url))
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secret_fields(self) -> tuple[Field, ...]:
        return tuple(one for one in self.fields if one.is_secret)

    def days_to_sunset(self, today: date) -> int | None:
        return None if self.sunset_on is None else (self.sunset_on - today).days

    def run_check(self, client: Any) -> str:
        return import_string(self.check)(client) if self.check else ""

    def run_welcome(self, connection: Any, *, now: datetime) -> None:
        if self.welcome:
            import_string(self.welcome)(connection, now=now)

    def run_farewell(self, client: Any) -> None:
        if self.farewell:
            import_string(self.farewell)(client)

    def facts_of(self, connection: Any, *, now: datetime) -> list[tuple[str, str]]:
        """Pairs of a label and what stands beside it."""
        return import_string(self.facts)(connection, now=now) if self.facts else []


_services: dict[str, Service] = {}
GONE = "This version of Bellwether has no door to it. Disconnect it."


def register(service: Service) -> Service:
    """Add a service. Raises ValueError for a key that is taken."""
    if service.key in _services:
        raise ValueError(f"{service.key} is registered twice")
    _services[service.key] = service
    return service


def get(key: str) -> Service:
    """Raises KeyError for a service that this version does not know."""
    return _services[key]


def known(key: str) -> Service:
    """The service, or one that does nothing in its place: connections outlive the module of theirs."""
    return _services.get(key) or Service(
        key=key,
        name=key.replace("_", " ").capitalize(),
        family=Family.GONE,
        base_url="https://localhost",
        honest=GONE,
        is_offered=False,
    )


def is_known(key: str) -> bool:
    return key in _services


def every() -> list[Service]:
    return sorted(_services.values(), key=lambda one: (one.family, one.name))


def of_family(family: Family) -> list[Service]:
    return [one for one in every() if one.family == family]
