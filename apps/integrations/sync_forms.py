"""The forms of records: files, columns, fields, and how a stream is synced."""

from typing import Any

from django import forms

from apps.accounts.consent import LONGEST_WORDING
from apps.integrations.models import SyncStream
from apps.integrations.models.sync import Entity
from apps.integrations.sync import csv_rows, record_fields
from apps.integrations.sync.consents import Proof
from apps.integrations.sync.fields import CHOICES, KINDS, Kind
from apps.integrations.sync.overview import FieldRow

WORDS = {
    "email": "E-mail",
    "kind": "Kind",
    "marketing_opt_in": "Marketing",
    "job_type": "Type of job",
    "inquiry_date": "Inquiry",
    "event_date": "Day of the event",
    "booking_date": "Booked on",
    "guest_count": "Guests",
    "is_closed": "Closed",
}
YES_NO = (("", "not known"), ("yes", "yes"), ("no", "no"))


def words_of(name: str) -> str:
    return WORDS.get(name, name.replace("_", " ").capitalize())


class StreamForm(forms.Form):
    """Which way it goes, and who wins where both sides changed a field."""

    direction = forms.ChoiceField(label="Which way", choices=SyncStream.Direction.choices)
    makes_new = forms.BooleanField(
        label="Make there what is new here",
        required=False,
        help_text="Records of other systems and files, from now on. Not what is here already.",
    )

    def __init__(self, *args: Any, stream: SyncStream, rows: list[FieldRow], **options: Any) -> None:
        options["initial"] = {"direction": stream.direction, "makes_new": stream.makes_new}
        options["initial"] |= {_key(row.name): row.policy for row in rows}
        super().__init__(*args, **options)
        self.rows = rows
        for row in rows:
            self.fields[_key(row.name)] = forms.ChoiceField(
                label=f"{words_of(row.name)}, changed on both sides", choices=row.choices
            )

    def given(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "direction": data["direction"],
            "makes_new": data["makes_new"],
            "policies": {row.name: data[_key(row.name)] for row in self.rows},
        }


def _key(name: str) -> str:
    return f"policy_{name}"


class RecordForm(forms.Form):
    """The fields of a contact or a job."""

    def __init__(self, *args: Any, entity: str, values: dict[str, Any], **options: Any) -> None:
        kinds = KINDS[Entity(entity)]  # type: ignore[index]
        told = {name: _shown(kinds[name], value) for name, value in values.items() if name in kinds}
        super().__init__(*args, **options | {"initial": told})
        self.kinds = kinds
        for name, kind in kinds.items():
            self.fields[name] = _field(name, kind)
        if entity == Entity.CONTACT:
            self.fields["consent_source"] = forms.CharField(
                label="Where they allowed marketing",
                required=False,
                max_length=100,
                help_text="Needed for a yes: the form, the day, the conversation.",
            )
            self.fields["consent_wording"] = forms.CharField(
                label="In which words they were asked",
                required=False,
                max_length=LONGEST_WORDING,
                help_text="Needed for a yes of somebody who had said no.",
            )

    def proof(self) -> Proof:
        data = self.cleaned_data
        return Proof(source=data.get("consent_source", ""), wording=data.get("consent_wording", ""))

    def given(self) -> dict[str, Any]:
        """The fields that were changed, as they are kept."""
        return {
            name: _kept(self.kinds[name], self.cleaned_data[name])
            for name in self.changed_data
            if name in self.kinds
        }


def _field(name: str, kind: Kind) -> forms.Field:
    label = words_of(name)
    if name in CHOICES:
        return forms.ChoiceField(
            label=label, required=False, choices=[("", "not known"), *((one, one) for one in CHOICES[name])]
        )
    if kind in {Kind.TRUTH, Kind.CONSENT}:
        return forms.ChoiceField(label=label, required=False, choices=YES_NO)
    help_text = {
        Kind.TAGS: "Separated by commas.",
        Kind.DAY: "Such as 2027-06-12.",
        Kind.MONEY: "Such as 1250.00.",
    }
    return forms.CharField(label=label, required=False, max_length=1_000, help_text=help_text.get(kind, ""))


def _shown(kind: Kind, value: Any) -> Any:
    if kind == Kind.TAGS:
        return ", ".join(value or [])
    if kind in {Kind.TRUTH, Kind.CONSENT}:
        return {True: "yes", False: "no"}.get(value, "")
    return "" if value is None else value


def _kept(kind: Kind, text: str) -> Any:
    if kind == Kind.TAGS:
        return [one.strip() for one in text.split(",") if one.strip()]
    if kind in {Kind.TRUTH, Kind.CONSENT}:
        return {"yes": True, "no": False}.get(text)
    return text or None


class FileForm(forms.Form):
    """A file of contacts or jobs."""

    entity = forms.ChoiceField(label="What is in it", choices=[("contact", "Contacts"), ("job", "Jobs")])
    file = forms.FileField(
        label="File",
        help_text=f"CSV with a line of names, at most {csv_rows.MOST_ROWS:,} lines. Export it there as CSV.",
    )

    def __init__(self, *args: Any, entities: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["entity"]
        field.choices = [one for one in field.choices if one[0] in entities]


class ColumnsForm(forms.Form):
    """Which column holds what."""

    def __init__(
        self, *args: Any, entity: str, header: list[str], columns: dict[str, str], **options: Any
    ) -> None:
        super().__init__(*args, **options | {"initial": columns})
        choices = [("", "none"), *((name, name) for name in dict.fromkeys(header) if name)]
        self.fields[csv_rows.ID] = forms.ChoiceField(
            label="Id in that system",
            required=False,
            choices=choices,
            help_text="Without one a row is known by its e-mail address, or its name and day.",
        )
        for name in KINDS[Entity(entity)]:  # type: ignore[index]
            self.fields[name] = forms.ChoiceField(label=words_of(name), required=False, choices=choices)

    def given(self) -> dict[str, str]:
        return {name: column for name, column in self.cleaned_data.items() if column}


def said(value: Any) -> str:
    """A value as a page says it."""
    if value is None or value in ("", []):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def changes_said(changes: dict[str, record_fields.Change]) -> list[dict[str, str]]:
    """What a step changed, in words."""
    return [
        {
            "name": words_of(name),
            "before": said(one.before),
            "after": said(one.after),
            "theirs": said(one.theirs) if one.how else "",
            "how": one.how.replace("_", " "),
        }
        for name, one in changes.items()
    ]
