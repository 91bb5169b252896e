"""Conditions on lists that people are on, and on what they allowed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.campaigns.audiences.conditions import Entry, Input, Names, Phrases, quoted
from apps.campaigns.audiences.question import WORKSPACE, Predicate, Question, opposite
from apps.campaigns.audiences.reading import Given
from apps.campaigns.models import Audience

LIST, CONSENT = "list", "consent"
LONGEST_PURPOSE = 60
STANDINGS = {
    "granted": ("allowed {}", "have not allowed {}"),
    "withdrawn": ("refused {}", "have not refused {}"),
    "unknown": ("never said anything of {}", "said something of {}"),
}

# Members are those whom a row names, or who they were merged into.
MEMBERS = f"""
    SELECT DISTINCT coalesce(o.merged_into_id, o.id) AS id FROM campaigns_audiencemember AS m
    JOIN accounts_person AS o ON o.workspace_id = m.workspace_id AND o.id = m.person_id
    WHERE m.workspace_id = {WORKSPACE} AND m.audience_id = (
        SELECT id FROM campaigns_audience WHERE workspace_id = {WORKSPACE} AND public_id = %s::uuid
    )
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class ListCondition:
    audience: UUID
    is_member: bool

    @classmethod
    def read(cls, given: Given) -> "ListCondition":
        audience = given.identity("list")
        lists = Audience.objects.filter(public_id=audience, kind=Audience.Kind.LIST)
        if audience is None or not lists.exists():
            given.fault("list", "There is no such list in this workspace. Audiences of rules are not lists.")
        is_member = given.choice("op", ("member", "not_member"), default="member") == "member"
        return cls(audience or UUID(int=0), is_member)

    def holds(self, question: Question) -> Predicate:
        found = question.among(MEMBERS, [question.workspace_id, question.workspace_id, self.audience])
        return found if self.is_member else opposite(found)

    def phrases(self, names: Names) -> Phrases:
        name = quoted(names.lists.get(self.audience, "a list that is gone"))
        told = f"are on the list {name}", f"are not on the list {name}"
        return told if self.is_member else (told[1], told[0])

    def as_json(self) -> dict[str, Any]:
        return {
            "field": LIST,
            "list": str(self.audience),
            "op": "member" if self.is_member else "not_member",
        }


@dataclass(frozen=True)
class ConsentCondition:
    """By the latest word of each person on the purpose; of two at one moment, the no."""

    purpose: str
    standing: str

    @classmethod
    def read(cls, given: Given) -> "ConsentCondition":
        purpose = given.text("purpose")
        if len(purpose) > LONGEST_PURPOSE:
            given.fault("purpose", f"A purpose is a text of 1 to {LONGEST_PURPOSE} characters.")
        return cls(purpose, given.choice("op", list(STANDINGS), default="granted"))

    def holds(self, question: Question) -> Predicate:
        told = f"FROM accounts_consentrecord WHERE workspace_id = {WORKSPACE} AND purpose = %s"
        params: list[Any] = [question.workspace_id, self.purpose]
        if self.standing == "unknown":
            return opposite(question.among(f"SELECT DISTINCT person_id AS id {told}", params))
        latest = (
            f"SELECT DISTINCT ON (person_id) person_id AS id, is_granted {told}"
            " ORDER BY person_id, occurred_at DESC, is_granted, id DESC"
        )
        sign = "" if self.standing == "granted" else "NOT "
        return question.among(f"SELECT id FROM ({latest}) AS said WHERE {sign}is_granted", params)  # noqa: S608

    def phrases(self, names: Names) -> Phrases:
        told, untold = STANDINGS[self.standing]
        return told.format(quoted(self.purpose)), untold.format(quoted(self.purpose))

    def as_json(self) -> dict[str, Any]:
        return {"field": CONSENT, "purpose": self.purpose, "op": self.standing}


def list_entry(lists: tuple[tuple[str, str], ...]) -> Entry:
    ops = (("member", "are on it"), ("not_member", "are not on it"))
    return Entry(
        key=LIST,
        label="List",
        group="The person",
        read=ListCondition.read,
        inputs=lambda: (
            Input(name="list", label="list", kind="choice", choices=lists, is_needed=True),
            Input(name="op", label="whether", kind="choice", choices=ops, default="member"),
        ),
        because="" if lists else "There is no list yet. Make one and bring a file of people.",
    )


def consent_entry(purposes: tuple[str, ...]) -> Entry:
    ops = (("granted", "allowed it"), ("withdrawn", "refused it"), ("unknown", "never said"))
    return Entry(
        key=CONSENT,
        label="Consent",
        group="The person",
        read=ConsentCondition.read,
        inputs=lambda: (
            Input(name="purpose", label="purpose", kind="text", suggestions=purposes, is_needed=True),
            Input(name="op", label="what they said", kind="choice", choices=ops, default="granted"),
        ),
    )
