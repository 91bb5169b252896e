import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.text import slugify

from apps.attribution import experiments
from apps.attribution.experiment_wording import METHODS, UNITS
from apps.attribution.experiments import Arm
from apps.attribution.lift_tests import RegionRow
from apps.attribution.models import Experiment, LiftTest

SHARED = re.compile(r"^(?P<name>.+?)\s*=\s*(?P<share>[0-9]+(?:\.[0-9]+)?)\s*%?$")
MOST_LINES = 20_000
YES = {"1", "yes", "true", "treated", "test", "on"}
NO = {"0", "no", "false", "control", "off", ""}


class ExperimentForm(forms.Form):
    """A question as a draft. Numbers are told as people say them: percent, days."""

    name = forms.CharField(max_length=120, help_text="What you want to know, in a few words.")
    hypothesis = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        required=False,
        max_length=4_000,
        help_text="What you expect, and why. Written now, it cannot be bent later.",
    )
    variants = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2_000,
        initial="As it is\nThe new one",
        help_text="One a line, the control first. “= 20” at the end gives a share; else all get the same.",
    )
    unit = forms.ChoiceField(
        choices=[(value, many.capitalize()) for value, (_, many) in UNITS.items()],
        help_text="What is drawn by lot.",
    )
    reading = forms.ChoiceField(choices=list(METHODS.items()), initial="prove_lift", label="How it is read")
    metric = forms.ChoiceField(label="Judged by", initial="conversion")
    goal = forms.ChoiceField(label="Conversions that count", required=False)
    baseline = forms.FloatField(
        label="The control's rate, %",
        required=False,
        min_value=0.001,
        max_value=99.9,
        help_text="What you expect as it is. The units to plan follow from it.",
    )
    planned_units = forms.IntegerField(
        label="Or units to plan",
        required=False,
        min_value=2,
        max_value=10**12,
        help_text="Over all variants.",
    )
    minimum_effect = forms.FloatField(
        label="Smallest lift worth having, %", initial=10, min_value=0.1, max_value=1_000
    )
    duration_days = forms.FloatField(
        label="Days it is planned for", initial=28, min_value=0.01, max_value=730
    )
    planned_looks = forms.IntegerField(label="Looks on the way", initial=5, min_value=1, max_value=50)
    outcome_window_days = forms.FloatField(
        label="Outcome window, days",
        initial=14,
        min_value=0.01,
        max_value=365,
        help_text="After the exposure.",
    )
    traffic_share = forms.FloatField(label="Traffic, %", initial=100, min_value=0.1, max_value=100)
    layer = forms.CharField(
        max_length=60, required=False, help_text="Experiments of one layer share nobody. Empty: none."
    )

    def __init__(self, *args: Any, goals: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["metric"].choices = [(one.name, one.label) for one in experiments.metrics()]
        self.fields["goal"].choices = [("", "All"), *((goal, goal.replace("_", " ")) for goal in goals)]

    def clean_variants(self) -> list[Arm]:
        lines = [line.strip() for line in self.cleaned_data["variants"].splitlines() if line.strip()]
        arms = [_arm(line, number) for number, line in enumerate(lines)]
        return experiments.with_control_first(arms)

    @property
    def chosen(self) -> dict[str, Any]:
        """What the verb takes."""
        given = dict(self.cleaned_data)
        for name in ("baseline", "minimum_effect", "traffic_share"):
            given[name] = None if given[name] is None else given[name] / 100
        return {**given, "key": slugify(given["name"])[:60].strip("-") or "experiment"}

    @property
    def groups(self) -> list[list[forms.BoundField]]:
        """Fields that stand side by side."""
        rows = (
            ("unit", "reading"),
            ("metric", "goal", "outcome_window_days"),
            ("minimum_effect", "baseline", "planned_units"),
            ("duration_days", "planned_looks"),
            ("traffic_share", "layer"),
        )
        return [[self[name] for name in row] for row in rows]


class DecideForm(forms.Form):
    winner = forms.ChoiceField(required=False)
    reason = forms.CharField(max_length=500, required=False, label="Why")
    despite_reading = forms.BooleanField(
        required=False,
        label="Although the reading does not name it",
        help_text="The reason is kept, and the page says so for ever.",
    )

    def __init__(self, *args: Any, experiment: Experiment, names: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["winner"].choices = [("", "No winner: it ends as it was"), *names.items()]
        self.fields["winner"].initial = experiment.winner.key if experiment.winner else ""


class LiftTestForm(forms.Form):
    """A result from elsewhere, or a geo test as rows."""

    channel = forms.ChoiceField()
    name = forms.CharField(max_length=120, help_text="Such as: Paid social off in Wales.")
    measure = forms.ChoiceField(choices=LiftTest.Measure.choices)
    goal = forms.ChoiceField(label="Conversions that count", required=False)
    first_day = forms.DateField(label="First day of the test", widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(
        label="Last day", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    incremental = forms.FloatField(
        required=False, label="What it caused", help_text="Conversions, or revenue in your currency."
    )
    standard_error = forms.FloatField(
        required=False,
        min_value=0,
        label="Its standard error",
        help_text="A quarter of the width of a 95 % interval, very nearly.",
    )
    rows = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        required=False,
        max_length=2_000_000,
        label="Or regions by day",
        help_text="One a line: region, day, treated (yes or no), outcome. Each region on each day, from "
        "before the test on.",
    )
    covered_share = forms.FloatField(
        label="Part of the channel's effect it covers, %",
        initial=100,
        min_value=0.1,
        max_value=100,
        help_text="Less where the channel also worked outside of the test.",
    )
    source = forms.CharField(max_length=200, required=False, label="Where it is from")
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False, max_length=4_000)

    def __init__(
        self, *args: Any, channels: Sequence[tuple[str, str]], goals: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].choices = list(channels)
        self.fields["goal"].choices = [("", "All"), *((goal, goal.replace("_", " ")) for goal in goals)]

    def clean_rows(self) -> list[RegionRow]:
        lines = [line for line in self.cleaned_data["rows"].splitlines() if line.strip()]
        if len(lines) > MOST_LINES:
            raise forms.ValidationError(f"Give at most {MOST_LINES:,} lines here; the API takes as many.")
        return [_region_row(line, number) for number, line in enumerate(lines, start=1)]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        is_geo = bool(given.get("rows"))
        needed = () if is_geo else ("last_day", "incremental", "standard_error")
        for name in needed:
            if given.get(name) is None and name not in self.errors and "rows" not in self.errors:
                self.add_error(name, "Give this, or regions by day below.")
        return given

    @property
    def groups(self) -> list[list[forms.BoundField]]:
        rows = (
            ("channel", "name"),
            ("measure", "goal"),
            ("first_day", "last_day"),
            ("incremental", "standard_error"),
        )
        return [[self[name] for name in row] for row in rows]

    @property
    def chosen(self) -> dict[str, Any]:
        """What the verbs take, without what is empty."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [])}
        return {**given, "covered_share": given["covered_share"] / 100}


def _arm(line: str, number: int) -> Arm:
    found = SHARED.match(line)
    name = (found["name"] if found else line)[:120]
    share = float(found["share"]) if found else 1.0
    return Arm(key=slugify(name)[:60].strip("-") or f"variant-{number + 1}", name=name, share=share)


def _region_row(line: str, number: int) -> RegionRow:
    cells = [cell.strip() for cell in re.split(r"[,;\t]", line)]
    try:
        region, day, treated, outcome = cells
        if treated.lower() not in YES | NO or not region:
            raise ValueError(treated)
        return RegionRow(
            region=region[:80],
            day=date.fromisoformat(day),
            is_treated=treated.lower() in YES,
            outcome=float(outcome),
        )
    except ValueError:
        raise forms.ValidationError(
            f"Line {number} is not “region, YYYY-MM-DD, yes or no, number”: {line[:60]}"
        ) from None
