"""The form of a service's fields."""

from typing import Any

from django import forms

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
