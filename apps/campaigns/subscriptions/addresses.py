"""E-mail addresses of people: their blind indexes, and as little of them as a page may show."""

import hashlib
import hmac

from django.conf import settings
from django.db.models import Q

from apps.accounts import personal_fields, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import Person

HIDDEN = "•••"
EVERYWHERE = 0  # no workspace has this number


def masked(email: str | None) -> str:
    """The first letter, and the end of the domain: enough for its owner, and for nobody else."""
    name, _, domain = (email or "").rpartition("@")
    if not name:
        return ""
    host, _, end = domain.rpartition(".")
    return f"{name[0]}{HIDDEN}@{host[:1]}{HIDDEN}.{end}"


def indexes_of(person_id: int) -> list[bytes]:
    """Under which the addresses of the person, and of whoever was merged into them, are found."""
    group = Person.objects.filter(Q(pk=person_id) | Q(merged_into=person_id), email_index__isnull=False)
    return sorted({bytes(index) for index in group.values_list("email_index", flat=True)})


def everywhere(email: str) -> bytes:
    """The index of an address that is the same in all workspaces, for the operator's list. Raises Invalid."""
    return personal_fields.index_of(EVERYWHERE, "email", email)


def in_workspace(email: str, *, field: str = "email") -> bytes:
    """The index of an address in the workspace in scope. Raises Invalid, with the field named."""
    try:
        return personal_fields.index_of(scoping.current_id(), "email", email)
    except Invalid as error:
        raise Invalid({field: ["This is not an e-mail address. Write one like ada@example.com."]}) from error


def hashed(text: str, *, purpose: str) -> str:
    """32 hex digits that are equal where the text is, and say nothing of it; empty for an empty text."""
    if not text:
        return ""
    key = hashlib.sha256(f"{purpose}:{settings.BLIND_INDEX_KEY}".encode()).digest()
    return hmac.digest(key, text.encode(), "sha256").hex()[:32]
