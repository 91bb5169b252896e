"""What the tests of every route must be told: an object for each parameter, and a good body for each."""

from collections.abc import Callable
from typing import Any

from apps.accounts import scoping
from apps.accounts.models import ApiKey, Job, Membership, Person, Workspace
from apps.attribution import analysis
from apps.attribution.models import Channel, FileImport
from tests.factories import PersonFactory
from tests.house.rows import row_of

Builder = Callable[[Workspace], dict[str, Any]]


def _id_of(model: type[Any], name: str, column: str = "pk") -> Builder:
    return lambda workspace: {name: getattr(row_of(model, workspace), column)}


def _job(workspace: Workspace, kind: str) -> Job:
    with scoping.workspace(workspace):
        return Job.objects.create(workspace=workspace, kind=kind, title=kind)


# Route → the values of its parameters, naming an object of the given workspace.
OBJECTS: dict[str, Builder] = {
    "accounts:job": _id_of(Job, "public_id", "public_id"),
    "accounts:job-cancel": _id_of(Job, "public_id", "public_id"),
    "accounts:member-role": _id_of(Membership, "membership_id"),
    "accounts:member-remove": _id_of(Membership, "membership_id"),
    "accounts:member-invite": _id_of(Membership, "membership_id"),
    "accounts:key-revoke": _id_of(ApiKey, "key_id"),
    "accounts:workspace-enter": lambda workspace: {"workspace_id": workspace.pk},
    "accounts-api:job": _id_of(Job, "public_id", "public_id"),
    "accounts-api:job-cancel": _id_of(Job, "public_id", "public_id"),
    "accounts-api:api-key-revoke": _id_of(ApiKey, "key_id"),
    "attribution:channel": _id_of(Channel, "key", "key"),
    "attribution:person": _id_of(Person, "public_id", "public_id"),
    "attribution:import-file": _id_of(FileImport, "import_id"),
    "attribution:import-rejected": _id_of(FileImport, "import_id"),
    "attribution-api:analyze-batch-result": lambda workspace: {
        "job_id": _job(workspace, analysis.KIND).public_id
    },
}

_event = {
    "user_id": "ada",
    "event_type": "click",
    "platform": "google",
    "campaign_id": "spring",
    "occurred_at": "2026-11-19T10:00:00Z",
    "event_id": "e-1",
    "channel": "paid_search",
    "url": "https://shop.example/?utm_source=google",
    "referrer": "https://google.example/",
    "utm_source": "google",
    "creative_id": "c-1",
    "cost": "0.42",
    "sent_at": "2026-11-19T10:00:01Z",
    "properties": {"a": 1},
}
_conversion = {
    "user_id": "ada",
    "conversion_type": "purchase",
    "revenue": "99.99",
    "currency": "GBP",
    "occurred_at": "2026-11-19T11:00:00Z",
    "order_id": "o-1",
    "event_id": "c-1",
}
_period = {"from": "2026-10-01", "to": "2026-11-19", "conversion_type": "purchase", "lookback_days": 30}

# (method, route) → a body that is accepted. A route that takes no body has none.
BODIES: dict[tuple[str, str], Any] = {
    ("post", "accounts-api:api-key-list"): {
        "name": "shop",
        "scopes": ["read"],
        "expires_at": "2099-01-01T00:00:00Z",
    },
    ("post", "accounts-api:api-key-revoke"): None,
    ("post", "accounts-api:job-cancel"): None,
    ("patch", "accounts-api:workspace"): {
        "name": "Acme",
        "time_zone": "Europe/London",
        "settings": {"rate_limits": {"viral": 5}, "exchange_rates": {"EUR": "0.85"}, "lookback_days": 30},
        "reason": "tidying",
    },
    ("post", "attribution-api:track-event"): _event,
    ("post", "attribution-api:track-conversion"): _conversion,
    ("post", "attribution-api:track-batch"): {
        "events": [{"kind": "touch", **_event}, {"kind": "conversion", **_conversion}]
    },
    ("post", "attribution-api:track-spend"): {
        "spend": [
            {
                "platform": "google",
                "day": "2026-11-19",
                "amount": "12.50",
                "campaign_id": "spring",
                "clicks": 7,
            }
        ]
    },
    ("post", "attribution-api:identify"): {
        "anonymous_id": "a-1",
        "user_id": "ada",
        "traits": {"plan": "gold"},
    },
    ("post", "attribution-api:analyze-journey"): {
        "user_id": "ada",
        "model_type": "linear",
        "conversion_id": 1,
        "lookback_days": 30,
    },
    ("post", "attribution-api:analyze-batch"): {"model_type": ["linear"], "group_by": "channel", **_period},
    ("post", "attribution-api:train-markov"): {"order": 1, **_period},
    ("put", "attribution-api:channel-rules"): {"rules": [{"channel_key": "email", "platform": "email"}]},
}


# Page → a form that it accepts, where an empty one is refused before the object is looked for.
FORMS: dict[str, dict[str, Any]] = {"accounts:member-role": {"role": "viewer"}}


def parameters_of(route: Any, workspace: Workspace) -> dict[str, Any]:
    """The route's parameters, naming an object of the workspace. KeyError: nobody registered the route."""
    return OBJECTS[route.name](workspace) if route.parameters else {}


def somebody(workspace: Workspace) -> None:
    """Make the person of whom the bodies speak."""
    PersonFactory(workspace=workspace, external_id="ada")
