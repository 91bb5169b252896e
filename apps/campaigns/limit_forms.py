"""How much may leave, as a form: the settings of a workspace that hold messages back."""

from typing import Any

from django import forms

from apps.accounts.models import Workspace
from apps.campaigns.campaign_checks import DEFAULT_LIMIT, HIGHEST_LIMIT, LIMIT_SETTING
from apps.campaigns.delivery import limits

DELIVERY = limits.SETTING
MOST_AN_HOUR = 1_000_000_000


class DomainsField(forms.CharField):
    """One domain a line, such as `gmail.com 1000`; a dictionary in Python."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{domain} {number}" for domain, number in sorted(value.items()))

    def to_python(self, value: Any) -> Any:
        lines = (line.replace("=", " ").split() for line in (value or "").splitlines())
        found: dict[str, int] = {}
        for domain, number in (_domain(parts) for parts in lines if parts):
            if domain in found:
                raise forms.ValidationError(f"{domain} stands here twice.")
            found[domain] = number
        return found


def _domain(parts: list[str]) -> tuple[str, int]:
    domain = limits.envelope_domain(parts[0])
    if len(parts) != 2 or not domain or not _is_number(parts[1]):
        told = " ".join(parts)[:60]
        raise forms.ValidationError(f"“{told}” is not a domain and a number, such as gmail.com 1000.")
    return domain, int(parts[1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:12]) <= MOST_AN_HOUR


class SendingLimitsForm(forms.Form):
    cap_messages = forms.IntegerField(
        label="At most so many messages to one person",
        required=False,
        min_value=1,
        max_value=1_000,
        help_text="No limit when empty. What people wait for (a receipt) is neither held nor counted.",
    )
    cap_days = forms.IntegerField(label="In so many days", required=False, min_value=1, max_value=90)
    warm_up = forms.BooleanField(
        label="Warm a new sender up",
        required=False,
        help_text="50 messages on its first day, half as many again each day, for thirty days.",
    )
    sender_per_hour = forms.IntegerField(
        label="From one sender, messages an hour",
        required=False,
        min_value=1,
        max_value=MOST_AN_HOUR,
        help_text="No limit when empty.",
    )
    domains_per_hour = DomainsField(
        label="To one domain, messages an hour",
        required=False,
        help_text="One a line: a domain and how many, such as gmail.com 1000.",
    )
    recipients_limit = forms.IntegerField(
        label="Above so many people the number is typed in before a launch",
        required=False,
        min_value=1,
        max_value=HIGHEST_LIMIT,
        help_text=f"{DEFAULT_LIMIT:,} when empty.",
    )

    def __init__(self, data: Any, *, workspace: Workspace, is_changeable: bool) -> None:
        told = dict(workspace.settings.get(DELIVERY) or {})
        cap = told.get("cap") or {}
        initial = {
            **{name: told.get(name) for name in ("warm_up", "sender_per_hour", "domains_per_hour")},
            "cap_messages": cap.get("messages"),
            "cap_days": cap.get("days"),
            "recipients_limit": workspace.settings.get(LIMIT_SETTING),
        }
        super().__init__(data, initial=initial)
        for field in self.fields.values():
            field.disabled = not is_changeable

    def clean(self) -> dict[str, Any]:
        """A cap is of both or of neither."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        missing = {"cap_messages": "How many?", "cap_days": "In how many days?"}
        known = {name for name in missing if data.get(name)}
        for name in missing.keys() - known if known and not self.errors else ():
            self.add_error(name, missing[name])
        return data

    def settings(self) -> dict[str, Any]:
        """What the workspace's settings are to hold."""
        data = self.cleaned_data
        told = {name: data[name] for name in ("warm_up", "sender_per_hour", "domains_per_hour") if data[name]}
        if data["cap_messages"]:
            told["cap"] = {"messages": data["cap_messages"], "days": data["cap_days"]}
        return {DELIVERY: told or None, LIMIT_SETTING: data["recipients_limit"]}
