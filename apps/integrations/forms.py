"""The form of a service's fields."""

from typing import Any

from django import forms

from apps.accounts import events
from apps.integrations import modes
from apps.integrations.services import Service


class ConnectForm(forms.Form):
    """What a person types in to connect: the fields of the service, and a name of their own."""

    def __init__(self, *args: Any, service: Service, **options: Any) -> None:
        super().__init__(*args, **options)
        for one in service.fields:
            self.fields[one.key] = _field(one)
        if service.oauth is None:
            self.fields["label"] = forms.CharField(
                label="Your name for it",
                required=False,
                max_length=120,
                help_text=f"Only seen here. Empty: {service.name}.",
            )

    def values(self) -> dict[str, str]:
        return {key: value for key, value in self.cleaned_data.items() if key != "label"}


def _field(one: Any) -> forms.Field:
    common = {"label": one.label, "help_text": one.help, "required": one.is_required}
    if one.choices:
        return forms.ChoiceField(choices=one.choices, **common)
    widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False) if one.is_secret else None
    return forms.CharField(max_length=4_000, widget=widget, **common)


class WebhookForm(forms.Form):
    """A new endpoint: where to, and which events. None chosen are all of them."""

    url = forms.CharField(
        label="Address", max_length=2_000, help_text="Begins with https:// and is reached from the internet."
    )
    event_names = forms.MultipleChoiceField(
        label="Events", required=False, help_text="None chosen: all of them, those to come as well."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["event_names"]
        field.choices = [(name, name) for name in sorted(events.REGISTRY)]


class WeddingDaysForm(forms.Form):
    """Which days are of weddings, and which messages go first near one."""

    days = forms.MultipleChoiceField(
        label="Days of weddings",
        required=False,
        choices=[(day, day.capitalize()) for day in modes.WEEKDAYS],
        widget=forms.CheckboxSelectMultiple,
        help_text="From midnight to midnight by the workspace's clock. None: they never begin by themselves.",
    )
    templates = forms.CharField(
        label="Messages that cannot wait",
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One template a line. They go first from 36 hours before the event until 12 after it.",
    )

    def settings(self) -> dict[str, list[str]]:
        """What the workspace keeps."""
        lines = [line.strip() for line in self.cleaned_data["templates"].splitlines()]
        return {
            "wedding_days": self.cleaned_data["days"],
            "wedding_day_templates": [line for line in dict.fromkeys(lines) if line],
        }


class EmergencyForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=modes.LONGEST_REASON)
    hours = forms.FloatField(
        label="For how many hours",
        initial=4,
        min_value=0.25,
        max_value=modes.LONGEST_HOURS,
        help_text="It ends by itself then.",
    )
