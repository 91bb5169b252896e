"""Kinds of messages, and how many people want each."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page, refusals_in
from apps.accounts.permissions import require
from apps.campaigns.forms import TopicForm
from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import topics as verbs
from apps.campaigns.subscriptions.topics import Counted


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def topics(request: HttpRequest) -> HttpResponse:
    form = TopicForm(request.POST or None)
    if request.method == "POST":
        require(request.actor, "campaigns:write")
        if form.is_valid():
            with refusals_in(form):
                made = verbs.create(request.actor, now=timezone.now(), **form.cleaned_data)
                messages.success(
                    request, f"{made.name} is there. Give it a form, or choose it in a campaign."
                )
                return redirect("campaigns:topics")
    rows = verbs.counted(now=timezone.now())
    context = {
        "rows": rows,
        "wanted": max(rows, key=_granted) if any(map(_granted, rows)) else None,
        "people": rows[0].granted + rows[0].withdrawn + rows[0].unknown,
        "form": form,
    }
    return render(request, "campaigns/topics.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("campaigns:read")
def topic(request: HttpRequest, key: str) -> HttpResponse:
    found = verbs.get(key)
    form = TopicForm(request.POST or None, initial=TopicForm.initial_of(found), has_key=True)
    if request.method == "POST":
        require(request.actor, "campaigns:write")
        if form.is_valid():
            with refusals_in(form):
                verbs.change(request.actor, found, now=timezone.now(), **form.cleaned_data)
                messages.success(request, "It holds from now on.")
                return redirect("campaigns:topics")
    is_open = found.basis == Topic.Basis.CONSENT
    place = reverse("letters:subscribe", args=[request.workspace.slug, found.key])
    context = {"topic": found, "form": form, "sign_up": request.build_absolute_uri(place) if is_open else ""}
    return render(request, "campaigns/topic.html", context, status=400 if form.errors else 200)


def _granted(row: Counted) -> int:
    return row.granted
