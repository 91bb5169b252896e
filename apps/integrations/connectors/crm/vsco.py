"""VSCO Workspace (Táve): contacts and jobs, both ways.

It has no keys against repetition and no entity tags. So whoever makes something looks it up first, by the id
that we give it when we make it; a change is written over what was read a moment before, and only if that was
not modified since the change was decided. `PUT /studio/me/readonly-mode` exists and is called by nobody here.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.urls import reverse

from apps.integrations import errors, services
from apps.integrations.client import Client
from apps.integrations.connectors import reading
from apps.integrations.connectors.crm import systems
from apps.integrations.connectors.crm import vsco_records as records
from apps.integrations.connectors.crm.system import Changed, Entity, Fields, Page, Remote
from apps.integrations.connectors.crm.vsco_records import Document
from apps.integrations.http import Request, Response, Unreadable
from apps.integrations.resilience.classify import of_status
from apps.integrations.resilience.outcomes import Kind, Outcome, Scope
from apps.integrations.resilience.policy import Answer, Limits, Rate
from apps.integrations.services import Credentials, Family, Field, Reach, Service

KEY = "vsco"
NAME = "VSCO Workspace"
PAGE = 100
READ_ONLY = "read"
PLACES = {Entity.CONTACT: "/address-book", Entity.JOB: "/job"}
# What is listed besides the open and the visible, so that nothing seems to be gone.
ALL = {Entity.CONTACT: {"includeHidden": "true"}, Entity.JOB: {"includeClosed": "true"}}
DICTIONARIES = {"job_type": ("/job-type", "jobTypeId"), "lead_source": ("/lead-source", "leadSourceId")}
ULID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
QUOTA, INVALID, MISSING = "quota-limit", "validation-error", "not-implemented"
ERRORS = {QUOTA, INVALID, MISSING, "unknown"}
THROTTLE_SECONDS = 60.0
# A person who is named in so few jobs is looked up through them.
MOST_JOBS = 5
FEW_JOBS = 10


def sign(request: Request, credentials: Credentials) -> Request:
    return replace(request, headers={**request.headers, "X-API-KEY": str(credentials.get("api_key") or "")})


def classify(response: Response, is_idempotent: bool, now: datetime) -> Outcome:
    """The error in the body, whatever the status; its words name fields and never repeat what is in them."""
    by_status = of_status(response.status, response.headers, is_idempotent=is_idempotent, now=now)
    document = response.json_object()
    error = document.get("type") if document.get("type") in ERRORS and "title" in document else None
    if error is None:
        return _without_error(by_status, response)
    kind = _kind(str(error), by_status, is_idempotent)
    found = replace(by_status, kind=kind, status=response.status)
    if kind == Kind.THROTTLED:
        wait = by_status.retry_after_seconds
        found = replace(
            found, retry_after_seconds=THROTTLE_SECONDS if wait is None else wait, scope=Scope.ACCOUNT
        )
    words = _words(document)
    return reading.told(
        found, code=error, words=words, name=NAME, trace=response.headers.get("x-request-id", "")
    )


def _without_error(by_status: Outcome, response: Response) -> Outcome:
    if by_status.status == 404:
        return replace(by_status, kind=Kind.PERMANENT_DATA, reason=f"{NAME} does not have it.")
    return reading.with_body(by_status, response, NAME)


def _kind(error: str, by_status: Outcome, is_idempotent: bool) -> Kind:
    if error == QUOTA:
        return Kind.THROTTLED
    if error in {INVALID, MISSING} or by_status.status == 404:
        return Kind.PERMANENT_DATA
    if by_status.is_good:
        return Kind.RETRYABLE if is_idempotent else Kind.UNKNOWN
    return by_status.kind


def _words(document: Mapping[str, Any]) -> str:
    detail = document.get("detail")
    fields = detail if isinstance(detail, dict) else (document.get("info") or {}).get("errors") or {}
    named = ", ".join(sorted(fields)) if isinstance(fields, dict) else ""
    return f"{document.get('title')}{f' ({named})' if named else ''}"


class Vsco:
    """One studio. What is asked for many records at once, the links and the studio, is asked once."""

    is_readable = True
    drops_duplicates = False

    def __init__(self, client: Client) -> None:
        self.client = client
        may_write = client.credentials.get("access") != READ_ONLY
        nothing: frozenset[str] = frozenset()
        self.speaks: Mapping[Entity, Fields] = {
            Entity.CONTACT: Fields(
                entity=Entity.CONTACT,
                writable=records.CONTACT_FIELDS if may_write else nothing,
                readable=records.CONTACT_FIELDS,
            ),
            Entity.JOB: Fields(
                entity=Entity.JOB,
                writable=records.JOB_WRITABLE if may_write else nothing,
                readable=records.JOB_READABLE,
            ),
        }

    def page(self, entity: Entity, number: int, *, since: datetime | None = None) -> Page:
        """Jobs come with their clients, who are asked for one job at a time where they are few, and else all
        at once: a request per hundred links of the studio.
        """
        asked = {"page": number, "pageSize": PAGE, "sortBy": "modified desc", **ALL[entity]}
        items, following = self._listed(f"{entity}s.list", PLACES[entity], asked)
        new = [one for one in items if since is None or _is_newer(one, since)]
        found = [one for one in new if not one.get("sample")]
        is_few = entity == Entity.JOB and len(found) <= FEW_JOBS
        told = [
            self._remote(entity, one, links=self._links_of(entity, str(one["id"])) if is_few else None)
            for one in found
        ]
        return Page(records=tuple(told), following=following if len(new) == len(items) else None)

    def fetch(self, entity: Entity, external_id: str) -> Remote | None:
        document = self._document(entity, external_id)
        if document is None or document.get("anonymized") or document.get("sample"):
            return None
        return self._remote(entity, document, links=self._links_of(entity, external_id))

    def find(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> Remote | None:
        found = (
            self._contact_like(our_id, fields) if entity == Entity.CONTACT else self._job_like(our_id, fields)
        )
        return None if found is None else self.fetch(entity, str(found["id"]))

    def create(self, entity: Entity, our_id: str, fields: Mapping[str, Any]) -> "Answer[Remote]":
        """Made under our id. Clients who could not be linked are missing in what is answered."""
        try:
            body = self._new(entity, fields)
        except errors.ServiceError as error:
            return _not_read(error)
        body["externalMappings"] = [{"id": our_id, "url": _address_here(self.client)}]
        answer = self._write(f"{entity}s.create", "POST", PLACES[entity], body)
        if answer.value is None:
            return answer
        return self._linked(entity, answer.value, fields, links=[])

    def update(
        self,
        entity: Entity,
        external_id: str,
        fields: Mapping[str, Any],
        *,
        modified_at: datetime | None,
    ) -> "Answer[Remote]":
        try:
            document = self._document(entity, external_id)
            if document is None or document.get("anonymized") or _is_newer(document, modified_at):
                raise Changed
            changes = self._changes(entity, fields, document)
            links = self._links_of(entity, external_id) if "contacts" in fields else []
        except errors.ServiceError as error:
            return _not_read(error)
        except _NoSuchName as error:
            return _refused(str(error))
        if not changes:
            return self._linked(entity, document, fields, links=links)
        rest = records.contact_rest if entity == Entity.CONTACT else records.job_rest
        path = f"{PLACES[entity]}/{external_id}"
        answer = self._write(f"{entity}s.change", "PUT", path, rest(document) | changes)
        return answer if answer.value is None else self._linked(entity, answer.value, fields, links=links)

    def _write(self, name: str, method: str, path: str, body: Mapping[str, Any]) -> "Answer[Any]":
        """A whole document over another is written twice harmlessly; a new one is not."""
        request = Request(method=method, url=path, json=body)
        answer = self.client.ask(name, request, read=read_one, kind="write", is_idempotent=method == "PUT")
        if answer.value is None:
            return answer
        return replace(answer, outcome=replace(answer.outcome, reference=str(answer.value["id"])))

    def _linked(
        self, entity: Entity, document: Document, fields: Mapping[str, Any], *, links: list[Document]
    ) -> "Answer[Remote]":
        """Have exactly those contacts be clients of the job. Whoever else is linked to it stays."""
        outcome, key = Outcome(kind=Kind.OK, reference=str(document["id"])), str(document["id"])
        try:
            if entity == Entity.JOB and fields.get("contacts") is not None:
                links = self._with_clients(key, links, set(fields["contacts"]))
            else:
                links = self._links_of(entity, key)
            return Answer(outcome=outcome, value=self._remote(entity, document, links=links))
        except errors.ServiceError:  # it is done; only what it looks like now could not be read
            return Answer(outcome=outcome)

    def _with_clients(self, job_id: str, links: list[Document], wanted: set[str]) -> list[Document]:
        """The links as they are after each was tried; one that was not taken stands as it was."""
        known = {str(one["contactId"]) for one in links}
        new = [{"contactId": one, "jobId": job_id, "client": True} for one in sorted(wanted - known)]
        after: list[Document] = []
        for one in links:
            is_client = one["contactId"] in wanted
            if bool(one.get("client")) == is_client:
                after.append(one)
                continue
            body = {**{key: one.get(key) for key in ("contactId", "jobId", "jobRoles")}, "client": is_client}
            answer = self._write("links.change", "PUT", f"/job-contact/{one['id']}", body)
            after.append(answer.value or one)
        made = [self._write("links.create", "POST", "/job-contact", one).value for one in new]
        return after + [one for one in made if one is not None]

    def _new(self, entity: Entity, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A name that the studio does not have is left out: a lead is worth more than its type."""
        if entity == Entity.CONTACT:
            kind = {"kind": fields.get("kind") or "person"}
            told = {name: value for name, value in fields.items() if value is not None}
            return kind | records.contact_changes(told, kind)
        body = records.job_changes({name: value for name, value in fields.items() if value is not None})
        for name, (_, place) in DICTIONARIES.items():
            if fields.get(name) and (known := self._ids(name).get(fields[name].casefold())):
                body[place] = known
        return {"stage": "lead", **body}

    def _changes(self, entity: Entity, fields: Mapping[str, Any], before: Document) -> dict[str, Any]:
        if entity == Entity.CONTACT:
            return records.contact_changes(fields, before)
        changes = records.job_changes(fields)
        for name, (_, place) in DICTIONARIES.items():
            if name in fields:
                changes[place] = self._id_of(name, fields[name])
        return changes

    def _id_of(self, dictionary: str, name: str | None) -> str | None:
        if name is None:
            return None
        try:
            return self._ids(dictionary)[name.casefold()]
        except KeyError as error:
            what = dictionary.replace("_", " ")
            raise _NoSuchName(f"The studio has no {what} called {name!r}. Add it there.") from error

    def _ids(self, dictionary: str) -> dict[str, str]:
        if dictionary not in self._dictionaries:
            rows = self._all(f"{dictionary}s.list", DICTIONARIES[dictionary][0], {"sortBy": "id"})
            self._dictionaries[dictionary] = {str(one["name"]).casefold(): str(one["id"]) for one in rows}
        return self._dictionaries[dictionary]

    @cached_property
    def _dictionaries(self) -> dict[str, dict[str, str]]:
        return {}

    def _contact_like(self, our_id: str, fields: Mapping[str, Any]) -> Document | None:
        """Ours by its id; else the one with that address, of several the one with that name.

        Without an address only the latest changed are looked through: contacts cannot be asked by our id.
        """
        email = str(fields.get("email") or "").strip().casefold()
        newest = {"sortBy": "modified desc"}
        asked = {
            "page": 1,
            "pageSize": PAGE,
            **ALL[Entity.CONTACT],
            **({"email": email} if email else newest),
        }
        items, _ = self._listed("contacts.find", PLACES[Entity.CONTACT], asked)
        if ours := [one for one in items if our_id in records.our_ids(one)]:
            return ours[0]
        same = [one for one in items if email and str(one.get("email") or "").casefold() == email]
        same = [one for one in same if not one.get("anonymized")]
        named = [one for one in same if _name(records.contact_fields(one)) == _name(fields)]
        likely = named or (same if len(same) == 1 else [])
        return likely[0] if likely else None

    def _job_like(self, our_id: str, fields: Mapping[str, Any]) -> Document | None:
        """Ours by its id; else a job of the same client on the same day."""
        asked = {"page": 1, "pageSize": PAGE, "externalMappingId": our_id, **ALL[Entity.JOB]}
        items, _ = self._listed("jobs.find", PLACES[Entity.JOB], asked)
        if ours := [one for one in items if our_id in records.our_ids(one)]:
            return ours[0]
        day, contacts = fields.get("event_date"), fields.get("contacts") or []
        if not (day and contacts):
            return None
        links = self._all("links.of_contact", "/job-contact", {"contactId": contacts[0]})
        jobs = [self._document(Entity.JOB, str(one["jobId"])) for one in links[:MOST_JOBS]]
        return next((one for one in jobs if one is not None and one.get("eventDate") == day), None)

    def _remote(self, entity: Entity, document: Document, *, links: list[Document] | None = None) -> Remote:
        is_gone = bool(document.get("anonymized"))
        mapped = records.our_ids(document)
        return Remote(
            entity=entity,
            id=str(document["id"]),
            # Notes come with one that is asked for by itself, and not with a page of them.
            raw={key: value for key, value in document.items() if key != "notes"},
            fields={} if is_gone else self._fields(entity, document, links),
            modified_at=records.modified_at(document),
            our_id=mapped[0] if mapped else "",
            url=records.web_address(document),
            is_gone=is_gone,
        )

    def _fields(self, entity: Entity, document: Document, links: list[Document] | None) -> dict[str, Any]:
        if entity == Entity.CONTACT:
            return records.contact_fields(document)
        own = self._links.get(str(document["id"]), []) if links is None else links
        return records.job_fields(
            document,
            contacts=[str(one["contactId"]) for one in own if one.get("client")],
            currency=str(self._studio.get("currencyCode") or "USD"),
            cents=settings.VSCO_COUNTS_CENTS,
        )

    @cached_property
    def _studio(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.require("studio.read", Request(method="GET", url="/studio/me"))
        return found

    @cached_property
    def _links(self) -> dict[str, list[Document]]:
        """Who belongs to which job, of the whole studio."""
        found: dict[str, list[Document]] = {}
        for one in self._all("links.list", "/job-contact", {"sortBy": "id"}):
            found.setdefault(str(one["jobId"]), []).append(one)
        return found

    def _links_of(self, entity: Entity, job_id: str) -> list[Document]:
        return self._all("links.of_job", "/job-contact", {"jobId": job_id}) if entity == Entity.JOB else []

    def _document(self, entity: Entity, external_id: str) -> dict[str, Any] | None:
        if not ULID.fullmatch(external_id):
            return None
        request = Request(method="GET", url=f"{PLACES[entity]}/{external_id}")
        answer = self.client.ask(f"{entity}s.read", request, read=read_one)
        if answer.outcome.status == 404:
            return None
        if answer.value is None:
            raise errors.of(NAME, answer.outcome)
        return answer.value

    def _all(self, name: str, path: str, asked: Mapping[str, Any]) -> list[Document]:
        found: list[Document] = []
        number: int | None = 1
        while number is not None:
            items, number = self._listed(name, path, {"page": number, "pageSize": PAGE, **asked})
            found.extend(items)
        return found

    def _listed(self, name: str, path: str, asked: Mapping[str, Any]) -> tuple[list[Document], int | None]:
        """The items of a page and the number of the next one, or None."""
        document = self.client.require(name, Request(method="GET", url=path, params=asked), read=read_list)
        items, pages = document["items"], (document.get("meta") or {}).get("totalPages")
        is_last = len(items) < PAGE if pages is None else asked["page"] >= pages
        return items, None if is_last or not items else asked["page"] + 1


class _NoSuchName(Exception):
    """A dictionary of the studio does not have it."""


def read_one(response: Response) -> dict[str, Any]:
    document = response.json_object()
    if not document.get("id"):
        raise Unreadable(f"{NAME} answered without a record.")
    return document


def read_list(response: Response) -> dict[str, Any]:
    document = response.json_object()
    if not isinstance(document.get("items"), list):
        raise Unreadable(f"{NAME} answered without a list.")
    return document


def _is_newer(document: Document, modified_at: datetime | None) -> bool:
    now = records.modified_at(document)
    return modified_at is not None and now is not None and now > modified_at


def _name(fields: Mapping[str, Any]) -> tuple[str, str]:
    return str(fields.get("first_name") or "").casefold(), str(fields.get("last_name") or "").casefold()


def _refused(reason: str) -> "Answer[Any]":
    return Answer(outcome=Outcome(kind=Kind.PERMANENT_DATA, reason=reason, was_sent=False))


def _not_read(error: errors.ServiceError) -> "Answer[Any]":
    """What had to be read before writing could not be: nothing was written, so it may be tried again."""
    kind = Kind.RETRYABLE if error.outcome.kind == Kind.UNKNOWN else error.outcome.kind
    return Answer(outcome=replace(error.outcome, kind=kind, was_sent=False))


def _address_here(client: Client) -> str:
    """Where somebody who looks at the record there finds us."""
    return settings.SITE_URL + reverse("integrations:connection", args=[client.connection.public_id])


def check(client: Client) -> str:
    studio = client.require("studio.read", Request(method="GET", url="/studio/me"))
    note = " It is in read-only mode there." if studio.get("readonlyEnabled") else ""
    return f"{studio.get('name')}, {studio.get('currencyCode') or 'USD'}.{note}"


services.register(
    Service(
        key=KEY,
        name=f"{NAME} (Táve)",
        family=Family.CRM,
        base_url="https://workspace.vsco.co/api/{version}",
        version="v2",
        fields=(
            Field(
                key="api_key",
                label="API key",
                help="In VSCO Workspace: Settings, API Integrations. Read/Write, to have changes go back.",
                is_secret=True,
            ),
            Field(
                key="access",
                label="What the key may do",
                choices=(("write", "Read and write"), (READ_ONLY, "Read only")),
            ),
        ),
        reach=Reach.TWO_WAY,
        honest=(
            "Contacts and jobs, both ways. New ones are told at once, changes are read every few minutes, "
            "what was deleted there is found out within a week."
        ),
        # Short windows are waited for, where a minute's worth would be refused.
        limits=Limits(
            at_once=2,
            rates=(Rate(limit=max(1, int(4 * settings.VSCO_CALLS_PER_SECOND)), window_seconds=4),),
        ),
        sign=sign,
        classify=classify,
        check="apps.integrations.connectors.crm.vsco.check",
        welcome="apps.integrations.connectors.crm.vsco_hooks.register",
        farewell="apps.integrations.connectors.crm.vsco_hooks.remove",
    )
)
systems.register(KEY, Vsco)
