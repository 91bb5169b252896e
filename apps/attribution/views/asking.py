"""What a report page was asked: the filter of its query string, as a question and in words."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.errors import Invalid
from apps.attribution import goals, model_guide, reports
from apps.attribution.forms import PERIODS, ReportFilter
from apps.attribution.model_guide import Family
from apps.attribution.questions import Query

PERIOD_WORDS = {value: label[0].lower() + label[1:] for value, label in PERIODS}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """model: one model's name, also where all are compared. family: None where all are compared."""

    form: ReportFilter
    query: Query
    model: str
    is_comparing: bool
    family: Family | None
    period: str
    now: datetime

    @property
    def variants(self) -> list[model_guide.Guide]:
        """The models to choose between within the family; none where there is only one."""
        names = self.family.models if self.family else ()
        return [model_guide.GUIDES[name] for name in names] if len(names) > 1 else []

    @property
    def goal(self) -> str:
        """The conversion type in words; empty where not exactly one counts."""
        return (self.query.conversion_type or "").replace("_", " ")

    @property
    def goal_label(self) -> str:
        """The goal's name; empty where all conversions count."""
        return "" if self.form.chosen_goal.key == goals.ALL else self.form.chosen_goal.label

    @property
    def model_label(self) -> str:
        return model_guide.label_of(self.model)

    def context(self) -> dict[str, Any]:
        return {"asked": self, "form": self.form, "families": model_guide.FAMILIES}


def asked(request: HttpRequest) -> Asked:
    """Read the filter. What cannot be used is named at its field, and its default holds."""
    now = timezone.now()
    form = ReportFilter(request.GET, workspace=request.workspace, types=reports.conversion_types())
    today = timezone.localdate(now)
    chosen = form.chosen("model")
    is_comparing = chosen == model_guide.COMPARE
    return Asked(
        form=form,
        query=_query(form, today),
        model=model_guide.DEFAULT if is_comparing else chosen,
        is_comparing=is_comparing,
        family=None if is_comparing else model_guide.family_of(chosen),
        period=_words(form, today),
        now=now,
    )


def _query(form: ReportFilter, today: date) -> Query:
    try:
        return form.query(today)
    except Invalid as refusal:
        form.add_error("until", refusal.errors.get("to", [refusal.detail]))
    return form.query(today)  # now without the end that cannot be used


def _words(form: ReportFilter, today: date) -> str:
    """The period as it stands in a sentence."""
    period = form.chosen("period")
    if period == "all":
        return "all of the data"
    if period != "custom":
        return "the " + PERIOD_WORDS[period]
    since, until = form.days(today)
    if since and until:
        return f"the days from {_day(since)} to {_day(until)}"
    return (
        f"the days from {_day(since)}"
        if since
        else f"all until {_day(until)}"
        if until
        else "all of the data"
    )


def _day(day: date | None) -> str:
    return "" if day is None else f"{day.day} {day:%b %Y}"
