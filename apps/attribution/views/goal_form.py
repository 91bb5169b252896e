"""The form of a goal, with each choice in plain words."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from apps.attribution.lenses import MOST_DAYS, MOST_TRIM_TOUCHES, Lens

COUNTING = [
    ("every", "Every one: who buys three times counts three times."),
    ("once", "Only a person's first: what they do later changes nothing."),
]
TRANSFORM = [
    ("unique", "As it is: every touch stands."),
    ("exposure", "Neighbours as one: three e-mails in a row count as one."),
    ("first", "The first of each channel: later touches of a channel are left out."),
    ("frequency", "The first of each channel, told apart by how often the channel came."),
    ("trim", "The last touches only: what lies further back is left out."),
]
DIRECT = [
    ("kept", "Kept like every other touch."),
    ("dropped_beside_others", "Left out where a journey has another channel, kept where it has none."),
]


class GoalForm(forms.Form):
    label = forms.CharField(
        label="Name", max_length=80, help_text="As it stands in reports, such as First subscription."
    )
    conversion_types = forms.MultipleChoiceField(
        label="Which conversions count",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them.",
    )
    other_types = forms.CharField(
        label="Types not seen yet",
        max_length=300,
        required=False,
        help_text="Names as they will be tracked, parted by commas.",
    )
    counting = forms.ChoiceField(
        label="How often a person counts", choices=COUNTING, widget=forms.RadioSelect
    )
    lookback_days = forms.FloatField(
        label="Look-back in days",
        min_value=0.001,
        max_value=MOST_DAYS,
        help_text="A touch counts for a conversion that follows within so many days. Long decisions need a "
        "long one.",
    )
    direct = forms.ChoiceField(label="Direct visits", choices=DIRECT, widget=forms.RadioSelect)
    transform = forms.ChoiceField(label="How a journey is read", choices=TRANSFORM, widget=forms.RadioSelect)
    trim_touches = forms.IntegerField(
        label="Last touches to keep",
        min_value=0,
        max_value=MOST_TRIM_TOUCHES,
        required=False,
        help_text="Only where the last touches alone are read.",
    )
    is_default = forms.BooleanField(label="Reports show this goal first", required=False)

    def __init__(self, given: QueryDict | None, *, start: dict[str, Any], types: Sequence[str]) -> None:
        shown = {
            "lookback_days": f"{start['lookback_days']:g}",
            "trim_touches": start["trim_touches"] or None,
        }
        super().__init__(given, initial=start | shown)
        offered = dict.fromkeys([*types, *start["conversion_types"]])
        self.fields["conversion_types"].choices = [
            (name, name.replace("_", " ").capitalize()) for name in offered
        ]
        if not offered:
            del self.fields["conversion_types"]

    @property
    def goal(self) -> dict[str, Any]:
        """What the verbs take."""
        given = dict(self.cleaned_data)
        others = [name.strip().lower() for name in given.pop("other_types").split(",")]
        types = [*given.get("conversion_types", []), *(name for name in others if name)]
        return given | {"conversion_types": types, "trim_touches": given["trim_touches"] or 0}

    @property
    def lens(self) -> Lens:
        chosen = {name: value for name, value in self.goal.items() if name not in {"label", "is_default"}}
        return Lens(**chosen | {"conversion_types": tuple(chosen["conversion_types"])})
