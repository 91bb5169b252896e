"""Posts for social networks: what waits, what is out and how it does, and what others write."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.paging import slice_of
from apps.integrations import social, social_reports
from apps.integrations.models import SocialPost
from apps.integrations.social_forms import LimitForm, NewPostForm, PostForm

STATES = {
    "draft": [SocialPost.State.DRAFT],
    "on_the_way": [SocialPost.State.APPROVED, *SocialPost.IN_FLIGHT],
    "published": [SocialPost.State.PUBLISHED],
    "failed": [SocialPost.State.FAILED],
}


@require_safe
@page("integrations:read")
def listed(request: HttpRequest) -> HttpResponse:
    """What waits for a person, what is out, and how does it do?"""
    asked = request.GET.get("state", "")
    rows = social_reports.posts()
    if asked in STATES:
        rows = rows.filter(state__in=STATES[asked])
    context = {
        "standings": social_reports.standings(now=timezone.now()),
        "counts": social_reports.counts(),
        "slice": slice_of(rows, request.GET, size=25),
        "asked": asked if asked in STATES else "",
        "states": list(STATES),
    }
    return render(request, "integrations/social.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("social:write")
def new(request: HttpRequest) -> HttpResponse:
    """Write, see it as each network will have it, and keep it as drafts."""
    form = NewPostForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        with refusals_in(form):
            made = social.write(request.actor, form.draft(), form.chosen(), now=timezone.now())
            messages.success(request, "Kept as a draft for each account. Somebody must approve it.")
            if len(made) == 1:
                return redirect("integrations:social-post", public_id=made[0].public_id)
            return redirect("integrations:social")
    context = {"form": form, "previews": _previews(form), "connections": form.connections}
    is_refused = bool(form.errors) and "preview" not in request.POST
    return render(request, "integrations/social_compose.html", context, status=400 if is_refused else 200)


def _previews(form: NewPostForm) -> list[social_reports.Preview]:
    if not form.is_bound or not {"accounts", "text", "images"} <= form.cleaned_data.keys():
        return []
    given = {"scheduled_at": None, "link": "", **form.cleaned_data}
    form.cleaned_data = given
    return social_reports.previews(form.draft().post, form.chosen())


@require_safe
@page("integrations:read")
def post(request: HttpRequest, public_id: str) -> HttpResponse:
    found = social.get(public_id)
    content = PostForm(PostForm.initial_of(found) | {"scheduled_at": ""})
    content.is_valid()
    [preview] = social_reports.previews(content.draft().post, [found.connection])
    standing = social_reports.standing_of(found.connection, now=timezone.now())
    context = {"post": found, "preview": preview, "standing": standing}
    return render(request, "integrations/social_post.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("social:write")
def change(request: HttpRequest, public_id: str) -> HttpResponse:
    found = social.get(public_id)
    form = PostForm(request.POST or None, initial=PostForm.initial_of(found))
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            social.change(request.actor, public_id, form.draft(), now=timezone.now())
            messages.success(request, "Kept as a draft. Somebody must approve it.")
            return redirect("integrations:social-post", public_id=public_id)
    context = {"form": form, "post": found}
    return render(request, "integrations/social_change.html", context, status=400 if form.errors else 200)


@require_POST
@page("social:approve")
def approve(request: HttpRequest, public_id: str) -> HttpResponse:
    found = social.approve(request.actor, public_id, now=timezone.now())
    words = (
        "It is on its way."
        if found.is_in_flight
        else found.reason or "It is approved and leaves at its time."
    )
    messages.success(request, words)
    return redirect("integrations:social-post", public_id=public_id)


@require_POST
@page("social:write")
def withdraw(request: HttpRequest, public_id: str) -> HttpResponse:
    social.withdraw(request.actor, public_id, now=timezone.now())
    messages.success(request, "It is a draft again and does not leave.")
    return redirect("integrations:social-post", public_id=public_id)


@require_POST
@page("social:write")
def discard(request: HttpRequest, public_id: str) -> HttpResponse:
    social.discard(request.actor, public_id, now=timezone.now())
    messages.success(request, "It is thrown away.")
    return redirect("integrations:social")


@require_POST
@page("social:approve")
def take_down(request: HttpRequest, public_id: str) -> HttpResponse:
    social.take_down(request.actor, public_id, now=timezone.now())
    messages.success(request, "The network is asked to delete it.")
    return redirect("integrations:social-post", public_id=public_id)


@require_safe
@page("integrations:read")
def mentions(request: HttpRequest) -> HttpResponse:
    """Who writes of us?"""
    standings = social_reports.standings(now=timezone.now())
    context: dict[str, Any] = {
        "slice": slice_of(social_reports.mentions(), request.GET, size=25),
        "silent": [one for one in standings if not one.rules.can_read_mentions],
        "unread": [one for one in standings if one.rules.can_read_mentions and not one.account.reads_are_on],
        "standings": standings,
    }
    return render(request, "integrations/social_mentions.html", context)


@require_POST
@page("social:write")
def pause(request: HttpRequest, public_id: str) -> HttpResponse:
    found = social.connection_of(public_id)
    social.pause(request.actor, found, now=timezone.now())
    messages.success(request, f"{found.label} publishes nothing until it is resumed.")
    return redirect("integrations:social")


@require_POST
@page("social:approve")
def resume(request: HttpRequest, public_id: str) -> HttpResponse:
    found = social.connection_of(public_id)
    social.resume(request.actor, found, now=timezone.now())
    messages.success(request, f"{found.label} publishes again.")
    return redirect("integrations:social")


@require_http_methods(["GET", "HEAD", "POST"])
@page("social:approve")
def limit(request: HttpRequest, public_id: str) -> HttpResponse:
    standing = social_reports.standing_of(social.connection_of(public_id), now=timezone.now())
    account = standing.account
    initial = {"daily_limit": account.daily_limit, "reads_are_on": account.reads_are_on}
    form = LimitForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            social.set_limit(request.actor, standing.connection, **form.cleaned_data, now=timezone.now())
            messages.success(request, "The limit holds from now on.")
            return redirect("integrations:social")
    context = {"form": form, "standing": standing}
    return render(request, "integrations/social_limit.html", context, status=400 if form.errors else 200)
