"""The forms of the journey builder; what stands against a journey is said by its checks."""

from typing import Any

from django import forms

from apps.campaigns.journeys import sources, steps, wheres, wording
from apps.campaigns.journeys.graph import MOST_ARMS
from apps.campaigns.models import Audience, Campaign

MOST_CHOICES = 500
# Conditions that a form has room for; more are kept, and shown in the API.
CONDITIONS = 3
HOURS = [(hour, f"{hour:02}:00") for hour in range(24)]
DAYS = [("", "any day"), *((number, name) for number, name in enumerate(wording.WEEKDAYS))]
REENTRY = [("never", "never again"), ("each", "each time"), ("days", "after so many days")]


def _whole(
    label: str, *, most: int, least: int = 0, is_required: bool = False, **more: Any
) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=least, max_value=most, required=is_required, **more)


class NewJourneyForm(forms.Form):
    name = forms.CharField(label="Name", max_length=120)
    pattern = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)


class SettingsForm(forms.Form):
    """What holds for the journey as a whole."""

    name = forms.CharField(label="Name", max_length=120)
    entries_a_day = _whole(
        "People who may enter in a day",
        least=1,
        most=1_000_000,
        is_required=True,
        help_text="Whoever comes when it is reached is turned away, and counted.",
    )
    reentry = forms.ChoiceField(label="Who was on it may enter", choices=REENTRY)
    reentry_days = _whole("Days until then", least=1, most=3650)
    stops_on_reply = forms.BooleanField(label="A reply to one of its messages ends it", required=False)

    @staticmethod
    def initial_of(journey: Any) -> dict[str, Any]:
        days = journey.draft["reentry_days"]
        return {
            "name": journey.name,
            "entries_a_day": journey.entries_a_day,
            "reentry": "never" if days is None else "each" if days == 0 else "days",
            "reentry_days": days or None,
            "stops_on_reply": journey.draft["stops_on_reply"],
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("reentry") == "days" and not cleaned.get("reentry_days"):
            self.add_error("reentry_days", "Say after how many days.")
        return cleaned

    def changes(self, draft: dict[str, Any]) -> dict[str, Any]:
        given = self.cleaned_data
        days = {"never": None, "each": 0}.get(given["reentry"], given["reentry_days"])
        return {
            "name": given["name"],
            "entries_a_day": given["entries_a_day"],
            "draft": {**draft, "reentry_days": days, "stops_on_reply": given["stops_on_reply"]},
        }


class Grouped(forms.Form):
    """Each condition stands in one line, and so do the parts of a length of time."""

    @property
    def groups(self) -> list[list[Any]]:
        found: list[list[Any]] = []
        for one in self.visible_fields():
            goes_on = one.name.startswith(("test_", "value_")) or one.name in ("hours", "minutes")
            found[-1:] = [[*found[-1], one]] if goes_on and found else [*found[-1:], [one]]
        return found


class NewsForm(Grouped):
    """Something that is heard, with conditions on what is told: a way in, a goal, or what is waited for."""

    source = forms.ChoiceField(label="What happens")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choose_source(self.fields["source"])
        add_conditions(self)

    def news(self) -> dict[str, Any]:
        return {"source": self.cleaned_data["source"], "where": conditions_of(self.cleaned_data)}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        check_conditions(self, cleaned, cleaned.get("source"))
        return cleaned


class AudienceEntryForm(forms.Form):
    audience = forms.ChoiceField(label="Who comes to fit")
    includes_present = forms.BooleanField(label="Those who fit already enter too", required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        rows = Audience.objects.filter(archived_at=None).order_by("name")[:MOST_CHOICES]
        self.fields["audience"].choices = [(str(one.public_id), one.name) for one in rows]  # type: ignore[attr-defined]


class DateEntryForm(forms.Form):
    trait = forms.CharField(label="Trait that holds the date", max_length=60, initial="wedding_date")
    days = _whole("Days", most=3650, is_required=True, initial=21)
    side = forms.ChoiceField(
        label="Before or after", choices=[("after", "after it"), ("before", "before it")]
    )
    hour = forms.TypedChoiceField(label="At", coerce=int, choices=HOURS, initial=9)

    def day(self) -> dict[str, Any]:
        given = self.cleaned_data
        days = -given["days"] if given["side"] == "before" else given["days"]
        return {"trait": given["trait"], "days": days, "hour": given["hour"]}


def choose_source(chosen: Any) -> None:
    heard = [(one.key, one.name) for one in sources.listed() if one.is_heard]
    silent = [(one.key, one.name) for one in sources.listed() if not one.is_heard]
    chosen.choices = [("Heard now", heard), ("Nothing tells it yet", silent)]


def add_conditions(form: forms.Form) -> None:
    """Rows of field, test and value; those left empty do not count."""
    fields = sorted({name for one in sources.listed() for name in one.fields})
    for number in range(1, CONDITIONS + 1):
        form.fields[f"field_{number}"] = forms.ChoiceField(
            label=f"Condition {number}", required=False, choices=[("", "—"), *((one, one) for one in fields)]
        )
        form.fields[f"test_{number}"] = forms.ChoiceField(
            label=f"Test {number}", required=False, choices=list(wording.TESTS.items())
        )
        form.fields[f"value_{number}"] = forms.CharField(
            label=f"Value {number}", required=False, max_length=200
        )


def conditions_of(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"field": given[f"field_{n}"], "test": given[f"test_{n}"] or "is", "value": given[f"value_{n}"]}
        for n in range(1, CONDITIONS + 1)
        if given.get(f"field_{n}")
    ]


def conditions_as_initial(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"{name}_{number}": one[name]
        for number, one in enumerate(conditions[:CONDITIONS], start=1)
        for name in ("field", "test", "value")
    }


def check_conditions(form: forms.Form, cleaned: dict[str, Any], key: str | None) -> None:
    source = sources.get(key) if key else None
    told, values = (source.fields, source.values) if source else ((), {})
    for fault in wheres.faults(conditions_of(cleaned), told, values):
        form.add_error(None, fault)


class StepForm(Grouped):
    """The fields of a kind of step, and where each of its ways leads."""

    def __init__(
        self, *args: Any, kind: str, draft: dict[str, Any], step: dict[str, Any] | None, **options: Any
    ):
        self.kind, self.step = kind, step or _NEW.get(kind, {"kind": kind})
        options["initial"] = _as_initial(self.step)
        super().__init__(*args, **options)
        _FIELDS[kind](self.fields)
        if kind in ("wait_event", "condition"):
            add_conditions(self)
        if step is not None:
            self._add_ways(draft)

    def _add_ways(self, draft: dict[str, Any]) -> None:
        names = wording.names_in(draft)
        choices = [
            ("", "the end"),
            *((key, wording.step_words(one, names)) for key, one in draft["steps"].items()),
        ]
        for way, target in steps.ways_of(self.step).items():
            self.fields[f"way_{way}"] = forms.ChoiceField(
                label=f"{steps.way_words(way).capitalize()} leads to",
                required=False,
                choices=choices,
                initial=target,
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.kind in ("wait_event", "condition"):
            check_conditions(self, cleaned, cleaned.get("source"))
        return cleaned

    def made(self) -> dict[str, Any]:
        """The step as it was filled in, leading where it says."""
        given = self.cleaned_data
        found = _read(self.kind, given, self.step)
        before = steps.ways_of(self.step) if self.step.get("arms") or self.kind != "split" else {}
        for way in steps.ways_of(found):
            target = given.get(f"way_{way}", before.get(way, ""))
            steps.lead(found, way, target or "")
        return found


def _lengths(fields: dict[str, forms.Field]) -> None:
    for name in ("days", "hours", "minutes"):
        fields[name] = _whole(name.capitalize(), most=100_000)


def _message(fields: dict[str, forms.Field]) -> None:
    rows = Campaign.objects.filter(kind=Campaign.Kind.TRIGGERED).order_by("name")[:MOST_CHOICES]
    choices = [(str(one.public_id), f"{one.name} ({one.get_state_display().lower()})") for one in rows]
    fields["campaign"] = forms.ChoiceField(
        label="The message of",
        required=False,
        choices=[("", "choose later"), *choices],
        help_text="Campaigns that go to each person whom a journey leads to them; write one under Campaigns. "
        "Caps, quiet hours and hold-out are the campaign's own.",
    )


def _hour(fields: dict[str, forms.Field]) -> None:
    fields["hour"] = forms.TypedChoiceField(label="Until", coerce=int, choices=HOURS)
    fields["weekday"] = forms.ChoiceField(label="On", required=False, choices=DAYS)


def _date(fields: dict[str, forms.Field]) -> None:
    fields.update(DateEntryForm.base_fields)


def _event(fields: dict[str, forms.Field]) -> None:
    fields["source"] = forms.ChoiceField(label="What is waited for")
    choose_source(fields["source"])
    _lengths(fields)


def _condition(fields: dict[str, forms.Field]) -> None:
    rows = Audience.objects.filter(archived_at=None, kind=Audience.Kind.RULES).order_by("name")[:MOST_CHOICES]
    fields["audience"] = forms.ChoiceField(
        label="The person fits the rules of",
        required=False,
        choices=[("", "— or what brought them in:"), *((str(one.public_id), one.name) for one in rows)],
        help_text="The rules are copied: what the audience becomes later does not change this journey.",
    )


def _split(fields: dict[str, forms.Field]) -> None:
    fields["shares"] = forms.CharField(
        label="Ways and shares",
        max_length=200,
        help_text=f"One to {MOST_ARMS}, such as “a 50, b 50”. What comes of each is read under Experiments.",
    )
    fields["goal"] = forms.CharField(
        label="Conversion type that counts", required=False, max_length=60, help_text="Empty: any."
    )


def _task(fields: dict[str, forms.Field]) -> None:
    fields["title"] = forms.CharField(label="What is to be done", max_length=120)
    fields["note"] = forms.CharField(
        label="Note", required=False, max_length=600, widget=forms.Textarea(attrs={"rows": 3})
    )
    fields["due_days"] = _whole("Due in days", most=365, is_required=True)


def _tag(fields: dict[str, forms.Field]) -> None:
    fields["trait"] = forms.CharField(label="Trait", max_length=60)
    fields["value"] = forms.CharField(
        label="Value", required=False, max_length=200, help_text="Empty: the trait is taken away."
    )


def _words(fields: dict[str, forms.Field]) -> None:
    fields["label"] = forms.CharField(label="Label", required=False, max_length=120)


_FIELDS = {
    "message": _message,
    "wait": _lengths,
    "wait_hour": _hour,
    "wait_date": _date,
    "wait_event": _event,
    "condition": _condition,
    "split": _split,
    "task": _task,
    "tag": _tag,
    "webhook": _words,
    "exit": _words,
}
_NEW: dict[str, dict[str, Any]] = {
    "wait": {"kind": "wait", "days": 1},
    "wait_hour": {"kind": "wait_hour", "hour": 9, "weekday": None},
    "wait_date": {"kind": "wait_date", "trait": "wedding_date", "days": -14, "hour": 9},
    "wait_event": {"kind": "wait_event", "source": "conversion.recorded", "where": [], "days": 7},
    "split": {"kind": "split", "arms": [{"key": "a", "share": 50}, {"key": "b", "share": 50}]},
    "task": {"kind": "task", "due_days": 1},
}


def _as_initial(step: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in step.items() if key not in ("arms", "where", "rules")}
    found |= conditions_as_initial(step.get("where") or [])
    if step["kind"] == "split":
        found["shares"] = ", ".join(f"{arm['key']} {arm.get('share', 1):g}" for arm in step["arms"])
    if step["kind"] == "wait_date":
        days = step.get("days", 0)
        found |= {"days": abs(days), "side": "before" if days < 0 else "after"}
    return found


def _read(kind: str, given: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    lengths = {name: given.get(name) or 0 for name in ("days", "hours", "minutes") if name in given}
    if kind == "wait_hour":
        weekday = given["weekday"]
        return {"kind": kind, "hour": given["hour"], "weekday": int(weekday) if weekday else None}
    if kind == "wait_date":
        days = -given["days"] if given["side"] == "before" else given["days"]
        return {"kind": kind, "trait": given["trait"], "days": days, "hour": given["hour"]}
    if kind == "wait_event":
        return {"kind": kind, "source": given["source"], "where": conditions_of(given), **lengths}
    if kind == "condition":
        return _condition_of(given, before)
    if kind == "split":
        return {"kind": kind, "goal": given["goal"], "arms": _arms(given["shares"])}
    if kind == "tag":
        return {"kind": kind, "trait": given["trait"], "value": given["value"] or None}
    plain = {
        name: given[name] for name in ("campaign", "title", "note", "due_days", "label") if name in given
    }
    return {"kind": kind, **plain, **lengths}


def _condition_of(given: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    if conditions := conditions_of(given):
        return {"kind": "condition", "where": conditions}
    chosen = Audience.objects.filter(public_id=given["audience"]).first() if given["audience"] else None
    return {"kind": "condition", "rules": chosen.rules if chosen else before.get("rules", {})}


def _arms(text: str) -> list[dict[str, Any]]:
    """`a 50, b 50`; what cannot be read is left to the checks."""
    found = []
    for part in text.split(","):
        key, _, share = part.strip().rpartition(" ")
        try:
            found.append({"key": (key or share).strip().lower(), "share": float(share) if key else 1.0})
        except ValueError:
            found.append({"key": part.strip().lower().replace(" ", "-"), "share": 1.0})
    return found
