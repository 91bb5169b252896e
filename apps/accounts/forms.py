"""The forms of the ground floor: they read input; the verbs judge it."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from apps.accounts import consent
from apps.accounts.models import ApiKey, AuditEntry, Membership, Workspace

ROLES = [
    (Membership.Role.OWNER, "Owner", "everything, and who else is an owner"),
    (Membership.Role.ADMIN, "Admin", "members, keys, settings, and all the work"),
    (Membership.Role.ANALYST, "Analyst", "reads, analyses, trains models, sees the people behind numbers"),
    (Membership.Role.OPERATOR, "Operator", "imports data and sees people, but changes no analysis"),
    (Membership.Role.VIEWER, "Viewer", "reads results without personal data"),
]
SCOPES = [
    (ApiKey.Scope.TRACK, "Track: send events and conversions, read nothing"),
    (ApiKey.Scope.READ, "Read: results and reports, without personal data"),
    (ApiKey.Scope.WRITE, "Write: also import, analyse and train"),
    (ApiKey.Scope.ADMIN, "Admin: everything, personal data and keys included"),
]
# The days around the first and the last that a calendar knows cannot be moved to another clock.
IN_CALENDAR = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2200, 12, 31))]
LIFETIMES = [("", "No end"), ("30", "30 days"), ("90", "90 days"), ("365", "One year")]
LARGEST_CONSENT_FILE = 4 * 1024**2
# The limits of the rooms that exist.
LIMITS = {"tracking": "Tracking", "attribution": "Analysis", "general": "Everything else"}


class KeyForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="Where it will be used, such as “shop server”.")
    scopes = forms.MultipleChoiceField(
        label="What it may do", choices=SCOPES, widget=forms.CheckboxSelectMultiple, initial=["track"]
    )
    lifetime = forms.ChoiceField(label="Ends after", choices=LIFETIMES, required=False)

    def issue_with(self, now: Any) -> dict[str, Any]:
        """What the verb takes."""
        days = self.cleaned_data["lifetime"]
        return {
            "name": self.cleaned_data["name"],
            "scopes": self.cleaned_data["scopes"],
            "expires_at": now + timedelta(days=int(days)) if days else None,
        }


class MemberForm(forms.Form):
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    name = forms.CharField(max_length=120, required=False, help_text="They can change it.")
    role = forms.ChoiceField(
        choices=[(role, f"{label}: {what}") for role, label, what in ROLES],
        initial=Membership.Role.ANALYST,
        widget=forms.RadioSelect,
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=[(role, label) for role, label, _ in ROLES])


class ProfileForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        help_text="Colleagues see it beside what you did.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


class RatesField(forms.CharField):
    """One currency a line, such as `EUR 0.85`; a dictionary in Python."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{currency} {rate}" for currency, rate in sorted(value.items()))

    def to_python(self, value: Any) -> Any:
        lines = (line.replace("=", " ").split() for line in (value or "").splitlines())
        return dict(_rate(parts) for parts in lines if parts)


def _rate(parts: list[str]) -> tuple[str, str]:
    try:
        currency, rate = parts
        return currency.upper(), str(Decimal(rate))
    except (ValueError, InvalidOperation) as error:
        raise forms.ValidationError(
            f"“{' '.join(parts)[:40]}” is not a currency and its rate, such as EUR 0.85."
        ) from error


class WorkspaceForm(forms.Form):
    name = forms.CharField(max_length=120)
    time_zone = forms.ChoiceField(
        choices=[(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())],
        help_text="Days begin and end by this clock, in reports and on every page.",
    )
    currency = forms.CharField(
        min_length=3,
        max_length=3,
        help_text="Three letters, such as GBP.",
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false"}),
    )
    exchange_rates = RatesField(
        required=False,
        help_text="One a line: a currency and what one unit of it is worth in yours, such as EUR 0.85. "
        "A conversion in a currency without a rate is refused.",
    )

    def __init__(self, data: Any, *, workspace: Workspace, is_currency_fixed: bool) -> None:
        super().__init__(data, initial=_as_form(workspace))
        for family, label in LIMITS.items():
            self.fields[f"limit_{family}"] = forms.IntegerField(
                label=label,
                required=False,
                min_value=1,
                help_text=f"Requests a minute per key; {settings.RATE_LIMITS[family]:,} when empty.",
            )
        if is_currency_fixed:
            self.fields["currency"].disabled = True
            self.fields["currency"].help_text = "Fixed since the first event arrived: amounts are kept in it."

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        return [self[f"limit_{family}"] for family in LIMITS]

    def change_with(self) -> dict[str, Any]:
        """What the verb takes: the fields, and the settings that this form shows."""
        data = self.cleaned_data
        limits = {family: data[f"limit_{family}"] for family in LIMITS if data[f"limit_{family}"]}
        kept = {name: one for name, one in self.initial["limits"].items() if name not in LIMITS}
        return {
            "name": data["name"],
            "time_zone": data["time_zone"],
            "currency": data["currency"].upper(),
            "settings": {
                "exchange_rates": data["exchange_rates"] or None,
                "rate_limits": {**kept, **limits} or None,
            },
        }


def _as_form(workspace: Workspace) -> dict[str, Any]:
    limits = workspace.settings.get("rate_limits", {})
    return {
        "name": workspace.name,
        "time_zone": workspace.time_zone,
        "currency": workspace.currency,
        "exchange_rates": workspace.settings.get("exchange_rates", {}),
        "limits": limits,
        **{f"limit_{family}": limits.get(family) for family in LIMITS},
    }


class AuditFilter(forms.Form):
    """Read from the query string; what cannot be used filters nothing and says so."""

    deed = forms.CharField(required=False, max_length=80)
    by = forms.ChoiceField(
        label="By", required=False, choices=[("", "Anybody"), *AuditEntry.ActorKind.choices]
    )
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}), validators=IN_CALENDAR
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}), validators=IN_CALENDAR
    )

    def lookups(self) -> dict[str, Any]:
        """The filter as the queryset takes it; days are the workspace's."""
        data = self.cleaned_data if self.is_valid() else {}
        found = {
            "deed__icontains": data.get("deed", "").replace(" ", "_"),
            "actor_kind": data.get("by"),
            "occurred_at__gte": _start(data.get("since")),
            "occurred_at__lt": _start(data.get("until"), days=1),
        }
        return {name: value for name, value in found.items() if value}


def _start(day: date | None, *, days: int = 0) -> datetime | None:
    """Midnight on the active clock at the beginning of the day, or of the one some days after."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=days), time.min, tzinfo=timezone.get_current_timezone())


class ConsentForm(forms.Form):
    purpose = forms.ChoiceField()
    another = forms.CharField(
        label="Another purpose", max_length=60, required=False, help_text="Instead of the one above."
    )
    is_granted = forms.ChoiceField(
        label="They",
        choices=[("yes", "allowed it"), ("no", "withdrew it")],
        widget=forms.RadioSelect,
    )
    source = forms.CharField(
        label="Where they said so", max_length=120, help_text="Such as “by telephone”, “sign-up form”."
    )
    wording = forms.CharField(
        label="What they were shown or told",
        max_length=2_000,
        required=False,
        widget=forms.Textarea({"rows": 3}),
    )
    occurred_at = forms.DateTimeField(
        label="When",
        required=False,
        help_text="Empty: now.",
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )

    def __init__(self, *args: Any, purposes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["purpose"].choices = [(one, one) for one in purposes]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        purpose = given.get("another") or given.get("purpose")
        if purpose and given.get("is_granted") == "yes" and consent.to_confirm([purpose]):
            self.add_error("another" if given.get("another") else "purpose", consent.CONFIRM_FIRST)
        return given

    def word(self, now: datetime) -> dict[str, Any]:
        """What the verb takes."""
        given = self.cleaned_data
        return {
            "purpose": given["another"] or given["purpose"],
            "is_granted": given["is_granted"] == "yes",
            "source": given["source"],
            "wording": given["wording"],
            "occurred_at": given["occurred_at"] or now,
        }


class ConsentFileForm(forms.Form):
    file = forms.FileField(
        label="A file of what people said",
        help_text="CSV in UTF-8, at most 20,000 lines and 4 MiB.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
    source = forms.CharField(
        label="Where they said so",
        max_length=120,
        help_text="For lines that do not say it themselves, such as “old newsletter list”.",
    )

    def clean_file(self) -> Any:
        given = self.cleaned_data["file"]
        if given.size > LARGEST_CONSENT_FILE:
            raise forms.ValidationError("This file is larger than 4 MiB. Send it in parts.")
        return given
