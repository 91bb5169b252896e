"""What the builder of campaigns reads; the verbs judge it."""

from typing import Any

from django import forms
from django.http import HttpRequest

from apps.attribution import reports
from apps.campaigns import flags
from apps.campaigns.content import sandbox
from apps.campaigns.models import Audience, Campaign, Content, Topic
from apps.integrations import mail
from apps.integrations.models import Connection

HOURS = [(hour, f"{hour:02}:00") for hour in range(25)]
DATE_TIME = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


def seen_version(request: HttpRequest) -> int:
    """What the form was filled in on; a version that there never was where none is named."""
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


class NameForm(forms.Form):
    name = forms.CharField(
        label="What is it called?", max_length=120, help_text="Colleagues see it, recipients do not."
    )
    kind = forms.ChoiceField(
        label="Who gets it?",
        choices=[
            (Campaign.Kind.BROADCAST, "Everybody in an audience, once"),
            (Campaign.Kind.TRIGGERED, "Each person whom a journey leads to it"),
        ],
        required=False,
        help_text="Messages of journeys are written here, and put into a journey once they are launched.",
    )

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or Campaign.Kind.BROADCAST


class AudienceStep(forms.Form):
    """Whom to write to."""

    name = forms.CharField(label="Name", max_length=120, help_text="Colleagues see it, recipients do not.")
    audience = forms.ModelChoiceField(
        label="Audience",
        queryset=Audience.objects.none(),
        required=False,
        empty_label="Nobody yet",
        to_field_name="public_id",
    )

    def __init__(self, *args: Any, campaign: Campaign, **options: Any) -> None:
        options["initial"] = {"name": campaign.name, "audience": getattr(campaign.audience, "public_id", "")}
        super().__init__(*args, **options)
        self.fields["audience"].queryset = Audience.objects.filter(archived_at=None).order_by("name")
        if campaign.kind == Campaign.Kind.TRIGGERED:
            del self.fields["audience"]

    def changes(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class ScheduleStep(forms.Form):
    """Who writes, about what, and when."""

    topic = forms.ModelChoiceField(
        label="Topic",
        queryset=Topic.objects.none(),
        required=False,
        to_field_name="key",
        help_text="What people agreed to, and unsubscribe from.",
    )
    sender = forms.ModelChoiceField(
        label="From", queryset=Connection.objects.none(), required=False, to_field_name="public_id"
    )
    starts_at = forms.DateTimeField(
        label="Not before", required=False, widget=DATE_TIME, help_text="Empty: as soon as it is launched."
    )
    send_from_hour = forms.TypedChoiceField(
        label="Messages leave from",
        coerce=int,
        choices=HOURS[:24],
        help_text="In each recipient's own time zone, where it is known.",
    )
    send_until_hour = forms.TypedChoiceField(label="until", coerce=int, choices=HOURS[1:])
    is_time_optimised = forms.BooleanField(
        label="Each at the hour at which they click",
        required=False,
        help_text="Learnt from their past clicks, and measured against a part that gets it at once.",
    )
    rate_per_hour = forms.IntegerField(
        label="At most, an hour",
        required=False,
        min_value=1,
        help_text="Empty: as fast as providers take it.",
    )
    after_crash = forms.ChoiceField(
        label="If a machine dies while it sends",
        choices=[(value, label.capitalize()) for value, label in Campaign.AfterCrash.choices],
    )

    GROUPS = (
        ("topic", "sender"),
        ("starts_at", "rate_per_hour"),
        ("send_from_hour", "send_until_hour"),
        ("is_time_optimised",),
        ("after_crash",),
    )

    def __init__(self, *args: Any, campaign: Campaign, **options: Any) -> None:
        names = ("starts_at", "send_from_hour", "send_until_hour", "is_time_optimised", "rate_per_hour")
        values = {name: getattr(campaign, name) for name in (*names, "after_crash")}
        values |= {
            "topic": getattr(campaign.topic, "key", ""),
            "sender": getattr(campaign.sender, "public_id", ""),
        }
        super().__init__(*args, **{**options, "initial": values})
        self.fields["topic"].queryset = Topic.objects.order_by("name")
        self.fields["sender"].queryset = (
            Connection.objects.filter(service=mail.SENDER)
            .exclude(state=Connection.State.DISCONNECTED)
            .order_by("label")
        )
        self.fields["sender"].label_from_instance = lambda one: one.account
        is_triggered = campaign.kind == Campaign.Kind.TRIGGERED
        if is_triggered or not flags.is_on(flags.TIME_OPTIMISATION, campaign.workspace_id):
            del self.fields["is_time_optimised"]

    @property
    def groups(self) -> list[list[Any]]:
        return [[self[name] for name in group if name in self.fields] for group in self.GROUPS]

    def changes(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class GoalStep(forms.Form):
    """What it is for, and how it is proved."""

    goal = forms.ChoiceField(
        label="It is for",
        required=False,
        help_text="Variants are judged by it; without one, by clicks. Opens prove nothing and are not used.",
    )
    goal_days = forms.FloatField(
        label="Days in which one still counts",
        help_text="After the message; the report is final that long after the last one.",
    )
    hold_out_percent = forms.FloatField(
        label="Of 100 people, hold out",
        min_value=0,
        max_value=50,
        help_text="They get nothing, and show what would have happened anyway. 10 is a good start.",
    )
    test_percent = forms.FloatField(
        label="Of 100 people, try the variants on",
        min_value=1,
        max_value=100,
        help_text="The others get the winner. 100: everybody gets one of the variants.",
    )
    test_hours = forms.FloatField(
        label="Hours after which the winner goes out",
        help_text="Sooner, once choosing it costs nothing; where no winner can be named, each variant alike.",
    )

    GROUPS = (("goal", "goal_days"), ("hold_out_percent",), ("test_percent", "test_hours"))

    def __init__(self, *args: Any, campaign: Campaign, **options: Any) -> None:
        values = {
            "goal": campaign.goal,
            "goal_days": f"{campaign.goal_days:g}",
            "hold_out_percent": f"{100 * campaign.hold_out_share:g}",
            "test_percent": f"{100 * campaign.test_share:g}",
            "test_hours": f"{campaign.test_hours:g}",
        }
        super().__init__(*args, **{**options, "initial": values})
        kinds = sorted({*reports.conversion_types(), *([campaign.goal] if campaign.goal else [])})
        named = [(kind, kind.replace("_", " ").capitalize()) for kind in kinds]
        self.fields["goal"].choices = [("", "Any conversion; variants by clicks"), *named]
        if campaign.kind == Campaign.Kind.TRIGGERED:  # whoever is led to it waits for no winner
            del self.fields["test_percent"], self.fields["test_hours"]

    @property
    def groups(self) -> list[list[Any]]:
        return [[self[name] for name in group if name in self.fields] for group in self.GROUPS]

    def changes(self) -> dict[str, Any]:
        given = dict(self.cleaned_data)
        shares = {"hold_out_percent": "hold_out_share", "test_percent": "test_share"}
        return {
            shares.get(name, name): value / 100 if name in shares else value for name, value in given.items()
        }

    def add_error(self, field: Any, error: Any) -> None:
        """What the verb says of shares belongs to the fields in percent."""
        named = {"hold_out_share": "hold_out_percent", "test_share": "test_percent"}
        super().add_error(named.get(field, field), error)


class WordsForm(forms.Form):
    """What a variant says."""

    subject = forms.CharField(label="Subject", max_length=300)
    preheader = forms.CharField(
        label="Preview line",
        max_length=300,
        required=False,
        help_text="Shown after the subject in a mailbox.",
    )
    body = forms.CharField(
        label="Text",
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Markdown. {{ first_name }} and the like are filled in for each person.",
    )
    cta_label = forms.CharField(label="Button", max_length=120, required=False)
    cta_url = forms.CharField(label="It leads to", max_length=2_000, required=False)


class VariantForm(WordsForm):
    """A variant that is there, as it was seen."""

    version = forms.IntegerField(
        widget=forms.HiddenInput,
        min_value=0,
        max_value=2**31 - 1,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            "Load the page again: it does not say what you saw.",
        ),
    )
    weight = forms.IntegerField(
        label="Weight in the test",
        min_value=1,
        max_value=100,
        required=False,
        help_text="2 gets twice as many people as 1.",
    )

    def present(self, one: Content) -> list[tuple[str, Any]]:
        """What stands there by now and differs from what was sent, where another version was seen."""
        if not self.is_bound or self.data.get("version") == str(one.version):
            return []
        there = [(name, getattr(one, name)) for name in WordsForm.base_fields]
        return [
            (str(self.fields[name].label), value)
            for name, value in there
            if sandbox.cleaned(self.data.get(name, "")) != value
        ]


class TestForm(forms.Form):
    to = forms.EmailField(label="Send it to", max_length=254)


class BriefForm(forms.Form):
    """What variants are to be written about."""

    about = forms.CharField(
        label="What do you want to say?",
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=2_000,
        help_text="Nothing that names people: what does is taken out before it leaves.",
    )
    audience = forms.CharField(label="Whom it is for, in words", max_length=200, required=False)
    goal = forms.CharField(label="What they should do", max_length=200, required=False)
    tone = forms.CharField(label="Tone", max_length=60, required=False, initial="warm")
    links = forms.CharField(
        label="Links",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        required=False,
        help_text="One a line: what the button says, then the address. See the venues https://…",
    )

    def clean_links(self) -> list[tuple[str, str]]:
        found = []
        for line in self.cleaned_data["links"].splitlines():
            label, _, url = line.strip().rpartition(" ")
            if url and not label:
                raise forms.ValidationError(f"{url[:60]}: say what the button says, before the address.")
            if url:
                found.append((label.strip(" |:"), url))
        return found


class LaunchForm(forms.Form):
    confirmed_people = forms.IntegerField(label="Type the number of people", min_value=0, required=False)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1, required=False)
