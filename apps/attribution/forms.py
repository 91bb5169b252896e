"""What the pages of attribution read: filters from the query string, and input that the verbs judge."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from apps.accounts.forms import IN_CALENDAR
from apps.accounts.models import Workspace
from apps.attribution import goals, model_guide, questions
from apps.attribution.channel_rules import CONDITIONS
from apps.attribution.import_columns import FIELDS
from apps.attribution.lenses import Lens
from apps.attribution.models import Goal
from apps.attribution.questions import Query

PERIODS = [
    ("30", "Last 30 days"),
    ("90", "Last 90 days"),
    ("365", "Last 365 days"),
    ("all", "All time"),
    ("custom", "From a day to a day"),
]
LOOKBACKS = ("7", "14", "30", "60", "90", "180", "365")
OF_TYPE = "type:"
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ReportFilter(forms.Form):
    """Model, goal, period and look-back; what cannot be used says so, and its default holds."""

    model = forms.ChoiceField(required=False, choices=model_guide.choices, widget=forms.HiddenInput)
    goal = forms.ChoiceField(required=False, widget=forms.Select(attrs={"data-submit": ""}))
    period = forms.ChoiceField(
        required=False, choices=PERIODS, widget=forms.Select(attrs={"data-submit": ""})
    )
    since = forms.DateField(label="From", required=False, widget=DAY, validators=IN_CALENDAR)
    until = forms.DateField(label="To", required=False, widget=DAY, validators=IN_CALENDAR)
    lookback = forms.ChoiceField(
        label="Look-back", required=False, widget=forms.Select(attrs={"data-submit": ""})
    )

    def __init__(self, asked: QueryDict, *, workspace: Workspace, types: Sequence[str]) -> None:
        self.goals = {goal.key: goal for goal in [*goals.listed(), goals.every(workspace)]}
        default = next((key for key, goal in self.goals.items() if goal.is_default), goals.ALL)
        given: dict[str, Any] = {name: value for name, value in asked.items() if value}
        if given.get("goal") in types and given["goal"] not in self.goals:
            given["goal"] = OF_TYPE + given["goal"]  # as addresses named a type before there were goals
        period = "custom" if asked.get("since") or asked.get("until") else "90"
        self.defaults = {"model": model_guide.DEFAULT, "goal": default, "period": period, "lookback": ""}
        alone = {OF_TYPE + name: _goal_of_type(workspace, name) for name in types}
        chosen = given.get("goal", default)
        self.chosen_goal = self.goals.get(chosen) or alone.get(chosen) or self.goals[default]
        own = f"{self.chosen_goal.lookback_days:g}"
        if given.get("lookback") == own:
            del given["lookback"]
        super().__init__({**self.defaults, **given})
        self.fields["goal"].choices = [
            *((key, goal.label) for key, goal in self.goals.items()),
            ("One type alone", [(key, goal.label) for key, goal in alone.items()]),
        ]
        offered = [("", own), *((days, days) for days in LOOKBACKS if days != own)]
        self.fields["lookback"].choices = [(value, f"Look-back {days} days") for value, days in offered]
        self.workspace = workspace

    def chosen(self, name: str) -> Any:
        """The field's value, or its default where it cannot be used."""
        self.is_valid()
        return self.cleaned_data.get(name) or self.defaults.get(name)

    def days(self, today: date) -> tuple[date | None, date | None]:
        """First and last day of the period, on the workspace's clock; None for an open end."""
        period = self.chosen("period")
        if period == "custom":
            return self.chosen("since"), self.chosen("until")
        if period == "all":
            return None, None
        return today - timedelta(days=int(period) - 1), today

    @property
    def lens(self) -> Lens:
        """The goal's, with the look-back that was chosen instead of its own."""
        days = self.chosen("lookback")
        return replace(self.chosen_goal.lens, lookback_days=float(days)) if days else self.chosen_goal.lens

    def query(self, today: date) -> Query:
        """The question that the filter puts. Raises Invalid for a period that ends before it starts."""
        start, end = questions.period(self.workspace, *self.days(today))
        return Query(start=start, end=end, **vars(self.lens))

    @property
    def is_custom(self) -> bool:
        return bool(self.chosen("period") == "custom")


def _goal_of_type(workspace: Workspace, name: str) -> Goal:
    """One type alone is looked at as all conversions are."""
    return Goal(
        key=OF_TYPE + name,
        label=name.replace("_", " ").capitalize(),
        conversion_types=[name],
        lookback_days=questions.lookback_of(workspace),
    )


class UploadForm(forms.Form):
    file = forms.FileField(
        label="A file of events",
        help_text="CSV, JSON Lines or Parquet, gzipped too. One row for each touch or conversion.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.jsonl,.ndjson,.json,.parquet,.gz"}),
        error_messages={"empty": "This file is empty. Its first line should name the columns."},
    )

    @property
    def upload(self) -> UploadedFile:
        uploaded: UploadedFile = self.cleaned_data["file"]
        return uploaded


@dataclass(frozen=True, kw_only=True)
class FieldHelp:
    """How a field of an import is called and what it is for."""

    label: str
    help: str = ""


# In the order in which somebody thinks of them; the rest of FIELDS follows.
FIELD_HELP = {
    "user_id": FieldHelp(label="Person: user id", help="Your own id of a known person."),
    "anonymous_id": FieldHelp(label="Person: anonymous id", help="A cookie or device before sign-up."),
    "occurred_at": FieldHelp(label="When", help="ISO 8601 or epoch. Without an offset it is UTC."),
    "kind": FieldHelp(label="Touch or conversion", help="A column that says which, such as “conversion”."),
    "event_type": FieldHelp(label="What happened", help="click, visit, email_open …"),
    "platform": FieldHelp(label="Platform", help="meta, google, email …"),
    "channel": FieldHelp(label="Channel", help="Leave out to let your rules derive it."),
    "campaign_id": FieldHelp(label="Campaign"),
    "creative_id": FieldHelp(label="Creative"),
    "conversion_type": FieldHelp(label="Goal", help="purchase, trial, lead …"),
    "revenue": FieldHelp(label="Revenue"),
    "currency": FieldHelp(label="Currency"),
    "order_id": FieldHelp(label="Order", help="Tells repeats, refunds and corrections apart."),
    "event_id": FieldHelp(label="Event id", help="Worked out from the row when it is left out."),
    "cost": FieldHelp(label="Cost of the touch"),
}


class MappingForm(forms.Form):
    """One select a field, over the columns of the file."""

    def __init__(
        self, data: QueryDict | None = None, *, columns: Sequence[str], guess: dict[str, str]
    ) -> None:
        super().__init__(data, initial=guess)
        options = [("", "not in this file"), *((name, name) for name in columns)]
        for name in [*FIELD_HELP, *(own for own in FIELDS if own not in FIELD_HELP)]:
            words = FIELD_HELP.get(name, FieldHelp(label=name.replace("_", " ").capitalize()))
            self.fields[name] = forms.ChoiceField(
                label=words.label, help_text=words.help, choices=options, required=False
            )

    @property
    def mapping(self) -> dict[str, str]:
        """What was chosen: field → column."""
        return {name: column for name, column in self.cleaned_data.items() if column}

    def _named(self, names: Sequence[str]) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return self._named(list(FIELD_HELP))

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return self._named([name for name in self.fields if name not in FIELD_HELP])


class TestEventForm(forms.Form):
    """A touch to try the way with, through the verb that the API uses."""

    __test__ = False  # pytest takes the name for a test's

    user_id = forms.CharField(label="Person", max_length=200, initial="test-person")
    event_type = forms.CharField(label="What happened", max_length=40, initial="click")
    platform = forms.CharField(max_length=60, initial="meta")
    campaign_id = forms.CharField(label="Campaign", max_length=200, required=False, initial="first-event")


class RuleForm(forms.Form):
    """One rule. An empty condition holds always."""

    channel_key = forms.CharField(
        label="Then the channel is",
        max_length=60,
        help_text="One of yours, or a new name.",
        widget=forms.TextInput(attrs={"list": "channel-keys", "autocomplete": "off"}),
    )
    place = forms.IntegerField(label="Place in the list", min_value=1, required=False)

    def __init__(self, *args: Any, places: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["place"].help_text = f"1 to {places}. Empty: the end of the list."
        for name in CONDITIONS:
            self.fields[name] = forms.CharField(
                label=CONDITION_LABELS[name], max_length=300, required=False, widget=PATTERN
            )

    @property
    def conditions(self) -> list[forms.BoundField]:
        return [self[name] for name in CONDITIONS]

    @property
    def rule(self) -> dict[str, Any]:
        """What the verb takes."""
        given = {name: self.cleaned_data[name] for name in CONDITIONS}
        return {"channel_key": self.cleaned_data["channel_key"], **given}


PATTERN = forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"})
CONDITION_LABELS = {
    "platform": "Platform",
    "event_type": "What happened",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "Campaign",
    "referrer_host": "Referrer",
    "click_id": "Click id",
}


class TrainForm(forms.Form):
    order = forms.ChoiceField(
        choices=[(str(order), f"Order {order}") for order in (1, 2, 3, 4)],
        help_text="How many of the last channels the chain remembers.",
    )
    period = forms.ChoiceField(
        choices=[choice for choice in PERIODS if choice[0] != "custom"],
        initial="all",
        help_text="The conversions that it learns from.",
    )

    def days(self, today: date) -> tuple[date | None, date | None]:
        period = self.cleaned_data["period"]
        return (None, None) if period == "all" else (today - timedelta(days=int(period) - 1), today)


class RecordField(forms.JSONField):
    """A record, a line for each of its fields."""

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


class LetterForm(forms.Form):
    """What a dead letter should have said, as one record of /track/batch. The parser judges it."""

    record = RecordField(
        label="What it should have said",
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
    )
    record.error_messages["invalid"] = "This is not JSON. Look for a missing quote or comma."
