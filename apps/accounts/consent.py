"""What a person allowed. Records are added, never changed: the latest counts, and at one instant the
withdrawal does.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import audit, people
from apps.accounts.errors import Invalid
from apps.accounts.models import ConsentRecord, Person
from apps.accounts.permissions import Actor

LONGEST_PURPOSE = 60
LONGEST_SOURCE = 120
LONGEST_WORDING = 2_000

# What a door says to a yes that has to be confirmed first.
CONFIRM_FIRST = (
    "This is confirmed by e-mail first (double opt-in). Have them sign up, by the form or by "
    "POST /api/v1/marketing/preferences/subscribe; it counts once they follow the link that they are sent."
)
# And to one that would undo a no.
SAID_NO = "They said no to this. Have them sign up themselves; it counts once they follow the link they get."

# And to one of a browser that does not even say when.
SAY_WHEN = "They said no to this. A yes after it counts with its moment: name it as occurred_at."

# And to one of a program, a file or a colleague that would undo a no and shows no proof.
PROVE = (
    "They said no on {on}. A yes after it counts with its proof: when they said so, later than that, and in "
    "which words they were asked (occurred_at and wording)."
)

# Of some purposes, those that have to be confirmed by e-mail in the workspace in scope.
Finder = Callable[[Collection[str]], Collection[str]]
_meanings: dict[str, str] = {}
_finders: list[Finder] = []
_keepers: list[Finder] = []


@dataclass(frozen=True, kw_only=True)
class Said:
    """One word of a person. source: where they said so, such as "sign-up form"; wording: what they were
    shown. is_confirmed: through a link in a mail to them.
    """

    purpose: str
    is_granted: bool
    source: str
    wording: str = ""
    occurred_at: datetime
    is_confirmed: bool = False

    def faults(self, *, now: datetime) -> dict[str, list[str]]:
        """What stands against it, by field."""
        found = {}
        if not 0 < len(self.purpose) <= LONGEST_PURPOSE:
            found["purpose"] = [f"Name a purpose in 1 to {LONGEST_PURPOSE} characters, such as newsletter."]
        if not 0 < len(self.source) <= LONGEST_SOURCE:
            found["source"] = [f"Say where this was given, in 1 to {LONGEST_SOURCE} characters."]
        if len(self.wording) > LONGEST_WORDING:
            found["wording"] = [f"At most {LONGEST_WORDING:,} characters."]
        if self.occurred_at > now:
            found["occurred_at"] = ["This is in the future. Consent counts from the moment it is given."]
        return found


def asks_for(purpose: str, meaning: str) -> None:
    """Say what a purpose that the product looks at is for. meaning: what is done with it, in a sentence."""
    _meanings[purpose] = meaning


def purposes() -> dict[str, str]:
    """The purposes that the product looks at, each with what it is for. Others may be recorded as well."""
    return dict(sorted(_meanings.items()))


def also_confirms(finder: Finder) -> Finder:
    """Have a plain yes to these purposes refused at the doors: whoever asks for them is sent a link first."""
    _finders.append(finder)
    return finder


def also_keeps_a_no(finder: Finder) -> Finder:
    """Have a no to these purposes stand until its owner undoes it: a key that browsers carry does not."""
    _keepers.append(finder)
    return finder


def refused_by(person: Person, purposes: Collection[str], *, is_dated: bool) -> dict[str, str]:
    """What stands against a yes to the purposes that shows no proof, for doors that anybody uses: a no that
    is kept, and any other no where the yes names no moment of its own.
    """
    noes = {purpose for _, purpose in noes_of([person.pk], purposes)}
    kept = {purpose for finder in _keepers for purpose in finder(noes)} if noes else set()
    return dict.fromkeys(set() if is_dated else noes, SAY_WHEN) | dict.fromkeys(kept, SAID_NO)


def noes_of(person_ids: Collection[int], purposes: Collection[str]) -> dict[tuple[int, str], datetime]:
    """When those of the people said no to one of the purposes who do so now."""
    if not purposes:
        return {}
    said = _latest().filter(person__in=person_ids, purpose__in=purposes)
    return {(one.person_id, one.purpose): one.occurred_at for one in said if not one.is_granted}


def unproven(said: Said, refused_at: datetime | None, *, is_dated: bool) -> dict[str, list[str]]:
    """What a yes lacks that would undo a no of that moment, by field; an older one undoes nothing.

    is_dated: somebody named its moment; it is not merely that of its arrival.
    """
    if refused_at is None or not said.is_granted or said.occurred_at <= refused_at:
        return {}
    words = PROVE.format(on=f"{refused_at:%-d %B %Y}")
    lacking = {"occurred_at": is_dated, "wording": bool(said.wording.strip())}
    return {name: [words] for name, is_there in lacking.items() if not is_there}


def require_proof(person: Person, said: Said) -> None:
    """Of a yes that a colleague takes down over a no. Raises Invalid."""
    refused_at = noes_of([person.pk], [said.purpose]).get((person.pk, said.purpose))
    if faults := unproven(said, refused_at, is_dated=True):
        raise Invalid(faults)


def to_confirm(purposes: Collection[str]) -> set[str]:
    """Those of the purposes that only a confirmation by e-mail allows. For doors that take a word as it is
    told; record and record_many write down what they are given.
    """
    return {purpose for finder in _finders for purpose in finder(purposes)} if purposes else set()


@transaction.atomic
def record(
    actor: Actor,
    person: Person,
    *,
    purpose: str,
    is_granted: bool,
    source: str,
    wording: str = "",
    occurred_at: datetime,
    is_confirmed: bool = False,
    now: datetime,
) -> ConsentRecord:
    """Write down that a person allowed or withdrew a purpose. Locks the person. Raises Invalid, NotHere
    once erased.

    The same said of the same moment again is the same record.
    """
    said = Said(
        purpose=purpose,
        is_granted=is_granted,
        source=source,
        wording=wording,
        occurred_at=occurred_at,
        is_confirmed=is_confirmed,
    )
    if faults := said.faults(now=now):
        raise Invalid(faults)
    survivor = people.lock_survivor(person.pk)
    if same := _same([(survivor.pk, said)]).get((survivor.pk, said)):
        return same
    given = ConsentRecord.objects.create(**_row(actor, survivor.pk, said))
    deed = "consent.granted" if is_granted else "consent.withdrawn"
    audit.record(actor, deed, survivor, now=now, after={"purpose": purpose, "source": source})
    return given


@transaction.atomic
def record_many(actor: Actor, words: Sequence[tuple[int, Said]], *, now: datetime) -> list[bool]:
    """Write down what many people said; answers for each whether it was new. Audited as one deed.

    The people are locked by the caller, and what they said has no faults.
    """
    known, fresh, news = set(_same(words)), [], []
    for person_id, said in words:
        news.append((person_id, said) not in known)
        if news[-1]:
            known.add((person_id, said))
            fresh.append((person_id, said))
    ConsentRecord.objects.bulk_create([ConsentRecord(**_row(actor, *one)) for one in fresh], batch_size=1_000)
    if fresh:
        audit.record(actor, "consent.recorded", now=now, after=_told(fresh))
    return news


def _told(fresh: Sequence[tuple[int, Said]]) -> dict[str, object]:
    granted = sum(said.is_granted for _, said in fresh)
    return {
        "granted": granted,
        "withdrawn": len(fresh) - granted,
        "purposes": sorted({said.purpose for _, said in fresh}),
        "people": sorted({person_id for person_id, _ in fresh}),
    }


def _same(words: Sequence[tuple[int, Said]]) -> dict[tuple[int, Said], ConsentRecord]:
    """Those that are written down already."""
    rows = ConsentRecord.objects.filter(
        person__in={person_id for person_id, _ in words},
        occurred_at__in={said.occurred_at for _, said in words},
    )
    return {(row.person_id, said_in(row)): row for row in rows}


def said_in(row: ConsentRecord) -> Said:
    return Said(
        purpose=row.purpose,
        is_granted=row.is_granted,
        source=row.source,
        wording=row.wording,
        occurred_at=row.occurred_at,
        is_confirmed=row.is_confirmed,
    )


def _row(actor: Actor, person_id: int, said: Said) -> dict[str, object]:
    return {"workspace_id": actor.workspace_id, "person_id": person_id, **vars(said)}


def is_given(person: Person, purpose: str) -> bool:
    """Whether the person allows the purpose. Silence is no."""
    return person.pk in given_by([person.pk], purpose)


def given_by(person_ids: list[int], purpose: str) -> set[int]:
    """Those of the people who allow the purpose, in one query."""
    latest = _latest().filter(person__in=person_ids, purpose=purpose)
    return {one.person_id for one in latest if one.is_granted}


def latest(person: Person) -> dict[str, ConsentRecord]:
    """The record that counts, by purpose."""
    return {one.purpose: one for one in _latest().filter(person=person)}


def history(person: Person, *, most: int = 200) -> list[ConsentRecord]:
    """What was recorded of the person, newest first."""
    return list(
        ConsentRecord.objects.filter(person=person).order_by("-occurred_at", "is_granted", "-id")[:most]
    )


def _latest() -> QuerySet[ConsentRecord]:
    order = ("person", "purpose", "-occurred_at", "is_granted", "-id")
    return ConsentRecord.objects.order_by(*order).distinct("person", "purpose")
