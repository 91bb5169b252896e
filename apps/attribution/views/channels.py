"""The channel rules: a draft that a person works on, what it would move, and the versions that were."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import Invalid
from apps.accounts.models import Job
from apps.accounts.permissions import may, require
from apps.attribution import (
    channel_colours,
    channel_input,
    channels,
    reports,
    rule_edits,
    rule_history,
    rule_previews,
    rule_versions,
    unknown_sources,
)
from apps.attribution.channel_rules import CONDITIONS
from apps.attribution.forms import CONDITION_LABELS, RuleForm
from apps.attribution.rule_edits import Edit, Rules, RulesChanged
from apps.attribution.rule_previews import Preview
from apps.attribution.unknown_sources import Seen, UnknownSource

SHOWN_ALTERNATIVES = 3
DRAFT = "channel_rules_draft"
PERIODS = ((str(rule_previews.DAYS), f"Last {rule_previews.DAYS} days"), ("all", "All of history"))

DEEDS: dict[str, tuple[Callable[[int], Edit], str]] = {
    "up": (lambda place: rule_edits.moved(place, by=-1), "Moved up"),
    "down": (lambda place: rule_edits.moved(place, by=1), "Moved down"),
    "pause": (lambda place: rule_edits.switched(place, is_active=False), "Paused"),
    "resume": (lambda place: rule_edits.switched(place, is_active=True), "In force again"),
    "remove": (rule_edits.without, "Removed"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@page("attribution:read")
def rules(request: HttpRequest) -> HttpResponse:
    channels.book()  # gives a new workspace its rules
    form, place = None, _number(request.GET.get("edit"))
    if request.method == "POST":
        require(request.actor, "attribution:write")
        place = _number(request.POST.get("rule"))
        form = _act(request, place)
        if form is None:
            return redirect("attribution:channels")
    draft, listed = _draft(request), _shown_rules(request)
    if form is None and may(request.actor, "attribution:write"):
        form = _form_for(request, listed, place)
    seen = unknown_sources.seen_lately()
    context = {
        "rules": _shown(listed),
        "version": channels.version_of(listed),
        "draft": draft,
        "versions": rule_versions.listed(),
        "job": rule_history.latest(),
        "seen": seen,
        "sources": _sources(seen),
        "form": form,
        "place": place,
        "channels": reports.channels(),
    }
    return render(request, "attribution/channels.html", context, status=400 if form and form.errors else 200)


@require_safe
@page("attribution:read")
def preview(request: HttpRequest) -> HttpResponse:
    """What the draft, an earlier version or the rules in force would move."""
    channels.book()
    number = _number(request.GET.get("version"))
    version = None if number is None else rule_versions.named(number)
    draft = None if version else _draft(request)
    tried = version.rules if version else _shown_rules(request)
    days = request.GET.get("days") if request.GET.get("days") in dict(PERIODS) else PERIODS[0][0]
    found = rule_previews.ask(
        request.actor, tried, days=None if days == "all" else int(days or 0), now=timezone.now()
    )
    job = found if isinstance(found, Job) else None
    context = {
        "version": version,
        "draft": draft,
        "is_in_force": tried == rule_edits.current(),
        "token": channels.version_of(draft["rules"] if draft else tried),
        "periods": [
            {"label": label, "href": _query(days=value, version=number), "is_chosen": value == days}
            for value, label in PERIODS
        ],
        "job": job,
        "history_job": rule_history.latest(),
        **_figures(rule_previews.of_job(job) if job else found),
    }
    return render(request, "attribution/channels_preview.html", context)


def _figures(found: Any) -> dict[str, Any]:
    if not isinstance(found, Preview):
        return {"found": None}
    names = channel_colours.names()
    return {
        "found": found,
        "shifts": [
            {"from": names[shift.origin], "to": _named(names, shift.to), "shift": shift}
            for shift in found.shifts
        ],
        "examples": [
            {"from": names[one.origin], "to": _named(names, one.to), "example": one} for one in found.examples
        ],
    }


def _named(names: channel_colours.Names, key: str) -> channel_colours.ChannelName:
    """A channel that the draft names for the first time has no row yet."""
    known = names[key]
    return (
        known
        if key in names
        else channel_colours.ChannelName(key=key, label=channels.label(key), token=known.token)
    )


def _act(request: HttpRequest, place: int | None) -> RuleForm | None:
    """Make the change that was asked for; answers the form where it holds what cannot be used."""
    deed = request.POST.get("do", "")
    if deed == "save":
        return _save(request, place)
    if deed in OTHER_DEEDS:
        OTHER_DEEDS[deed](request)
    elif deed in DEEDS and place is not None:
        edit, words = DEEDS[deed]
        _change_draft(request, edit(place))
        messages.success(request, f"{words}, in the draft.")
    else:
        raise Invalid({"do": ["Choose what to do with the rule."]}, "Choose what to do with the rule.")
    return None


def _save(request: HttpRequest, place: int | None) -> RuleForm | None:
    form = RuleForm(request.POST, places=len(_shown_rules(request)) + 1)
    if form.is_valid():
        with refusals_in(form):
            _change_draft(request, rule_edits.put(form.rule, at=form.cleaned_data["place"], instead_of=place))
        if not form.errors:
            messages.success(request, "In the draft. See what it would move, then put it in force.")
            return None
    return form


def _put_in_force(request: HttpRequest) -> None:
    draft = _draft(request)
    if draft is None:
        raise RulesChanged("There is no draft to put in force.")
    _check_shown(request, draft["rules"])
    note = request.POST.get("note", "").strip()[:500]
    rule_edits.apply(
        request.actor,
        rule_edits.back_to(draft["rules"]),
        version=draft["base"],
        now=timezone.now(),
        reason=note,
    )
    request.session.pop(DRAFT, None)
    messages.success(request, "In force. It counts for what arrives from now on.")
    _move_history_too(request)


def _restore(request: HttpRequest) -> None:
    number = _number(request.POST.get("number"))
    version = rule_versions.named(number or 0)
    rule_edits.restore(request.actor, version.number, now=timezone.now())
    request.session.pop(DRAFT, None)
    messages.success(request, f"Version {version.number} is in force again, as the newest version.")
    _move_history_too(request)


def _discard(request: HttpRequest) -> None:
    request.session.pop(DRAFT, None)
    messages.success(request, "The draft is gone. What is in force stayed as it was.")


def _move_history(request: HttpRequest) -> None:
    rule_history.start(request.actor, now=timezone.now())
    messages.success(request, "Touches that are here already are being moved.")


def _move_history_too(request: HttpRequest) -> None:
    if request.POST.get("history"):
        _move_history(request)


OTHER_DEEDS: dict[str, Callable[[HttpRequest], None]] = {
    "apply": _put_in_force,
    "restore": _restore,
    "discard": _discard,
    "history": _move_history,
}


def _draft(request: HttpRequest) -> dict[str, Any] | None:
    """What this person works on: rules, and the version of the list in force that it began from."""
    draft: dict[str, Any] | None = request.session.get(DRAFT)
    if draft and draft["rules"] == rule_edits.current():
        return None
    return draft


def _shown_rules(request: HttpRequest) -> Rules:
    draft = _draft(request)
    return draft["rules"] if draft else rule_edits.current()


def _change_draft(request: HttpRequest, edit: Edit) -> None:
    """Raises RulesChanged where the list on the page is not the one that is here, Invalid for a bad rule."""
    listed = _shown_rules(request)
    _check_shown(request, listed)
    draft = _draft(request)
    base = draft["base"] if draft else channels.version_of(listed)
    cleaned = channel_input.clean(edit([*listed]))
    request.session[DRAFT] = {"base": base, "rules": channels.without_blanks(cleaned)}


def _check_shown(request: HttpRequest, listed: Rules) -> None:
    if channels.version_of(listed) != request.POST.get("version", ""):
        raise RulesChanged("The rules were changed meanwhile. Look at them, then repeat your change.")


def _form_for(request: HttpRequest, listed: Rules, place: int | None) -> RuleForm | None:
    """The rule that is being changed, or a new one with what an unknown source says."""
    if place is not None and 1 <= place <= len(listed):
        return RuleForm(initial={**listed[place - 1], "place": place}, places=len(listed))
    if "add" in request.GET:
        said = {name: request.GET.get(name, "") for name in CONDITIONS}
        return RuleForm(initial=said, places=len(listed) + 1)
    return None


def _shown(listed: Rules) -> list[dict[str, Any]]:
    names = channel_colours.names()
    return [
        {
            "place": place,
            "label": _named(names, rule["channel_key"]).label,
            "css": names[rule["channel_key"]].token,
            "is_active": rule["is_active"],
            "conditions": [_condition(name, rule[name]) for name in CONDITIONS if rule.get(name)],
        }
        for place, rule in enumerate(listed, start=1)
    ]


def _condition(name: str, pattern: str) -> dict[str, Any]:
    alternatives = pattern.split("|")
    return {
        "label": CONDITION_LABELS[name],
        "pattern": pattern,
        "shown": " | ".join(alternatives[:SHOWN_ALTERNATIVES]),
        "more": max(len(alternatives) - SHOWN_ALTERNATIVES, 0),
    }


def _sources(seen: Seen) -> list[dict[str, Any]]:
    """What fitted no rule, each with the way to a rule made for it."""
    return [_source(source) for source in seen.sources]


def _source(source: UnknownSource) -> dict[str, Any]:
    said = source.signal._asdict()
    address = _query(add=1, **{name: text for name, text in said.items() if text})
    return {**said, "touches": source.touches, "last_seen_at": source.last_seen_at, "href": address}


def _query(**parts: Any) -> str:
    return "?" + urlencode({name: value for name, value in parts.items() if value is not None})


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else None
