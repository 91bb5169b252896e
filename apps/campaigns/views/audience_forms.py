"""What the pages of lists read; the verbs judge it."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from apps.campaigns.audiences.keeping import LONGEST_NAME


class ListForm(forms.Form):
    name = forms.CharField(
        max_length=LONGEST_NAME, help_text="Where the people are from, such as “Spring fair 2026”."
    )


class PeopleFileForm(forms.Form):
    """columns: names of the file's own, where they do not say what they are."""

    file = forms.FileField(
        label="A file of people",
        help_text="CSV, JSON Lines or Parquet, gzipped too. A row for each person: user_id, email or phone.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.jsonl,.ndjson,.json,.parquet,.gz"}),
        error_messages={"empty": "This file is empty. Its first line should name the columns."},
    )
    makes_people = forms.BooleanField(
        label="Make people who are not known yet",
        required=False,
        help_text="Otherwise their rows are refused. Making somebody allows no message: consent is apart.",
    )
    user_id = forms.CharField(label="Column of the user id", required=False, max_length=200)
    email = forms.CharField(label="Column of the e-mail address", required=False, max_length=200)
    phone = forms.CharField(label="Column of the phone number", required=False, max_length=200)

    MAPPED = ("user_id", "email", "phone")

    def __init__(self, *args: Any, may_make: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not may_make:
            del self.fields["makes_people"]

    @property
    def mapped_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAPPED]

    @property
    def mapping(self) -> dict[str, str] | None:
        given = {name: self.cleaned_data[name] for name in self.MAPPED if self.cleaned_data.get(name)}
        return given or None

    @property
    def upload(self) -> UploadedFile:
        found: UploadedFile = self.cleaned_data["file"]
        return found
