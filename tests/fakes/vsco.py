"""VSCO Workspace API v2 as its OpenAPI description has it: one studio with its contacts, jobs and links.

Pages of 10 to 100, sorted as asked; a write replaces the whole document, refuses what only the server may
set and leaves external mappings alone; REST hooks for four events, unsigned, with an id and nothing else;
429 with Retry-After once what is allowed is used up.
"""

import json
import threading
import urllib.request
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

KEY, READ_ONLY_KEY = "vsco-key", "vsco-read-only"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
EVENTS = ("contact.created", "job.created", "order.booked", "payment.created")
SERVER_SET = {"links", "id", "created", "modified", "hidden", "anonymized", "title", "totalRevenue"} | {
    "jobTypeName",
    "leadSourceName",
    "leadStatusName",
    "sample",
    "totalCost",
    "totalProfit",
    "accountBalance",
    "creditBalance",
}
KINDS = {"person", "company", "location"}
STAGES = {"lead", "booked", "fulfillment", "completed"}
COUPLES = (
    ("Alice", "Hart", "Ben", "Moore"),
    ("Chloe", "Reid", "Dan", "Walsh"),
    ("Emma", "Stone", "Felix", "Gray"),
    ("Grace", "Lowe", "Harry", "Finch"),
    ("Isla", "Marsh", "Jack", "Dunn"),
    ("Kira", "Shah", "Liam", "Boyd"),
    ("Mia", "Novak", "Noah", "Price"),
    ("Olive", "Perry", "Theo", "Quinn"),
)
VENUES = ("Aynhoe Park", "The Barn at Upcote", "Elmore Court", "Hedsor House")
FLORISTS = ("Wild & Stem", "Petal House")


def error(kind: str, title: str, detail: Any, *, status: int, headers: dict[str, str] | None = None) -> Reply:
    """The documented envelope."""
    told = {"type": kind, "title": title, "detail": detail, "status": status}
    request_id = {"x-request-id": "0f3c9e1a-trace"}
    return json_reply(told, status=status, headers=request_id | (headers or {}))


def too_many(seconds: int | str = 2) -> Reply:
    headers = {"Retry-After": str(seconds)}
    detail = "Exceeded request quota, see Retry-After header"
    return error("quota-limit", "Too Many Requests", detail, status=429, headers=headers)


def invalid(**fields: str) -> Reply:
    return error("validation-error", "Validation Error", fields, status=400)


class Vsco(Fake):
    name = "vsco"
    hint = f"any name; API key {KEY}"

    def __init__(self, *, currency: str = "GBP", **options: Any) -> None:
        super().__init__(**options)
        self.rows: dict[str, dict[str, dict[str, Any]]] = {
            kind: {} for kind in ("contact", "job", "link", "hook", "order", "payment")
        }
        self.studio = {"id": self._ulid(), "name": "Studio North", "currencyCode": currency}
        self.types = self._dictionary("Wedding", "Engagement", "Portrait")
        self.sources = self._dictionary("Website", "Instagram", "Referral")
        self.statuses = self._dictionary("New", "Contacted", "Proposal sent")
        # What hooks were sent, address and body; posted as well where somebody is there to take it.
        self.fired: list[tuple[str, bytes]] = []
        self.posts_hooks = False
        self.allowed: int | None = None
        self.retry_after = 2

    def furnish(self) -> None:
        """A wedding photographer's year: couples, their weddings, venues, florists, what was ordered and
        paid.
        """
        self.posts_hooks = True
        today = datetime.fromtimestamp(self.now(), UTC).date()
        for name in VENUES:
            self.add("contact", kind="location", name=name)
        for name in FLORISTS:
            self.add("contact", kind="company", name=name, email=f"hello@{name.split()[0].lower()}.example")
        for number, couple in enumerate(COUPLES * 4):
            self._wedding(number, couple, today)

    def _wedding(self, number: int, couple: tuple[str, str, str, str], today: date) -> None:
        day = today + timedelta(days=(number - 12) * 19)
        year = f"{day:%y}{number:02d}"
        people = [
            self.add(
                "contact",
                kind="person",
                firstName=first,
                lastName=last,
                email=f"{first}.{last}{year}@example.com".lower(),
                cellPhone={"e164": f"+4477009{number:03d}{place:02d}"},
                privacyOptIn=(number + place) % 3 != 0,
            )
            for place, (first, last) in enumerate((couple[:2], couple[2:]))
        ]
        is_past, is_booked = day < today, number % 4 != 3
        stage = "completed" if is_past and is_booked else "booked" if is_booked else "lead"
        job = self.add(
            "job",
            name=f"{couple[0]} & {couple[2]}",
            stage=stage,
            jobTypeId=self.types["Wedding"],
            leadSourceId=list(self.sources.values())[number % 3],
            inquiryDate=(day - timedelta(days=300)).isoformat(),
            eventDate=day.isoformat(),
            bookingDate=(day - timedelta(days=270)).isoformat() if is_booked else None,
            guestCount=60 + 7 * (number % 9),
            closed=is_past and not is_booked,
            totalRevenue=(1_800 + 150 * (number % 8)) * 100 if is_booked else 0,
        )
        for person in people:
            self.add("link", jobId=job, contactId=person, client=True)
        venue = list(self.rows["contact"])[number % len(VENUES)]
        self.add("link", jobId=job, contactId=venue, client=False)

    def add(self, kind: str, /, **fields: Any) -> str:
        """Something that the studio put in itself; hooks fire as they would."""
        key, now = self._ulid(), self._stamp()
        row = {"id": key, "created": now, "modified": now, "hidden": False, **fields}
        row.setdefault("externalMappings", [])
        self.rows[kind][key] = row
        event = {"contact": EVENTS[0], "job": EVENTS[1], "order": EVENTS[2], "payment": EVENTS[3]}.get(kind)
        if event:
            self._fire(event, key)
        return key

    def change(self, kind: str, key: str, /, **fields: Any) -> None:
        """Something that the studio changed itself."""
        self.rows[kind][key] |= fields | {"modified": self._stamp()}

    @route("GET", r"/api/v2/studio/me")
    def read_studio(self, request: Seen) -> Reply:
        return self._refused(request) or json_reply(self.studio)

    @route("PUT", r"/api/v2/studio/me/readonly-mode")
    def readonly_mode(self, request: Seen) -> Reply:
        raise AssertionError("readonly-mode is never to be called")

    @route("GET", r"/api/v2/address-book")
    def list_contacts(self, request: Seen) -> Reply:
        rows = list(self.rows["contact"].values())
        if request.query.get("includeHidden") != "true":
            rows = [one for one in rows if not one["hidden"]]
        if email := request.query.get("email", "").lower():
            rows = [one for one in rows if email.split("@")[0] in str(one.get("email") or "").lower()]
            rows.sort(key=lambda one: str(one.get("email") or "").lower() != email)
        return self._refused(request) or self._paged(request, rows, "addressbook", is_ranked=bool(email))

    @route("GET", r"/api/v2/job")
    def list_jobs(self, request: Seen) -> Reply:
        rows = list(self.rows["job"].values())
        if request.query.get("includeClosed") != "true":
            rows = [one for one in rows if not one.get("closed")]
        return self._refused(request) or self._paged(request, self._mapped(request, rows), "job")

    @route("GET", r"/api/v2/job-contact")
    def list_links(self, request: Seen) -> Reply:
        rows = list(self.rows["link"].values())
        for name in ("jobId", "contactId"):
            if wanted := request.query.get(name):
                rows = [one for one in rows if one[name] == wanted]
        return self._refused(request) or self._paged(request, self._mapped(request, rows), "jobcontact")

    @route("GET", r"/api/v2/(?P<name>job-type|lead-source|lead-status)")
    def list_dictionary(self, request: Seen) -> Reply:
        known = {"job-type": self.types, "lead-source": self.sources, "lead-status": self.statuses}
        rows = [{"id": key, "name": name} for name, key in known[request.args["name"]].items()]
        return self._refused(request) or self._paged(request, rows, "dictionary")

    @route("GET", r"/api/v2/rest-hook")
    def list_hooks(self, request: Seen) -> Reply:
        return self._refused(request) or self._paged(request, list(self.rows["hook"].values()), "resthook")

    @route("POST", r"/api/v2/rest-hook")
    def add_hook(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        body = request.json
        if body.get("event") not in EVENTS or not str(body.get("url")).startswith("http"):
            return invalid(event="This value is not valid.")
        return json_reply(self.rows["hook"][self.add("hook", **body)], status=201)

    @route("DELETE", r"/api/v2/rest-hook/(?P<id>\w+)")
    def delete_hook(self, request: Seen) -> Reply:
        if refused := self._refused(request):
            return refused
        is_there = self.rows["hook"].pop(request.args["id"], None)
        return Reply(204) if is_there else self.unknown(request)

    @route("GET", r"/api/v2/(?P<place>address-book|job|order|payment)/(?P<id>\w+)")
    def read_one(self, request: Seen) -> Reply:
        row = self._row(request)
        if refused := self._refused(request):
            return refused
        return self.unknown(request) if row is None else json_reply(self._shown(row))

    @route("POST", r"/api/v2/(?P<place>address-book|job|job-contact)")
    def create(self, request: Seen) -> Reply:
        if refused := self._refused(request) or self._invalid(request, before=None):
            return refused
        kind = KIND_OF[request.args["place"]]
        return json_reply(self._shown(self.rows[kind][self.add(kind, **request.json)]), status=201)

    @route("PUT", r"/api/v2/(?P<place>address-book|job|job-contact)/(?P<id>\w+)")
    def replace(self, request: Seen) -> Reply:
        """What is not sent is empty afterwards: nobody promised anything else."""
        row = self._row(request)
        if refused := self._refused(request):
            return refused
        if row is None:
            return self.unknown(request)
        if wrong := self._invalid(request, before=row):
            return wrong
        kept = {key: value for key, value in row.items() if key in SERVER_SET | {"externalMappings"}}
        row.clear()
        row |= {**request.json, **kept, "modified": self._stamp()}
        return json_reply(self._shown(row))

    def unknown(self, request: Seen) -> Reply:
        return error("unknown", "Not Found", "The requested resource does not exist.", status=404)

    def _row(self, request: Seen) -> dict[str, Any] | None:
        return self.rows[KIND_OF[request.args["place"]]].get(request.args["id"])

    def _refused(self, request: Seen) -> Reply | None:
        key = request.headers.get("x-api-key")
        if key not in {KEY, READ_ONLY_KEY}:
            return error("unknown", "Unauthorized", "API key is missing or invalid.", status=401)
        if key == READ_ONLY_KEY and request.method != "GET":
            return error("unknown", "Forbidden", "This API key can only read.", status=403)
        if self.allowed is None:
            return None
        self.allowed -= 1
        return too_many(self.retry_after) if self.allowed < 0 else None

    def _invalid(self, request: Seen, *, before: dict[str, Any] | None) -> Reply | None:
        body, place = request.json, request.args["place"]
        if wrong := sorted(SERVER_SET & body.keys()):
            return invalid(**dict.fromkeys(wrong, "This field is read only."))
        if before is not None and body.get("externalMappings", []) != before["externalMappings"]:
            return invalid(externalMappings="These can not be updated currently.")
        if place == "address-book":
            return self._invalid_contact(body)
        if place == "job":
            is_known = body.get("stage", "lead") in STAGES
            return None if is_known else invalid(stage="This value is not valid.")
        is_whole = body.get("jobId") in self.rows["job"] and body.get("contactId") in self.rows["contact"]
        return None if is_whole else invalid(contactId="This is not one of yours.")

    def _invalid_contact(self, body: dict[str, Any]) -> Reply | None:
        if body.get("kind") not in KINDS:
            return invalid(kind="This value is not valid.")
        if body.get("email") and "@" not in body["email"]:
            return invalid(email="This value is not a valid email address.")
        if len(str(body.get("firstName") or "")) > 48:
            return invalid(firstName="This value is too long.")
        return None

    def _mapped(self, request: Seen, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wanted = request.query.get("externalMappingId")
        if not wanted:
            return rows
        return [one for one in rows if any(two["id"] == wanted for two in one["externalMappings"])]

    def _paged(
        self, request: Seen, rows: list[dict[str, Any]], kind: str, *, is_ranked: bool = False
    ) -> Reply:
        size, page = int(request.query.get("pageSize", 100)), int(request.query.get("page", 1))
        if not 10 <= size <= 100 or page < 1:
            return invalid(pageSize="This value should be between 10 and 100.")
        if not is_ranked:
            name, _, way = request.query.get("sortBy", "id").partition(" ")
            rows = sorted(rows, key=lambda one: (str(one.get(name)), one["id"]), reverse=way == "desc")
        start = (page - 1) * size
        pages = -(-len(rows) // size)
        meta = {"currentPage": page, "totalPages": pages, "totalItems": len(rows), "rows": size}
        items = [self._shown(one) for one in rows[start : start + size]]
        return json_reply({"meta": meta, "type": f"{kind}-collection", "items": items})

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """With the names that it is known by, and where it is."""
        names = {
            "jobTypeName": (self.types, "jobTypeId"),
            "leadSourceName": (self.sources, "leadSourceId"),
            "leadStatusName": (self.statuses, "leadStatusId"),
        }
        told = {
            shown: next((name for name, key in known.items() if key == row[place]), None)
            for shown, (known, place) in names.items()
            if row.get(place)
        }
        here = f"https://workspace.vsco.co/records/{row['id']}"
        return {**row, **told, "links": {"self": {"href": f"{here}.json", "managerHref": here}}}

    def _fire(self, event: str, key: str) -> None:
        body = json.dumps({"targetId": key}).encode()
        for hook in self.rows["hook"].values():
            if hook["event"] == event:
                self.fired.append((hook["url"], body))
                if self.posts_hooks:
                    threading.Thread(target=_post, args=(hook["url"], body), daemon=True).start()

    def _dictionary(self, *names: str) -> dict[str, str]:
        return {name: self._ulid() for name in names}

    def _stamp(self) -> str:
        return f"{datetime.fromtimestamp(self.now(), UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _ulid(self) -> str:
        """48 bits of milliseconds and a number that rises, in Crockford's base 32, in small letters."""
        number, letters = (int(self.now() * 1_000) << 80) | self.next_id(), ""
        for _ in range(26):
            number, rest = divmod(number, 32)
            letters = ALPHABET[rest] + letters
        return letters


KIND_OF = {
    "address-book": "contact",
    "job": "job",
    "job-contact": "link",
    "order": "order",
    "payment": "payment",
}


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - a fake's
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - a fake's
    except OSError:
        return
