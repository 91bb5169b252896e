"""Light Blue, whose only door is its Inbox: a form is posted, a code comes back, and a person there accepts.

Nothing can be read. So a lead that was taken is `delivered_to_inbox` and no more. The pair of `Source` and
`ID` is checked there for repetition, which makes the same lead harmless to send twice: the second one is
refused with a code that means that the first was taken.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm.system import Entity, Fields, Page, Remote
from apps.integrations.http import Request, Response
from apps.integrations.models import Connection
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import OK, Kind, Outcome
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Family, Field, Reach, Service

KEY = "light_blue"
NAME = "Light Blue"
DELIVERED = "delivered_to_inbox"
TAKEN, NOT_VALID, DUPLICATE, NOT_SECURE = 0, -3, -4, -20
# What their own modules wait.
TIMEOUT_SECONDS = 45.0
DEADLINE_SECONDS = 100.0
SOURCE = "Bellwether"
CODE = re.compile(r"\s*(-?\d{1,4})(?:[\s,:;.]+(.*))?", re.DOTALL)
PERSON = frozenset({"first_name", "last_name", "email", "phone", "marketing_opt_in"})
JOB = frozenset({"name", "job_type", "lead_source", "event_date", "guest_count", "people"})


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The code that the body begins with; its status means nothing where there is one."""
    match = CODE.fullmatch(response.text[:2_000])
    code = None if match is None else int(match[1])
    if match is None or code is None or code > 0:
        return _without_code(response, is_idempotent, now)
    if code in {TAKEN, DUPLICATE}:
        return replace(OK, status=response.status, code=DELIVERED)
    words = " ".join((match[2] or "").split())
    kind = Kind.PERMANENT_CONFIG if code == NOT_SECURE else Kind.PERMANENT_DATA
    reason = f"{NAME} {code}: {words or 'it did not say why'}"[:300]
    return Outcome(kind=kind, status=response.status, code=str(code), reason=reason)


def _without_code(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    if not by_status.is_good:
        return by_status
    return Outcome(kind=Kind.UNKNOWN, status=response.status, reason=f"{NAME} answered without a code.")


class LightBlue:
    """The Inbox of one studio."""

    is_readable = False
    drops_duplicates = True
    speaks: Mapping[Entity, Fields] = {
        Entity.CONTACT: Fields(entity=Entity.CONTACT, writable=PERSON, readable=frozenset()),
        Entity.JOB: Fields(entity=Entity.JOB, writable=JOB, readable=frozenset()),
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
        """Lay it into the Inbox: a person, or a job with its people. The same our_id twice is there once."""
        lead = fields if entity == Entity.JOB else {"people": [fields]}
        form = {"ID": our_id, **_form(lead)}
        answer = _posted(self.client, "leads.send", "/api.php", form, is_idempotent=True)
        if not answer.outcome.is_good:
            return answer
        outcome = replace(answer.outcome, reference=our_id)
        remote = Remote(entity=entity, id=our_id, raw={}, fields=fields, our_id=our_id)
        return replace(answer, outcome=outcome, value=remote)

    def update(
        self,
        entity: Entity,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        modified_at: datetime | None,
    ) -> "Answer[Remote]":
        return _refused(f"{NAME} cannot be told of changes. Make this one there.")


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    people = fields.get("people") or []
    told = {
        "Message": _message(fields, people[1:]),
        **_person(people[0] if people else {}),
        "ContactSource": fields.get("lead_source"),
        "ShootTitle": fields.get("name"),
        "ShootType": fields.get("job_type"),
        "ShootDate": _day(fields.get("event_date")),
    }
    return {name: str(value) for name, value in told.items() if value}


def _person(person: Mapping[str, Any]) -> dict[str, Any]:
    opted = person.get("marketing_opt_in")
    return {
        "ContactNameFirst": person.get("first_name"),
        "ContactNameLast": person.get("last_name"),
        "ContactEmail": person.get("email"),
        "ContactPhone": person.get("phone"),
        "ContactMailingList": "Yes" if opted else None,
    }


def _message(fields: Mapping[str, Any], others: list[Mapping[str, Any]]) -> str:
    """For the person at the Inbox: what has no parameter of its own, and the day once more in words that
    cannot be read in two ways.
    """
    day = fields.get("event_date")
    lines = [f"Event date: {date.fromisoformat(day):%-d %B %Y}" if day else ""]
    if fields.get("guest_count"):
        lines.append(f"Guests: {fields['guest_count']}")
    for one in others:
        said = [one.get(name) for name in ("first_name", "last_name", "email", "phone")]
        lines.append("With: " + " ".join(str(text) for text in said if text))
    return "\n".join(filter(None, lines))


def _day(text: str | None) -> str | None:
    """dd/mm/yyyy, which they assume."""
    return f"{date.fromisoformat(text):%d/%m/%Y}" if text else None


def _posted(
    client: Client, name: str, path: str, form: Mapping[str, str], *, is_idempotent: bool
) -> "Answer[Any]":
    key = {"Key": str(client.credentials.get("api_key") or "")}
    kind = {"Type": "contact form", "Source": SOURCE} if path == "/api.php" else {}
    request = Request(method="POST", url=path, form={**key, **kind, **form})
    return client.ask(
        name,
        request,
        read=_words,
        kind="write" if kind else "read",
        is_idempotent=is_idempotent,
        timeout_seconds=TIMEOUT_SECONDS,
        deadline_seconds=DEADLINE_SECONDS,
    )


def _words(response: Response) -> str:
    match = CODE.fullmatch(response.text[:2_000])
    return " ".join((match[2] or "").split()) if match else ""


def _refused(reason: str) -> "Answer[Any]":
    return Answer(outcome=Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def _cannot_be_asked() -> errors.Refused:
    reason = "It can be sent to and not asked."
    return errors.Refused(NAME, Outcome(kind=Kind.REFUSED_HERE, reason=reason, was_sent=False))


def facts(connection: Connection, *, now: datetime) -> list[tuple[str, str]]:
    return [("What becomes of a lead", "It lies in the Inbox of Light Blue until somebody accepts it there.")]


def check(client: Client) -> str:
    """Their own modules ask this door whether a key is good."""
    answer = _posted(client, "account.check", "/apiCheck.php", {}, is_idempotent=True)
    if not answer.outcome.is_good:
        raise errors.of(NAME, answer.outcome)
    return answer.value or "The key is good."


services.register(
    Service(
        key=KEY,
        name=NAME,
        family=Family.CRM,
        base_url="https://online.lightbluesoftware.com",
        fields=(
            Field(
                key="api_key",
                label="API key",
                help="On your account page at lightbluesoftware.com, towards the bottom.",
                is_secret=True,
            ),
        ),
        reach=Reach.ONE_WAY_OUT,
        honest=(
            "New leads go into your Inbox in Light Blue, where a person accepts them. Nothing can be read "
            "back: bring what happens there in as a CSV file."
        ),
        limits=Limits(at_once=2, rates=(Rate(limit=60, window_seconds=60),)),
        classify=classify,
        check="apps.integrations.connectors.crm.lightblue.check",
        facts="apps.integrations.connectors.crm.lightblue.facts",
    )
)
systems.register(KEY, LightBlue)
