"""The form of a service's fields."""

from typing import Any

from django import forms

from apps.accounts import events
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
