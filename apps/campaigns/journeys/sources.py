"""What can be heard of people: by the event hub, or read from tables that only grow.

A source's key stands in graphs. Those of floors to come are registered with no way to hear them: a draft may
name one, publishing says what is missing. Any event of the hub with a field person_id or person_ids is a
source by its own name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from django.db.models.functions import Coalesce

from apps.accounts.events import REGISTRY, Event
from apps.accounts.models import OutboxEvent
from apps.attribution.events import ConversionsChanged, ConversionsRecorded, TouchpointsStored
from apps.attribution.models import Conversion, Touchpoint
from apps.integrations.models.sync import Entity

ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something happened to a person. cause: names it, the same however often it is told."""

    person_id: int
    cause: str
    occurred_at: datetime
    facts: dict[str, Any] = field(default_factory=dict)


# From an event and its row, and the values asked for of the source's `narrow` field (None: all).
Finder = Callable[[Any, OutboxEvent, set[str] | None], Iterator[Happening]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """fields: what a happening tells; values: all that those of few can be. narrow: the field that a
    condition must name a value of, since too much happens otherwise. event: the hub's name, or empty; table:
    SQL of rows (streams.py), or empty; neither: there is nothing yet that tells it.
    """

    key: str
    name: str
    fields: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    narrow: str = ""
    event: str = ""
    find: Finder | None = None
    table: str = ""

    @property
    def is_heard(self) -> bool:
        return bool(self.event or self.table)


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Once each; what is registered with a way to be heard takes the place of a name without."""
    known = _sources.get(source.key)
    if known is not None and known.is_heard:
        raise ValueError(f"{source.key} is registered twice")
    _sources[source.key] = source


def get(key: str) -> Source | None:
    return _sources.get(key) or _of_the_hub(key)


def listed() -> list[Source]:
    """All that may be chosen: those that are heard first, each by name."""
    of_hub = [found for name in REGISTRY if name not in _events() and (found := _of_the_hub(name))]
    return sorted([*_sources.values(), *of_hub], key=lambda one: (not one.is_heard, one.name))


def of_event(name: str) -> list[Source]:
    """The sources that an event of the hub feeds."""
    found = [one for one in _sources.values() if one.event == name]
    own = _of_the_hub(name) if not found else None
    return [*found, *([own] if own else [])]


def streams() -> list[Source]:
    return [one for one in _sources.values() if one.table]


def _events() -> set[str]:
    return {one.event for one in _sources.values()}


def _of_the_hub(name: str) -> Source | None:
    kind = REGISTRY.get(name)
    names = {one.name for one in fields(kind)} if kind else set()
    if kind is None or not names & {"person_id", "person_ids"}:
        return None
    told = tuple(sorted(names - {"workspace_id", "person_id", "person_ids"}))
    return Source(key=name, name=f"Event {name}", fields=told, event=name, find=_by_its_people)


def _by_its_people(event: Event, row: OutboxEvent, only: set[str] | None) -> Iterator[Happening]:
    told = asdict(event)
    people: Iterable[int] = told.pop("person_ids", None) or [told.pop("person_id", 0)]
    facts = {key: value for key, value in told.items() if isinstance(value, str | int | float)}
    for person in people:
        yield Happening(person_id=person, cause=f"event:{row.pk}", occurred_at=row.created_at, facts=facts)


def _of_conversions(event: Any, row: OutboxEvent, only: set[str] | None) -> Iterator[Happening]:
    is_new = isinstance(event, ConversionsRecorded)
    found = Conversion.objects.filter(pk__in=event.conversion_ids)
    if only is not None:
        found = found.filter(conversion_type__in=only)
    for one in found.iterator(chunk_size=ROWS_AT_ONCE):
        yield Happening(
            person_id=one.person_id,
            cause=f"conversion:{one.pk}" if is_new else f"conversion:{one.pk}:{row.pk}",
            occurred_at=one.occurred_at if is_new else row.created_at,
            facts={"type": one.conversion_type, "value": float(one.value), "is_counted": one.is_counted},
        )


def _of_touches(event: Any, row: OutboxEvent, only: set[str] | None) -> Iterator[Happening]:
    found = Touchpoint.objects.filter(pk__gte=event.first_id, pk__lte=event.last_id)
    if only is not None:
        found = found.filter(event_type__in=only)
    columns = found.annotate(channel=Coalesce("source__channel__key", "source__platform")).values_list(
        "pk", "person_id", "occurred_at", "event_type", "source__platform", "source__campaign_id", "channel"
    )
    for pk, person, at, kind, platform, campaign, channel in columns.iterator(chunk_size=ROWS_AT_ONCE):
        facts = {"type": kind, "platform": platform, "campaign": campaign, "channel": channel}
        yield Happening(person_id=person, cause=f"touch:{pk}", occurred_at=at, facts=facts)


# Tables of rows that are added and never changed: the columns are id, person_id, cause, occurred_at, facts;
# %(after)s and %(upto)s bound their ids. A row that concerns several people comes once for each.
CONSENTS = """
    SELECT c.id, c.person_id, 'consent:' || c.id, c.occurred_at,
           jsonb_build_object('purpose', c.purpose, 'place', c.source)::text
    FROM accounts_consentrecord AS c
    WHERE c.workspace_id = (SELECT %(workspace)s::bigint) AND c.id > %(after)s AND c.id <= %(upto)s
      AND {what}
"""
MEMBERS = """
    SELECT m.id, m.person_id, 'member:' || m.id, m.added_at,
           jsonb_build_object('list', a.name, 'list_id', a.public_id)::text
    FROM campaigns_audiencemember AS m
    JOIN campaigns_audience AS a ON a.workspace_id = m.workspace_id AND a.id = m.audience_id
    WHERE m.workspace_id = (SELECT %(workspace)s::bigint) AND m.id > %(after)s AND m.id <= %(upto)s
"""
ENGAGEMENTS = """
    SELECT e.id, e.person_id, 'message:' || e.id, e.occurred_at,
           jsonb_build_object('campaign', c.name, 'campaign_id', c.public_id, 'link', e.link)::text
    FROM campaigns_engagement AS e
    JOIN campaigns_campaign AS c ON c.workspace_id = e.workspace_id AND c.id = e.campaign_id
    WHERE e.workspace_id = (SELECT %(workspace)s::bigint) AND e.id > %(after)s AND e.id <= %(upto)s
      AND e.kind = '{kind}' AND NOT e.is_machine
"""
# The fields of a record are sealed; what stands beside them is as it is now. What happens to a job happens to
# each of its people: those of the contacts that it names, in the system that it is in.
RECORDS = """
    SELECT t.id, whose.person_id, 'record:' || t.id, t.at,
           jsonb_build_object(
               'what', CASE WHEN t.kind = 'made' THEN 'made' WHEN t.kind IN ('gone', 'erased') THEN 'gone'
                            WHEN t.kind IN ('joined', 'absorbed') THEN 'joined' ELSE 'changed' END,
               'fields', translate((t.data -> 'fields')::text, '[]"', ''),
               'entity', r.entity, 'stage', r.stage, 'job_type', r.job_type, 'event_on', r.event_on,
               'total', r.total)::text
    FROM integrations_trailentry AS t
    JOIN integrations_syncrecord AS r
      ON r.workspace_id = t.workspace_id AND r.public_id = substr(t.stream, 6)::uuid
    CROSS JOIN LATERAL (
        SELECT r.person_id
        UNION
        SELECT contact.person_id
        FROM integrations_syncexternal AS job
        JOIN integrations_syncexternal AS named
          ON named.workspace_id = job.workspace_id AND named.connection_id = job.connection_id
         AND named.entity = 'contact' AND named.external_id = ANY(job.contact_ids)
        JOIN integrations_syncrecord AS contact
          ON contact.workspace_id = named.workspace_id AND contact.id = named.record_id
        WHERE r.entity = 'job' AND job.workspace_id = r.workspace_id AND job.record_id = r.id) AS whose
    WHERE t.workspace_id = (SELECT %(workspace)s::bigint) AND t.id > %(after)s AND t.id <= %(upto)s
      AND t.stream ~ '^sync:[0-9a-f-]{{36}}$' AND t.kind <> 'pushed' AND whose.person_id IS NOT NULL
"""

CONVERSION = ("type", "value", "is_counted")
MESSAGE = ("campaign", "campaign_id", "link")
REPLIED, UNSUBSCRIBED = "message.replied", "message.unsubscribed"
CONSENT_WITHDRAWN = "consent.withdrawn"

for _source in (
    Source(
        key="conversion.recorded",
        name="A conversion is recorded",
        fields=CONVERSION,
        event=ConversionsRecorded.name,
        find=_of_conversions,
    ),
    Source(
        key="conversion.changed",
        name="A conversion is changed or refunded",
        fields=CONVERSION,
        event=ConversionsChanged.name,
        find=_of_conversions,
    ),
    Source(
        key="touchpoint.stored",
        name="A touchpoint of a type",
        fields=("type", "platform", "campaign", "channel"),
        narrow="type",
        event=TouchpointsStored.name,
        find=_of_touches,
    ),
    Source(
        key="consent.given",
        name="Consent is given",
        fields=("purpose", "place"),
        table=CONSENTS.format(what="c.is_granted"),
    ),
    Source(
        key=CONSENT_WITHDRAWN,
        name="Consent is withdrawn",
        fields=("purpose", "place"),
        table=CONSENTS.format(what="NOT c.is_granted"),
    ),
    Source(key="list.joined", name="Somebody joins a list", fields=("list", "list_id"), table=MEMBERS),
    Source(
        key="message.clicked",
        name="A link in a message is clicked",
        fields=MESSAGE,
        table=ENGAGEMENTS.format(kind="clicked"),
    ),
    Source(
        key=REPLIED, name="A message is replied to", fields=MESSAGE, table=ENGAGEMENTS.format(kind="replied")
    ),
    Source(
        key=UNSUBSCRIBED,
        name="Somebody unsubscribes by a message",
        fields=MESSAGE,
        table=ENGAGEMENTS.format(kind="unsubscribed"),
    ),
    Source(
        key="record.changed",
        name="A record of a customer system changes",
        fields=("what", "fields", "entity", "stage", "job_type", "event_on", "total"),
        values={"what": ("made", "changed", "joined", "gone"), "entity": tuple(Entity.values)},
        table=RECORDS.format(),
    ),
    Source(key="health.dropped", name="Health of a customer drops"),
    Source(key="churn.risk_rose", name="Risk of churn rises"),
    Source(key="milestone.reached", name="A milestone is reached"),
    Source(key="invitation.accepted", name="An invitation is accepted"),
    Source(key="planning.phase_began", name="A phase of planning begins"),
):
    register(_source)
