from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import jobs as verbs
from apps.accounts.doors import page
from apps.accounts.errors import NotHere
from apps.accounts.models import Job
from apps.accounts.paging import slice_of

UNFINISHED = (Job.State.QUEUED, Job.State.RUNNING)


@require_safe
@page("jobs:read")
def jobs(request: HttpRequest) -> HttpResponse:
    found = Job.objects.select_related("created_by")
    context = {
        "running": found.filter(state__in=UNFINISHED).order_by("-pk")[:50],
        "slice": slice_of(found.exclude(state__in=UNFINISHED), request.GET, size=25),
    }
    return render(request, "accounts/jobs.html", context)


@require_safe
@page("jobs:read")
def job(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The whole page; for htmx the card alone, which says when it is over for others to look again."""
    found = _job(public_id)
    template = "partials/job.html" if request.htmx else "accounts/job.html"
    answer = render(request, template, {"job": found})
    if request.htmx and found.is_over:
        answer.headers["HX-Trigger"] = "job-over"
    return answer


@require_POST
@page("jobs:cancel")
def cancel(request: HttpRequest, public_id: UUID) -> HttpResponse:
    verbs.cancel(_job(public_id))
    if request.htmx:
        return render(request, "partials/job.html", {"job": _job(public_id)})
    messages.success(request, "It stops after its present batch.")
    return redirect("accounts:job", public_id=public_id)


def _job(public_id: UUID) -> Job:
    found = Job.objects.select_related("created_by").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such job in this workspace.")
    return found
