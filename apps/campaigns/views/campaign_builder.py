"""The builder: audience, content, schedule, goal and test, checks, launch; kept as one goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from csp.decorators import csp_replace, csp_update
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import may, require
from apps.campaigns import campaigns
from apps.campaigns.campaigns import Checked
from apps.campaigns.content import Rendered, ai, blocks, predictions, preview, variants
from apps.campaigns.content.sandbox import BadTemplate
from apps.campaigns.models import Campaign, Content
from apps.campaigns.views import campaign_forms as forms

State = Campaign.State
STEPS = {
    "audience": "Audience",
    "content": "Content",
    "schedule": "Schedule",
    "goal": "Goal and test",
    "check": "Check and launch",
}
FORMS: dict[str, type[Any]] = {
    "audience": forms.AudienceStep,
    "schedule": forms.ScheduleStep,
    "goal": forms.GoalStep,
}
DARK = "@media (prefers-color-scheme: dark)"
WIDTHS = {"desktop": "Desktop", "phone": "Phone"}
PREVIEW_PEOPLE = 12


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def build(request: HttpRequest, campaign_id: UUID, step: str) -> HttpResponse:
    """One step. A POST keeps what it holds; htmx posts after each change, a button goes on."""
    found = campaigns.find(campaign_id)
    if step not in STEPS:
        raise Http404
    if found.state != State.DRAFT or found.archived_at is not None:
        return redirect("campaigns:campaign", campaign_id=campaign_id)
    if step == "content":
        return _contents(request, found)
    if step == "check":
        return _checks(request, found)
    form = FORMS[step](request.POST or None, campaign=found)
    if request.method == "POST":
        return _keep(request, found, step, form)
    return _shown(request, found, step, {"form": form})


@require_POST
@page("campaigns:send")
def launch(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    """Let it leave, once nothing stands against it."""
    found, form = campaigns.find(campaign_id), forms.LaunchForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            launched = campaigns.launch(request.actor, found, now=timezone.now(), **form.cleaned_data)
            when = "leaves at its time" if launched.state == State.SCHEDULED else "is on its way"
            messages.success(request, f"{launched.name} {when}.")
            return redirect("campaigns:campaign", campaign_id=campaign_id)
    if (fresh := campaigns.find(campaign_id)).state != State.DRAFT:
        messages.info(request, f"{fresh.name} is {fresh.get_state_display().lower()} already.")
        return redirect("campaigns:campaign", campaign_id=campaign_id)
    return _checks(request, found, form=form)


@require_POST
@page("campaigns:write")
def content_add(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    """Another variant: written from nothing, or like one that is there."""
    found, form = campaigns.find(campaign_id), forms.WordsForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            made = variants.add(request.actor, found, now=timezone.now(), **form.cleaned_data)
            messages.success(request, f"Variant {made.key} is kept, and waits for a yes.")
            return _to_variant(found, made.key)
    return _contents(request, found, new=form)


@require_POST
@page("campaigns:write")
def content_change(request: HttpRequest, campaign_id: UUID, key: str) -> HttpResponse:
    """Keep its words, approve them, or take it away, as the button says."""
    found = campaigns.find(campaign_id)
    one, deed = variants.get(found, key), request.POST.get("do", "save")
    if deed == "remove":
        variants.remove(request.actor, one, version=forms.seen_version(request), now=timezone.now())
        messages.success(request, f"Variant {key} is gone.")
        return redirect("campaigns:build", campaign_id=campaign_id, step="content")
    form = forms.VariantForm(request.POST)
    if form.is_valid():
        with refusals_in(form), _conflicts_in(form):
            one = variants.change(request.actor, one, now=timezone.now(), **form.cleaned_data)
            if deed == "approve":
                require(request.actor, "campaigns:send")
                variants.approve(request.actor, one, now=timezone.now())
                messages.success(request, f"Variant {key} is approved.{_still_waiting(found)}")
            return _saved(request, found, version=one.version) if request.htmx else _to_variant(found, key)
    return _saved(request, found, form) if request.htmx else _contents(request, found, key=key, form=form)


def _still_waiting(found: Campaign) -> str:
    waiting = [one.key for one in variants.of(found) if one.approved_at is None]
    return f" Still to be approved: {', '.join(waiting)}." if waiting else ""


@require_POST
@page("campaigns:send")
def test_send(request: HttpRequest, campaign_id: UUID, key: str) -> HttpResponse:
    found, form = campaigns.find(campaign_id), forms.TestForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            whose = _person(request, request.POST.get("whose", ""))
            to, one = form.cleaned_data["to"], variants.get(found, key)
            preview.send_test(request.actor, found, one, to, now=timezone.now(), whose=whose)
            messages.success(request, f"Variant {key} is on its way to {to}.")
            return _to_variant(found, key)
    return _contents(request, found, key=key, test=form)


@require_POST
@page("campaigns:write")
def ask_ai(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    """Have five variants written from a brief."""
    found, form = campaigns.find(campaign_id), forms.BriefForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            draft, _ = ai.ask(request.actor, found, form.cleaned_data, now=timezone.now())
            return redirect("campaigns:ai-draft", campaign_id=campaign_id, draft_id=draft.public_id)
    return _contents(request, found, brief=form)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:write")
def ai_draft(request: HttpRequest, campaign_id: UUID, draft_id: UUID) -> HttpResponse:
    """Five variants to choose from; those that are taken wait for a yes like any other."""
    found, draft = campaigns.find(campaign_id), ai.get(draft_id)
    if draft.campaign_id != found.pk:
        raise NotHere("There is no such draft.")
    if request.method == "POST":
        numbers = [int(one) for one in request.POST.getlist("variant") if one.isdigit() and len(one) < 4]
        made = ai.take(request.actor, draft, numbers, now=timezone.now())
        messages.success(
            request, f"{len(made)} taken. Read them, change what is not right, and approve them."
        )
        return redirect("campaigns:build", campaign_id=campaign_id, step="content")
    context = {
        "draft": draft,
        "is_done": draft.state == draft.State.DONE,
        "proposals": ai.proposals(draft, now=timezone.now()),
    }
    if request.htmx:
        return render(request, "campaigns/builder_ai_part.html", {"found": found, **context})
    return _shown(request, found, "content", context, template="builder_ai.html")


# Messages bring their styles along, inline; nothing else of theirs may do anything: no scripts, no forms.
@xframe_options_sameorigin
@csp_update({"style-src": ["'unsafe-inline'"], "img-src": ["https:"]})
@csp_replace({"frame-ancestors": ["'self'"]})
@require_safe
@page("campaigns:read")
def preview_frame(request: HttpRequest, campaign_id: UUID, key: str) -> HttpResponse:
    """The message itself, for the frame on the page of the builder."""
    found = campaigns.find(campaign_id)
    one, whose = variants.get(found, key), _person(request, request.GET.get("whose", ""))
    try:
        shown = preview.preview(found, one, whose, now=timezone.now())
    except DomainError as refusal:
        return render(request, "campaigns/builder_broken.html", {"detail": refusal.detail})
    answer = shown.html.decode().replace(DARK, "@media all" if "dark" in request.GET else "@media not all")
    return HttpResponse(answer)


def _keep(request: HttpRequest, found: Campaign, step: str, form: Any) -> HttpResponse:
    if form.is_valid():
        version = forms.seen_version(request)
        with refusals_in(form), _conflicts_in(form):
            campaigns.change(request.actor, found, version=version, now=timezone.now(), **form.changes())
    if request.htmx:
        return _saved(request, found, form)
    if form.errors:
        return _shown(request, found, step, {"form": form}, status=400)
    names = list(STEPS)
    return redirect("campaigns:build", campaign_id=found.public_id, step=names[names.index(step) + 1])


@contextmanager
def _conflicts_in(form: Any) -> Iterator[None]:
    """Say in one sentence who changed what meanwhile."""
    try:
        yield
    except (campaigns.ChangedMeanwhile, variants.ChangedMeanwhile) as meanwhile:
        form.add_error(None, meanwhile.detail)


def _saved(request: HttpRequest, found: Campaign, form: Any = None, *, version: int = 0) -> HttpResponse:
    """What htmx puts beside the form: that it is kept, or what is wrong; and how many it would reach.
    version: of the variant that was kept.
    """
    fresh = campaigns.find(found.public_id)
    context = {
        "found": fresh,
        "version": version or fresh.version,
        "errors": dict(form.errors) if form is not None else {},
        "now": timezone.now(),
        "people": _people(fresh),
    }
    return render(request, "campaigns/builder_saved.html", context)


def _contents(
    request: HttpRequest,
    found: Campaign,
    *,
    key: str = "",
    form: Any = None,
    new: Any = None,
    brief: Any = None,
    test: Any = None,
) -> HttpResponse:
    """The variants, the chosen one to edit beside its preview."""
    rows = variants.of(found)
    asked = key or request.GET.get("variant", "")
    chosen = next((one for one in rows if one.key == asked), rows[0] if rows else None)
    is_new = new is not None or not rows or "new" in request.GET
    width = request.GET.get("width") if request.GET.get("width") in WIDTHS else "desktop"
    whose = request.GET.get("whose", "")
    shown = None if is_new else _rendered(request, found, chosen, whose)
    context = {
        "rows": rows,
        "chosen": None if is_new else chosen,
        "foretold": {} if is_new else _foretold(found, chosen),
        "form": form or (_words(chosen) if chosen is not None and not is_new else None),
        "present": form.present(chosen) if form is not None and chosen is not None else [],
        "new": new or (forms.WordsForm() if is_new else None),
        "brief": brief or forms.BriefForm(),
        "ai_is_held": ai.held(),
        "test": test or forms.TestForm(initial={"to": getattr(request.user, "email", "")}),
        "width": width,
        "widths": WIDTHS,
        "dark": "dark" in request.GET,
        "is_text": "text" in request.GET,
        "shown": shown,
        "lot": blocks.lot_of(found, chosen) if shown and chosen else blocks.Lot.NONE,
        "whose": whose,
        "people": _who_may_be_shown(request, found),
        "frame": _frame(found, chosen, whose=whose, dark="dark" in request.GET),
    }
    bad = [one for one in (form, new, brief, test) if one is not None and one.errors]
    return _shown(request, found, "content", context, status=400 if bad else 200)


def _checks(request: HttpRequest, found: Campaign, *, form: Any = None) -> HttpResponse:
    checked = campaigns.check(found, now=timezone.now())
    context = {
        "checked": checked,
        "groups": _by_step(checked),
        "launch_form": form or forms.LaunchForm(),
        "may_launch": may(request.actor, "campaigns:send") and not checked.errors,
    }
    return _shown(request, found, "check", context, status=400 if form is not None and form.errors else 200)


def _by_step(checked: Checked) -> list[tuple[str, str, list[Any]]]:
    """Findings under the step where they are mended."""
    named: dict[str, list[Any]] = {}
    for one in sorted(checked.findings, key=lambda one: one.severity != "error"):
        step = one.where if one.where in STEPS else "check" if one.where == "launch" else "content"
        named.setdefault(step, []).append(one)
    return [(step, STEPS[step], named[step]) for step in STEPS if step in named]


def _shown(
    request: HttpRequest,
    found: Campaign,
    step: str,
    context: dict[str, Any],
    *,
    status: int = 200,
    template: str = "",
) -> HttpResponse:
    frame = {"found": found, "step": step, "steps": STEPS, "people_now": _people(found)}
    name = template or f"builder_{step}.html"
    return render(request, f"campaigns/{name}", {**frame, **context}, status=status)


def _people(found: Campaign) -> int | None:
    return None if found.audience is None else campaigns.people_of(found.audience, now=timezone.now())


def _words(one: Content) -> forms.VariantForm:
    return forms.VariantForm(
        initial={name: getattr(one, name) for name in forms.VariantForm.base_fields}, auto_id="id_%s"
    )


def _to_variant(found: Campaign, key: str) -> HttpResponse:
    address = reverse("campaigns:build", args=[found.public_id, "content"])
    return redirect(f"{address}?variant={key}")


def _foretold(found: Campaign, chosen: Content | None) -> dict[str, Any]:
    """As it was when it was approved; before that, as it is now."""
    if chosen is None or chosen.prediction:
        return {} if chosen is None else chosen.prediction
    return predictions.foretell(found, [chosen], now=timezone.now())[0]


def _rendered(request: HttpRequest, found: Campaign, chosen: Content | None, whose: str) -> Rendered | None:
    """Its subject and its text, as they are filled in; None for words that cannot be, of which the frame says
    why.
    """
    try:
        person = _person(request, whose)
        return None if chosen is None else preview.preview(found, chosen, person, now=timezone.now())
    except BadTemplate:
        return None


def _frame(found: Campaign, chosen: Content | None, *, whose: str, dark: bool) -> str:
    if chosen is None:
        return ""
    address = reverse("campaigns:preview", args=[found.public_id, chosen.key])
    # The version is of no use to the view: it has the frame loaded anew after a change.
    return f"{address}?v={found.version}&whose={whose}{'&dark' if dark else ''}"


def _who_may_be_shown(request: HttpRequest, found: Campaign) -> list[Person]:
    """Some of the audience, to preview as; only for who may see people."""
    if found.audience is None or not may(request.actor, "people:read"):
        return []
    ids = campaigns.some_of(found.audience, PREVIEW_PEOPLE, now=timezone.now())
    return list(Person.objects.filter(pk__in=ids).order_by("pk"))


def _person(request: HttpRequest, public_id: str) -> Person | None:
    """The person to preview as, for who may see people; somebody made up where none is named."""
    if public_id:
        require(request.actor, "people:read")
    try:
        there = Person.objects.filter(erased_at=None)
        return there.filter(public_id=UUID(public_id)).first() if public_id else None
    except ValueError:
        return None
