from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import Invalid
from apps.accounts.permissions import may, require
from apps.attribution import channel_colours, channels, reports, rule_edits, unknown_sources
from apps.attribution.channel_rules import CONDITIONS
from apps.attribution.forms import CONDITION_LABELS, RuleForm
from apps.attribution.rule_edits import Edit, Rules
from apps.attribution.unknown_sources import Seen, UnknownSource

SHOWN_ALTERNATIVES = 3
BEFORE = "channel_rules_before"

DEEDS: dict[str, tuple[Callable[[int], Edit], str]] = {
    "up": (lambda place: rule_edits.moved(place, by=-1), "Moved up."),
    "down": (lambda place: rule_edits.moved(place, by=1), "Moved down."),
    "pause": (lambda place: rule_edits.switched(place, is_active=False), "Paused."),
    "resume": (lambda place: rule_edits.switched(place, is_active=True), "In force again."),
    "remove": (rule_edits.without, "Removed."),
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
    listed = rule_edits.current()
    if form is None and may(request.actor, "attribution:write"):
        form = _form_for(request, listed, place)
    seen = unknown_sources.seen_lately()
    context = {
        "rules": _shown(listed),
        "version": rule_edits.version_of(listed),
        "seen": seen,
        "sources": _sources(seen),
        "form": form,
        "place": place,
        "channels": reports.channels(),
        "may_undo": _may_undo(request, listed),
    }
    return render(request, "attribution/channels.html", context, status=400 if form and form.errors else 200)


def _act(request: HttpRequest, place: int | None) -> RuleForm | None:
    """Make the change that was asked for; answers the form where it holds what cannot be used."""
    deed = request.POST.get("do", "")
    if deed == "save":
        return _save(request, place)
    if deed == "undo":
        _apply(request, rule_edits.back_to(request.session.pop(BEFORE, rule_edits.current())))
        request.session.pop(BEFORE, None)
        messages.success(request, "The rules are as they were before.")
    elif deed in DEEDS and place is not None:
        edit, words = DEEDS[deed]
        _apply(request, edit(place))
        messages.success(request, words)
    else:
        raise Invalid({"do": ["Choose what to do with the rule."]}, "Choose what to do with the rule.")
    return None


def _save(request: HttpRequest, place: int | None) -> RuleForm | None:
    form = RuleForm(request.POST, places=len(rule_edits.current()) + 1)
    if form.is_valid():
        with refusals_in(form):
            _apply(request, rule_edits.put(form.rule, at=form.cleaned_data["place"], instead_of=place))
        if not form.errors:
            messages.success(request, "Saved. It counts for what arrives from now on.")
            return None
    return form


def _apply(request: HttpRequest, edit: Edit) -> None:
    version = request.POST.get("version", "")
    request.session[BEFORE] = rule_edits.apply(request.actor, edit, version=version, now=timezone.now())


def _may_undo(request: HttpRequest, listed: Rules) -> bool:
    before = request.session.get(BEFORE)
    return bool(before) and before != listed and may(request.actor, "attribution:write")


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
            "label": names[rule["channel_key"]].label,
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
    address = "?" + urlencode({"add": 1, **{name: text for name, text in said.items() if text}})
    return {**said, "touches": source.touches, "last_seen_at": source.last_seen_at, "href": address}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else None
