"""Documents of VSCO Workspace in our words, and our words in its documents. Nothing here asks anybody.

A change is written by sending the whole document back as it was read, less what only the server sets, so
that custom fields and everything else that we do not speak of stay as they are. What is nested keeps its ids,
or it would be made anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.integrations.money import exponent_of

Document = Mapping[str, Any]

STAGES = {"lead": "lead", "booked": "booked", "fulfillment": "fulfilment", "completed": "completed"}
NATIVE_STAGES = {ours: theirs for theirs, ours in STAGES.items()}
PEOPLE = {"person", "employee"}
# Where a number may stand, the one that is read first.
PHONES = ("cellPhone", "phone", "homePhone", "workPhone")
SERVER_SET = frozenset({"links", "id", "created", "modified", "hidden", "customNumber", "totalRevenue"})
CONTACT_SERVER_SET = SERVER_SET | {"anonymized", "accountBalance", "creditBalance", "totalCost"}
JOB_SERVER_SET = SERVER_SET | {
    "accountBalance",
    "closedReasonName",
    "creditBalance",
    "jobTypeName",
    "lastClientActivity",
    "leadSourceName",
    "leadStatusChangedAt",
    "leadStatusName",
    "nextInteractionDate",
    "nextInteractionItem",
    "previousInteractionDate",
    "previousInteractionItem",
    "primarySessionId",
    "sample",
    "staleDate",
    "title",
    "totalCost",
    "totalProfit",
    "workflowName",
}
CONTACT_FIELDS = frozenset(
    {"kind", "first_name", "last_name", "company", "email", "phone", "marketing_opt_in"}
)
# Ours → theirs, where both say it alike.
JOB_PLAIN = {
    "name": "name",
    "inquiry_date": "inquiryDate",
    "event_date": "eventDate",
    "booking_date": "bookingDate",
    "guest_count": "guestCount",
    "is_closed": "closed",
}
JOB_WRITABLE = frozenset({*JOB_PLAIN, "stage", "job_type", "lead_source", "contacts"})
JOB_READABLE = JOB_WRITABLE | {"total", "currency"}


def modified_at(document: Document) -> datetime | None:
    text = document.get("modified")
    return datetime.fromisoformat(text) if text else None


def our_ids(document: Document) -> list[str]:
    """The ids that other systems gave it when they made it; ours is among them where we did."""
    return [str(one.get("id")) for one in document.get("externalMappings") or []]


def web_address(document: Document) -> str:
    links = document.get("links") or {}
    return str((links.get("self") or {}).get("managerHref") or "")


def contact_fields(document: Document) -> dict[str, Any]:
    is_person = document.get("kind") in PEOPLE
    told = {
        "kind": document.get("kind"),
        "first_name": document.get("firstName" if is_person else "primaryContactFirstName") or None,
        "last_name": document.get("lastName" if is_person else "primaryContactLastName") or None,
        "company": document.get("companyName" if is_person else "name") or None,
        "email": document.get("email") or None,
        "phone": _phone(document),
    }
    return told | ({"marketing_opt_in": document.get("privacyOptIn")} if is_person else {})


def _phone(document: Document) -> str | None:
    found = next((document[place] for place in PHONES if document.get(place)), None)
    if found is None:
        return None
    e164 = str(found.get("e164") or "")
    return f"+{e164.lstrip('+')}" if e164 else (found.get("formatted") or None)


def contact_changes(fields: Mapping[str, Any], before: Document) -> dict[str, Any]:
    """What to set in a contact's document. before: as it is there, or just its kind."""
    is_person = before.get("kind") in PEOPLE
    places = {
        "first_name": "firstName" if is_person else "primaryContactFirstName",
        "last_name": "lastName" if is_person else "primaryContactLastName",
        "company": "companyName" if is_person else "name",
        "email": "email",
        **({"marketing_opt_in": "privacyOptIn"} if is_person else {}),
    }
    changes = {there: fields[ours] for ours, there in places.items() if ours in fields}
    if "phone" in fields:
        changes[_place_of_phone(before)] = _number(fields["phone"])
    return changes


def _place_of_phone(before: Document) -> str:
    known = next((place for place in PHONES if before.get(place)), None)
    return known or ("cellPhone" if before.get("kind") in PEOPLE else "phone")


def _number(phone: str | None) -> dict[str, str] | None:
    if not phone:
        return None
    return {"e164": phone} if phone.startswith("+") else {"formatted": phone}


def contact_rest(document: Document) -> dict[str, Any]:
    """What is sent back of a contact as it was read."""
    name = {"name"} if document.get("kind") in PEOPLE else set()
    return {key: value for key, value in document.items() if key not in CONTACT_SERVER_SET | name}


def job_fields(document: Document, *, contacts: Sequence[str], currency: str, cents: bool) -> dict[str, Any]:
    """contacts: the ids of those who are its clients. cents: whether amounts are in the minor unit."""
    told = {ours: document.get(there) for ours, there in JOB_PLAIN.items()}
    return told | {
        "name": document.get("name") or document.get("title") or None,
        "is_closed": bool(document.get("closed")),
        "stage": STAGES.get(str(document.get("stage")), document.get("stage")),
        "job_type": document.get("jobTypeName") or None,
        "lead_source": document.get("leadSourceName") or None,
        "contacts": sorted(contacts),
        "total": _amount(document.get("totalRevenue"), currency, cents),
        "currency": currency,
    }


def _amount(value: int | None, currency: str, cents: bool) -> str | None:
    if value is None:
        return None
    places = exponent_of(currency)
    return f"{Decimal(str(value)).scaleb(-places if cents else 0):.{places}f}"


def job_changes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What to set in a job's document, but for what stands in dictionaries and links."""
    changes = {there: fields[ours] for ours, there in JOB_PLAIN.items() if ours in fields}
    if "stage" in fields:
        changes["stage"] = NATIVE_STAGES.get(fields["stage"], fields["stage"])
    return changes


def job_rest(document: Document) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in JOB_SERVER_SET}
