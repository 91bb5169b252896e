"""What the pages of optimisation read; the verbs judge it."""

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms

from apps.campaigns import flags
from apps.campaigns.models import AutoRule, EverywhereSuppression, Flag, Policy, SpendCap, Topic
from apps.campaigns.optimization.policies import LONGEST_REASON, AutoTerms
from apps.campaigns.optimization.what_if import LEAST_SHARE, MOST_SHARE
from apps.campaigns.subscriptions import addresses
from apps.integrations.models import AdCampaign, Connection

# A slider of such a total moves by whole units.
WHOLE_FROM = 100
NO_AMOUNT = "Write an amount like 1234.56."
WRONG = dict.fromkeys(("invalid", "max_digits", "max_decimal_places", "max_whole_digits"), NO_AMOUNT)
HOURS = [(hour, f"{hour:02}:00") for hour in range(25)]
WEEKDAYS = list(enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")))
ALL = "all"
# More campaigns than anybody finds in a list; a cap of another is set through the API.
MOST_CHOICES = 200


def _amount(label: str, help_text: str, *, is_required: bool = False) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        help_text=help_text,
        required=is_required,
        max_digits=20,
        decimal_places=2,
        error_messages=WRONG,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.01", "min": "0"}),
    )


class TotalForm(forms.Form):
    """Another total budget to try out, within what the curves can speak of."""

    total = forms.FloatField(label="Total budget a day")

    def __init__(self, *args: Any, now: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self.least, self.most, self.step = round(LEAST_SHARE * now, 2), round(MOST_SHARE * now, 2), 0.01
        if now >= WHOLE_FROM:
            self.least, self.most, self.step = math.ceil(self.least), math.floor(self.most), 1

    def clean_total(self) -> float:
        total: float = self.cleaned_data["total"]
        if not self.least <= total <= self.most:
            raise forms.ValidationError(
                f"Between {self.least:,.2f} and {self.most:,.2f}: further from what is spent today the "
                "curves are guesses."
            )
        return total


class ReasonForm(forms.Form):
    """Why, for the audit; may be left empty."""

    reason = forms.CharField(required=False, max_length=LONGEST_REASON)

    @property
    def said(self) -> str:
        """What can be kept of it."""
        self.is_valid()
        return str(self.cleaned_data.get("reason", ""))


class PolicyForm(forms.Form):
    """What the engine may do, when, and within what."""

    GROUPS = (
        ("When it looks", ("is_on", "daily_at_hour", "weekly_on_weekday", "report_to")),
        (
            "What it aims at",
            (
                "total_daily_budget",
                "spends_what_pays",
                "counts_revenue_by",
                "margin",
                "target_cost_per_conversion",
            ),
        ),
        ("How far, how often, on what", ("largest_change_percent", "cooldown_hours", "data_age_hours")),
        (
            "Who says yes, and when it acts",
            ("four_eyes_above", "acts_from_hour", "acts_until_hour", "rests_on_wedding_days"),
        ),
    )

    is_on = forms.BooleanField(label="Look at the campaigns by schedule", required=False)
    daily_at_hour = forms.TypedChoiceField(label="Every day at", coerce=int, choices=HOURS[:24])
    weekly_on_weekday = forms.TypedChoiceField(label="Every week on", coerce=int, choices=WEEKDAYS)
    total_daily_budget = _amount("Total budget a day", "Empty: as much as is spent today.")
    spends_what_pays = forms.BooleanField(
        label="Spend as much as pays",
        required=False,
        help_text="Until the next one spent brings just itself, instead of a total; caps hold all the same.",
    )
    counts_revenue_by = forms.ChoiceField(
        label="Revenue is",
        choices=Policy.RevenueBy.choices,
        help_text="Platforms claim sales for themselves, often the same ones. Attribution credits each once; "
        "it needs visits that are tracked.",
    )
    margin = forms.DecimalField(
        label="Margin, %",
        max_digits=6,
        decimal_places=2,
        error_messages=dict.fromkeys(WRONG, "Write a percentage like 35 or 12.50."),
        help_text="How much of 100 of revenue is left before advertising. 100 counts revenue as profit.",
    )
    target_cost_per_conversion = _amount(
        "Highest cost of a conversion", "Bids aim below it. Empty: they aim at profit."
    )
    largest_change_percent = forms.IntegerField(
        label="Largest change at once, %",
        help_text="Platforms learn anew after larger steps; 20 is what most of them bear.",
    )
    cooldown_hours = forms.IntegerField(
        label="Hours between changes",
        help_text="Of one campaign. Below 192 (8 days) the week after a change cannot be measured.",
    )
    data_age_hours = forms.IntegerField(
        label="Oldest figures to act on, hours", help_text="Nothing is carried out on older ones."
    )
    acts_from_hour = forms.TypedChoiceField(label="Acts by itself from", coerce=int, choices=HOURS[:24])
    acts_until_hour = forms.TypedChoiceField(label="until", coerce=int, choices=HOURS[1:])
    four_eyes_above = _amount(
        "Two people approve above",
        "By how much a day's budget changes. Empty: one person is always enough.",
    )
    rests_on_wedding_days = forms.BooleanField(
        label="Change nothing on wedding days",
        required=False,
        help_text="In an emergency nothing is changed in any case.",
    )
    report_to = forms.CharField(
        label="Send the report to",
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One e-mail address a line. Weekly always, daily where something is proposed.",
    )

    @staticmethod
    def initial_of(policy: Policy) -> dict[str, Any]:
        names = set(PolicyForm.base_fields)
        values = {name: getattr(policy, name) for name in names}
        percent = (policy.margin * 100).normalize()
        return values | {"margin": format(percent, "f"), "report_to": "\n".join(policy.report_to)}

    def clean_margin(self) -> Decimal:
        percent: Decimal = self.cleaned_data["margin"]
        if not 0 < percent <= 100:
            raise forms.ValidationError("A percentage above 0 and at most 100.")
        return percent / 100

    def clean_report_to(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["report_to"].splitlines()]
        found = list(dict.fromkeys(line for line in lines if line))
        field = forms.EmailField()
        for one in found:
            try:
                field.clean(one)
            except forms.ValidationError as error:
                raise forms.ValidationError(f"{one}: this is no e-mail address.") from error
        return found


class AutoForm(forms.Form):
    """What of a kind may be carried out without a person."""

    kind = forms.CharField(widget=forms.HiddenInput)
    is_on = forms.BooleanField(label="By itself", required=False)
    least_confidence = forms.DecimalField(label="From a confidence of, %", max_digits=5, decimal_places=2)
    most_amount = _amount("Up to a change of a day's budget of", "", is_required=True)

    @staticmethod
    def initial_of(rule: AutoRule) -> dict[str, Any]:
        return {
            "kind": rule.kind,
            "is_on": rule.is_on,
            "least_confidence": f"{100 * rule.least_confidence:g}",
            "most_amount": rule.most_amount,
        }

    def clean_least_confidence(self) -> Decimal:
        percent: Decimal = self.cleaned_data["least_confidence"]
        if not 50 <= percent <= 100:
            raise forms.ValidationError("A confidence from 50 to 100 %.")
        return percent

    def terms(self) -> AutoTerms:
        return AutoTerms(
            is_on=self.cleaned_data["is_on"],
            least_confidence=float(self.cleaned_data["least_confidence"]) / 100,
            most_amount=self.cleaned_data["most_amount"],
        )


class CapForm(forms.Form):
    """A bound that no change may break. of: all campaigns, an account, or one of them."""

    of = forms.ChoiceField(label="Of")
    measure = forms.ChoiceField(
        label="What is bounded",
        choices=[(value, label.capitalize()) for value, label in SpendCap.Measure.choices],
    )
    amount = _amount("At most, a day", "", is_required=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        with_campaigns = AdCampaign.objects.order_by().values("connection")
        accounts = Connection.objects.filter(pk__in=with_campaigns).order_by("label", "pk")
        campaigns = list(
            AdCampaign.objects.exclude(status=AdCampaign.Status.ENDED).order_by("name", "pk")[:MOST_CHOICES]
        )
        self.accounts = {f"account:{one.public_id}": one for one in accounts}
        self.campaigns = {f"campaign:{one.pk}": one for one in campaigns}
        self.fields["of"].choices = [
            (ALL, "All campaigns"),
            ("An account", [(key, one.label) for key, one in self.accounts.items()]),
            ("A campaign", [(key, one.name) for key, one in self.campaigns.items()]),
        ]

    def scope(self) -> dict[str, Any]:
        """What the verb takes for the chosen one."""
        chosen = self.cleaned_data["of"]
        return {"connection": self.accounts.get(chosen), "campaign": self.campaigns.get(chosen)}


class TopicForm(forms.Form):
    """A kind of message."""

    key = forms.SlugField(
        max_length=60,
        help_text="Consent is recorded under it, and it stays as it is: such as “albums”.",
    )
    name = forms.CharField(max_length=120, help_text="As people read it where they choose.")
    description = forms.CharField(
        max_length=300, required=False, help_text="What they get, and how often, in a sentence."
    )
    basis = forms.ChoiceField(label="What lets you write", choices=Topic.Basis.choices)
    is_double_opt_in = forms.BooleanField(
        label="Has to be confirmed by e-mail",
        required=False,
        help_text="Only who reads the mail of an address can say yes for it. Where consent is asked for.",
    )

    def __init__(self, *args: Any, has_key: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["is_double_opt_in"].initial = True
        if has_key:
            del self.fields["key"]

    @staticmethod
    def initial_of(topic: Topic) -> dict[str, Any]:
        return {name: getattr(topic, name) for name in ("name", "description", "basis", "is_double_opt_in")}


class SuppressionForm(forms.Form):
    """An address that nobody is to write to any more."""

    email = forms.EmailField(label="E-mail address", max_length=320)
    reason = forms.ChoiceField(
        label="Because",
        choices=[
            ("unsubscribed", "they asked for no more mail to many"),
            ("complained", "they complained"),
            ("invalid", "there is no such address"),
        ],
    )
    note = forms.CharField(
        label="Note for the audit", max_length=300, required=False, help_text="How you know it."
    )


class SignUpForm(forms.Form):
    """What a visitor asks for. website: no person sees it; programs fill it in."""

    email = forms.EmailField(
        label="Your e-mail address",
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    website = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"})
    )


class ReportedAddressForm(forms.ModelForm):
    """An address for the operator's own list; a keyed hash of it is kept."""

    email = forms.EmailField(label="E-mail address", max_length=320)

    class Meta:
        model = EverywhereSuppression
        fields: list[str] = []

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if EverywhereSuppression.objects.filter(address_index=addresses.everywhere(email)).exists():
            raise forms.ValidationError("This address is on the list already.")
        return email

    def save_as(self, told_by: str, *, now: datetime) -> None:
        """Keep it as told by a member of staff."""
        index = addresses.everywhere(self.cleaned_data["email"])
        self.instance.address_index, self.instance.reason = index, EverywhereSuppression.Reason.REPORTED
        self.instance.told_by, self.instance.since = told_by[:200], now
        self.instance.save()


class FlagForm(forms.ModelForm):
    """A flag of a capability that there is: any other name would switch nothing, and nobody would notice."""

    name = forms.ChoiceField(
        label="Capability",
        choices=[("", "choose one"), *((one.name, one.label) for one in flags.CAPABILITIES.values())],
    )

    class Meta:
        model = Flag
        fields = ("name", "everyone", "percent", "note")
        help_texts = {
            "everyone": "Yes or no for all workspaces; unknown: as the percentage says.",
            "percent": "Of workspaces, from 0.0 to 99.9, the same ones each time; more of them as it rises. "
            "Empty: all.",
        }
