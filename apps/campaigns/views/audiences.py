"""Whom to write to: audiences, the builder of their rules, and files of people for lists."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import DomainError, Invalid
from apps.accounts.models import Person
from apps.accounts.permissions import may
from apps.attribution.spreadsheets import csv_lines
from apps.campaigns.audiences import asking, catalogue, keeping, list_files, selecting, tree
from apps.campaigns.audiences.reading import Faults
from apps.campaigns.audiences.selecting import Found
from apps.campaigns.models import Audience, Campaign, ListFile, RefusedRow
from apps.campaigns.views import rule_form
from apps.campaigns.views.audience_forms import ListForm, PeopleFileForm
from apps.campaigns.views.rule_form import Box

REFUSED_SHOWN = 50
FILES_SHOWN = 20
LIST, RULES = Audience.Kind.LIST, Audience.Kind.RULES


@require_safe
@page("campaigns:read")
def listed(request: HttpRequest) -> HttpResponse:
    """Whom can we write to?"""
    found = list(Audience.objects.filter(archived_at=None).order_by("name"))
    context = {"rows": [{"audience": one, "sentence": _sentence(one)} for one in found]}
    return render(request, "campaigns/audiences.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def build(request: HttpRequest, audience_id: UUID | None = None) -> HttpResponse:
    """The builder: of a new audience, or of one that is there."""
    audience = None if audience_id is None else keeping.get(audience_id)
    if audience is not None and audience.kind != RULES:
        return redirect("campaigns:audience", audience_id=audience.public_id)
    if request.method != "POST":
        draft = rule_form.first() if audience is None else rule_form.draft_of(audience.rules)
        return _builder(request, audience, draft, name=audience.name if audience else "")
    draft, name, deed = rule_form.read(request.POST), request.POST.get("name", ""), request.POST.get("do", "")
    if deed != "save":
        return _builder(request, audience, rule_form.changed(draft, deed), name=name)
    try:
        kept = _kept(request, audience, name, _rules(draft))
    except Invalid as refusal:
        return _builder(request, audience, draft, name=name, faults=refusal.errors, status=400)
    messages.success(request, f"{kept.name} is kept. Who fits is asked anew each time it is used.")
    return redirect("campaigns:audience", audience_id=kept.public_id)


@require_POST
@page("campaigns:write")
def preview(request: HttpRequest) -> HttpResponse:
    """Who would fit what stands in the builder now, as a part of the page."""
    context = _reach(request, rule_form.read(request.POST))
    return render(request, "campaigns/audience_reach.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def audience(request: HttpRequest, audience_id: UUID) -> HttpResponse:
    """One audience: who is in it now; a list takes files of people here."""
    found = keeping.get(audience_id)
    form = _file_form(request) if found.kind == LIST and _may_write(request) else None
    if request.method == "POST" and form is not None and form.is_valid():
        with refusals_in(form):
            made = list_files.bring(
                request.actor,
                found,
                file_name=form.upload.name or "file",
                chunks=form.upload.chunks(),
                mapping=form.mapping,
                makes_people=form.cleaned_data.get("makes_people", False),
                now=timezone.now(),
            )
        if not form.errors:
            return redirect("campaigns:audience-file", file_id=made.public_id)
    context = {
        "audience": found,
        "form": form,
        "sentence": _sentence(found),
        "files": ListFile.objects.filter(audience=found).select_related("job").order_by("-pk")[:FILES_SHOWN],
        "campaigns": Campaign.objects.filter(audience=found).order_by("-pk")[:FILES_SHOWN],
        **_counted(request, found),
    }
    status = 400 if form is not None and form.errors else 200
    return render(request, "campaigns/audience.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def new_list(request: HttpRequest) -> HttpResponse:
    form = ListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = keeping.create(
                request.actor, name=form.cleaned_data["name"], kind=LIST, now=timezone.now()
            )
        if not form.errors:
            return redirect("campaigns:audience", audience_id=made.public_id)
    status = 400 if form.errors else 200
    return render(request, "campaigns/list_new.html", {"form": form}, status=status)


@require_POST
@page("campaigns:write")
def archive(request: HttpRequest, audience_id: UUID) -> HttpResponse:
    gone = keeping.archive(request.actor, audience_id, now=timezone.now())
    messages.success(request, f"{gone.name} was put away. Campaigns that were sent to it keep it.")
    return redirect("campaigns:audiences")


@require_safe
@page("campaigns:read")
def list_file(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """How far a file is, what it brought, and which rows were refused."""
    found = list_files.get(file_id)
    refused = RefusedRow.objects.filter(list_file=found).order_by("line")[:REFUSED_SHOWN]
    context = {"made": found, "refused": refused, "kept": list_files.KEPT_REFUSED}
    return render(request, "campaigns/list_file.html", context)


@require_safe
@page("campaigns:read")
def refused_rows(request: HttpRequest, file_id: UUID) -> Any:
    """The refused rows as a file: lines and reasons, and nothing of people."""
    found = list_files.get(file_id)
    rows = RefusedRow.objects.filter(list_file=found).order_by("line")
    lines = [["line", "reason"], *([one.line, one.get_reason_display()] for one in rows)]
    name = slugify(f"{found.file_name} refused") or "refused"
    return StreamingHttpResponse(
        csv_lines(lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"},
    )


def _kept(request: HttpRequest, audience: Audience | None, name: str, rules: dict[str, Any]) -> Audience:
    now = timezone.now()
    if audience is None:
        return keeping.create(request.actor, name=name, kind=RULES, rules=rules, now=now)
    return keeping.change(request.actor, audience.public_id, name=name, rules=rules, now=now)


def _builder(
    request: HttpRequest,
    audience: Audience | None,
    draft: Box,
    *,
    name: str,
    faults: Faults | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "audience": audience,
        "name": name,
        "name_errors": (faults or {}).get("name", []),
        "tree": rule_form.shown(draft, faults=faults),
        **_reach(request, draft),
    }
    return render(request, "campaigns/audience_build.html", context, status=status)


def _reach(request: HttpRequest, draft: Box) -> dict[str, Any]:
    """How many fit, some of them, and the rules as a sentence; or what stands in the way."""
    context: dict[str, Any] = {"people": None, "sample": [], "sentence": "", "obstacle": ""}
    try:
        node = tree.read(_rules(draft))
        context["sentence"] = selecting.sentence(node)
        asking.require_right(request.actor, node)
        found = selecting.find(node, now=timezone.now(), seconds=selecting.PREVIEW_SECONDS)
    except Invalid as refusal:
        context["obstacle"] = next(iter(refusal.errors.values()))[0]
    except DomainError as refusal:
        context["obstacle"] = refusal.detail
    else:
        context |= _told(request, found)
    return context


def _counted(request: HttpRequest, audience: Audience) -> dict[str, Any]:
    """Counted as the page is asked for, so that the number is of now; kept by the API and by jobs."""
    try:
        found = selecting.find(
            selecting.node_of(audience), now=timezone.now(), seconds=selecting.PREVIEW_SECONDS
        )
    except DomainError as refusal:
        return {"people": None, "obstacle": next(iter(refusal.errors.values()), [refusal.detail])[0]}
    return _told(request, found)


def _told(request: HttpRequest, found: Found) -> dict[str, Any]:
    told = asking.as_told(request.actor, found)
    return {"people": told.people, "sample": _people(told.sample), "seconds": told.seconds}


def _people(public_ids: list[UUID]) -> list[Person]:
    """By public ids alone: who they are is for the page of a person, with a right and a log of its own."""
    found = Person.objects.filter(public_id__in=public_ids).only("public_id", "first_seen_at", "last_seen_at")
    return list(found.order_by("-pk"))


def _sentence(audience: Audience) -> str:
    try:
        return selecting.sentence(selecting.node_of(audience))
    except Invalid as refusal:
        return f"These rules can no longer be asked: {next(iter(refusal.errors.values()))[0]}"


def _rules(draft: Box) -> dict[str, Any]:
    return rule_form.rules_of(draft, {one.key: one for one in catalogue.entries()})


def _may_write(request: HttpRequest) -> bool:
    return may(request.actor, "campaigns:write")


def _file_form(request: HttpRequest) -> PeopleFileForm:
    return PeopleFileForm(
        request.POST or None, request.FILES or None, may_make=may(request.actor, "people:write")
    )
