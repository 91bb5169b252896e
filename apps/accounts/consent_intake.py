"""What many people allowed, as programs and files tell it: who each is, and which of it is news.

A word that cannot be used has its own answer and stops no other. Ids make the person where there is none yet,
as tracking does; an e-mail address speaks for everybody who is known by it, and for nobody else.
"""

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime

from apps.accounts import consent, people
from apps.accounts.consent import Said
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.permissions import Actor, require

MOST = 1_000
MOST_ROWS = 20_000
WAYS = ("user_id", "anonymous_id", "email")
COLUMNS = (*WAYS, "purpose", "granted", "source", "wording", "occurred_at")
TRUE, FALSE = {"true", "yes", "1", "granted"}, {"false", "no", "0", "withdrawn"}


@dataclass(frozen=True, kw_only=True)
class Word:
    """What somebody said, and by which one of the three ways they are known. is_dated: its moment was named,
    and is not merely that of its arrival.
    """

    said: Said
    is_dated: bool = True
    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Taken:
    """What became of a word. people: of how many it was recorded now; the others had it already."""

    people: int = 0
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def what(self) -> str:
        return "refused" if self.errors else "recorded" if self.people else "repeated"


def take(actor: Actor, words: Sequence[Word], *, now: datetime) -> list[Taken]:
    """Record the words that can be used. Needs people:write. Locks the people. Raises Invalid beyond MOST."""
    require(actor, "people:write")
    if not 1 <= len(words) <= MOST:
        raise Invalid({"records": [f"Give 1 to {MOST:,} records; this has {len(words):,}."]})
    to_confirm = consent.to_confirm({one.said.purpose for one in words if one.said.is_granted})
    answers = [Taken(errors=_faults(word, to_confirm, now)) for word in words]
    good = [place for place, taken in enumerate(answers) if not taken.errors]
    by_id = [place for place in good if words[place].email is None]
    for place, taken in zip(by_id, _by_id(actor, [words[one] for one in by_id], now=now), strict=True):
        answers[place] = taken
    # Each by itself: people are locked in one order, once a transaction.
    for place in (place for place in good if words[place].email is not None):
        answers[place] = _by_email(actor, words[place], now=now)
    return answers


def _faults(word: Word, to_confirm: Collection[str], now: datetime) -> dict[str, list[str]]:
    found = word.said.faults(now=now)
    if word.said.is_granted and word.said.purpose in to_confirm:
        found["purpose"] = [consent.CONFIRM_FIRST]
    if sum(getattr(word, way) is not None for way in WAYS) != 1:
        found["user_id"] = ["Say who it is by one of user_id, anonymous_id and email."]
    return found


@transaction.atomic
def _by_id(actor: Actor, words: Sequence[Word], *, now: datetime) -> list[Taken]:
    if not words:
        return []
    who = people.resolve_many(
        [(word.user_id, word.anonymous_id) for word in words],
        workspace_id=actor.workspace_id,
        seen_at=[word.said.occurred_at for word in words],
    )
    told = [(int(person_id), word) for person_id, word in zip(who, words, strict=True)]
    lacks = _unproven(told)
    good = [(person_id, word.said) for (person_id, word), lack in zip(told, lacks, strict=True) if not lack]
    news = iter(consent.record_many(actor, good, now=now))
    return [Taken(errors=lack) if lack else Taken(int(next(news))) for lack in lacks]


def _unproven(told: Sequence[tuple[int, Word]]) -> list[dict[str, list[str]]]:
    """What each yes lacks that would undo a no: one that stands already, or one told with it."""
    purposes = {word.said.purpose for _, word in told if word.said.is_granted}
    noes = consent.noes_of({person_id for person_id, _ in told}, purposes)
    for person_id, said in ((person_id, word.said) for person_id, word in told):
        if not said.is_granted:
            key = person_id, said.purpose
            noes[key] = max(noes.get(key, said.occurred_at), said.occurred_at)
    return [
        consent.unproven(word.said, noes.get((person_id, word.said.purpose)), is_dated=word.is_dated)
        for person_id, word in told
    ]


def _by_email(actor: Actor, word: Word, *, now: datetime) -> Taken:
    try:
        known = people.find_by_email(word.email or "")
    except Invalid:
        return Taken(errors={"email": ["This is not an e-mail address."]})
    if not known:
        return Taken(errors={"email": ["Nobody in this workspace is known by that address."]})
    try:
        return _of_people(actor, [people.root_of(one.pk) for one in known], word, now=now)
    except NotHere as erased:
        return Taken(errors={"email": [erased.detail]})


def _of_people(actor: Actor, person_ids: Sequence[int], word: Word, *, now: datetime) -> Taken:
    """Of all who have the address, or of none where one of them said no and there is no proof: a no that
    arrives meanwhile is of a later moment, and counts in any case.
    """
    if lacks := [lack for lack in _unproven([(one, word) for one in person_ids]) if lack]:
        return Taken(errors=lacks[0])
    return Taken(sum(_of_person(actor, one, word.said, now=now) for one in person_ids))


@transaction.atomic
def _of_person(actor: Actor, person_id: int, said: Said, *, now: datetime) -> bool:
    survivor = people.lock_survivor(person_id)
    [is_new] = consent.record_many(actor, [(survivor.pk, said)], now=now)
    return is_new


@dataclass(frozen=True)
class FileTaken:
    """faults: line of the file and what is wrong with it, the first of them."""

    recorded: int
    repeated: int
    faults: list[tuple[int, str]]


def take_file(actor: Actor, raw: bytes, *, source: str, now: datetime) -> FileTaken:
    """The same for a CSV with COLUMNS; source: for lines that name none. Raises Invalid."""
    words: list[tuple[int, Word]] = []
    faults: list[tuple[int, str]] = []
    for line, row in _rows(raw):
        try:
            words.append((line, _word(row, source, now)))
        except ValueError as fault:
            faults.append((line, str(fault)))
    taken: list[tuple[int, Taken]] = []
    for start in range(0, len(words), MOST):
        part = words[start : start + MOST]
        answers = take(actor, [word for _, word in part], now=now)
        taken += [(line, answer) for (line, _), answer in zip(part, answers, strict=True)]
    faults += [(line, _sentence(answer)) for line, answer in taken if answer.errors]
    kinds = [answer.what for _, answer in taken]
    return FileTaken(kinds.count("recorded"), kinds.count("repeated"), sorted(faults))


def _sentence(taken: Taken) -> str:
    return " ".join(text for texts in taken.errors.values() for text in texts)


def _rows(raw: bytes) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid({"file": ["The file is not UTF-8. Save it as CSV UTF-8."]}) from error
    if "\0" in text:
        raise Invalid({"file": ["The file holds NUL characters."]})
    lines = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = set(lines.fieldnames or ())
        rows = [(lines.line_num, {name: (row.get(name) or "").strip() for name in COLUMNS}) for row in lines]
    except csv.Error as error:
        raise Invalid({"file": [f"Line {lines.line_num} is no CSV: {error}."]}) from error
    if missing := {"purpose", "granted"} - columns:
        raise Invalid({"file": [f"The first line names the columns; missing: {', '.join(sorted(missing))}."]})
    if not 1 <= len(rows) <= MOST_ROWS:
        raise Invalid({"file": [f"Give 1 to {MOST_ROWS:,} lines; this has {len(rows):,}."]})
    return rows


def _word(row: dict[str, str], source: str, now: datetime) -> Word:
    granted = row["granted"].lower()
    if granted not in TRUE | FALSE:
        raise ValueError("granted is yes or no.")
    who: dict[str, Any] = {way: row[way] or None for way in WAYS}
    if any(len(text) > 200 for text in who.values() if text):
        raise ValueError("An id has at most 200 characters.")
    said = Said(
        purpose=row["purpose"],
        is_granted=granted in TRUE,
        source=row["source"] or source,
        wording=row["wording"],
        occurred_at=_moment(row["occurred_at"], now),
    )
    return Word(said=said, is_dated=bool(row["occurred_at"]), **who)


def _moment(text: str, now: datetime) -> datetime:
    """A time without a zone is UTC, as everywhere in files."""
    found = parse_datetime(text) if text else now
    if found is None:
        raise ValueError("occurred_at is a date and time, such as 2026-11-30T09:00:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
