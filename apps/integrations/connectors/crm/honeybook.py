"""HoneyBook, which has no public API: a bridge over the customer's own Zaps.

In: a Zap posts what happened there to the connection's address, in the form that `honeybook_news.py` takes.
Out: a new lead goes to the catch hook of another Zap, which makes the project. Zapier takes it and says no
more, so nothing is known of what became of it until a Zap tells us.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.template.defaultfilters import pluralize
from django.utils.timesince import timesince

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Entity, Fields, Page, Remote
from apps.integrations.http import Request, Response
from apps.integrations.models import Connection, InboundRecord
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Family, Field, Reach, Service

KEY = "honeybook"
ZAPIER = "Zapier"
CATCH = "https://hooks.zapier.com/hooks/catch/"
EVENT = "create_project"
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
PERSON = frozenset({"first_name", "last_name", "email", "phone"})
CONTACT_READABLE = PERSON | {"kind"}
JOB_READABLE = frozenset({"name", "stage", "job_type", "event_date", "total", "contacts"})
JOB_WRITABLE = frozenset(
    {"name", "stage", "job_type", "lead_source", "inquiry_date", "event_date", "guest_count", "people"}
)
# What a message of a Zap's may say (honeybook_news.py).
FIELDS = (
    "event",
    "id",
    "project_id",
    "client_name",
    "client_email",
    "phone",
    "project_name",
    "project_type",
    "event_date",
    "total",
    "stage",
    "occurred_at",
)
PLAIN = {
    "project_name": "name",
    "project_type": "job_type",
    "lead_source": "lead_source",
    "inquiry_date": "inquiry_date",
    "event_date": "event_date",
    "guest_count": "guest_count",
}


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """Taken is a 2xx with "success" in it. A hook that is gone needs a person."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    if not by_status.is_good:
        return by_status
    status = response.json_object().get("status")
    if status == "success":
        return replace(by_status, reference=str(response.json_object().get("id") or ""))
    if status is None:
        return reading.with_body(by_status, response, ZAPIER)
    reason = f"{ZAPIER} did not take it: {str(status)[:100]}."
    return Outcome(kind=Kind.PERMANENT_DATA, status=response.status, reason=reason)


class HoneyBook:
    """A studio at the other side of the bridge."""

    is_readable = False
    drops_duplicates = False
    speaks: Mapping[Entity, Fields] = {
        Entity.CONTACT: Fields(entity=Entity.CONTACT, writable=PERSON, readable=CONTACT_READABLE),
        Entity.JOB: Fields(entity=Entity.JOB, writable=JOB_WRITABLE, readable=JOB_READABLE),
    }

    def __init__(self, client: Client) -> None:
        self.client = client

    def page(self, entity: Entity, number: int, *, since: datetime | None = None) -> Page:
        raise _cannot_be_asked()

    def fetch(self, entity: Entity, external_id: str) -> Remote | None:
        raise _cannot_be_asked()

    def find(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> Remote | None:
        return None

    def create(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> "Answer[Remote]":
        """Hand a person, or a job with its people, to the Zap. It drops no duplicates, so one of unknown fate
        is not sent again.
        """
        url = str(self.client.credentials.get("catch_hook") or "")
        placed = self.client.service.placed(url)
        if not url.startswith(CATCH):
            reason = f"Give the address of a catch hook of {ZAPIER}'s to have leads go out."
            return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))
        lead = fields if entity == Entity.JOB else {"people": [fields]}
        request = Request(method="POST", url=placed, json=_told(our_id, lead), is_elsewhere=placed == url)
        remote = Remote(entity=entity, id=our_id, raw={}, fields=fields, our_id=our_id)
        return self.client.ask(
            "projects.create", request, read=lambda response: remote, kind="write", is_idempotent=False
        )

    def update(
        self,
        entity: Entity,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        modified_at: datetime | None,
    ) -> "Answer[Remote]":
        reason = "HoneyBook cannot be told of changes. Make this one there."
        return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def _told(our_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Flat, as a Zap maps it. What is not known is left out."""
    people = fields.get("people") or [{}]
    client = people[0]
    names = [str(client.get(name) or "") for name in ("first_name", "last_name")]
    told = {
        "event": EVENT,
        "id": our_id,
        "client_name": " ".join(filter(None, names)),
        "client_first_name": names[0],
        "client_last_name": names[1],
        "client_email": client.get("email"),
        "client_phone": client.get("phone"),
        **{theirs: fields.get(ours) for theirs, ours in PLAIN.items()},
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _cannot_be_asked() -> errors.Refused:
    reason = "It has no door for questions; what happens there comes by Zapier."
    return errors.Refused("HoneyBook", Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def lead_form(url: str, utm: Mapping[str, str]) -> str:
    """The studio's lead form with the marks of a campaign on it; marks that it has already stay."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    known = {name for name, _ in query}
    new = [(name, utm[name]) for name in UTM if utm.get(name) and name not in known]
    return urlunsplit(parts._replace(query=urlencode([*query, *new])))


def facts(connection: Connection, *, now: datetime) -> list[tuple[str, str]]:
    last = InboundRecord.objects.filter(connection=connection).order_by("-pk").first()
    heard = "Nothing yet." if last is None else f"Last news {timesince(last.received_at, now)} ago."
    told = [
        ("Freshness", f"Zapier looks every 1 to 15 minutes, by your plan there. {heard}"),
        ("What a message may say", ", ".join(FIELDS)),
    ]
    form = connection.options.get("lead_form")
    if form:
        marks = {"utm_source": "bellwether", "utm_medium": "referral", "utm_campaign": "your-campaign"}
        told.append(("Link to your lead form", lead_form(form, marks)))
    return told


def check(client: Client) -> str:
    """Nothing can be asked without something happening there; so this says what has been heard."""
    count = InboundRecord.objects.filter(connection=client.connection).count()
    came = f"{count:,} message{pluralize(count, ' has,s have')} come in."
    goes = "Leads go out to your catch hook." if client.credentials.get("catch_hook") else "No lead goes out."
    heard = came if count else "No message has come in yet: test your Zap."
    return f"{heard} {goes}"


services.register(
    Service(
        key=KEY,
        name="HoneyBook",
        family=Family.CRM,
        base_url="https://hooks.zapier.com",
        fields=(
            Field(
                key="catch_hook",
                label="Catch hook of your Zap",
                help=f"For leads that go out: {CATCH}… of a Zap that makes a project. Empty: none go out.",
                is_secret=True,
                is_required=False,
                begins_with=CATCH,
            ),
            Field(
                key="header_secret",
                label="Secret of messages that come in",
                help="Any text, sent by your Zap as the header X-Bellwether-Secret. Empty: not asked for.",
                is_secret=True,
                is_required=False,
            ),
            Field(
                key="lead_form",
                label="Address of your lead form",
                help="To have links to it that carry the campaign.",
                is_required=False,
                begins_with="https://",
            ),
        ),
        reach=Reach.BRIDGE,
        honest=(
            "HoneyBook has no public API. What happens there comes in through a Zap of yours, up to 15 "
            "minutes late; new leads go out through another. Nothing can be read back or changed there."
        ),
        limits=Limits(at_once=4, rates=(Rate(limit=20, window_seconds=1),)),
        classify=classify,
        check="apps.integrations.connectors.crm.honeybook.check",
        facts="apps.integrations.connectors.crm.honeybook.facts",
    )
)
systems.register(KEY, HoneyBook)
