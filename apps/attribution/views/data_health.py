"""Whether all that was accepted is accounted for, and what waits to be mended."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.accounts.doors import page, refusals_in
from apps.accounts.models import Job
from apps.accounts.paging import slice_of
from apps.attribution import dead_letters, intake, night_checks
from apps.attribution.forms import LetterForm
from apps.attribution.models import DeadLetter, Door, Reason

DAYS = 30
LETTERS = 15


@require_http_methods(["GET", "HEAD", "POST"])
@page("imports:write")
def data_health(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        dead_letters.replay_all(request.actor, request.POST.get("reason", ""), now=timezone.now())
        return redirect("attribution:data-health")
    days = intake.door_days(since=timezone.now().date() - timedelta(days=DAYS))
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING)
    chosen = _chosen(request)
    context = {
        "days": [
            {"at": one, "door": Door(one.door).label, "letters": sum(one.letters.values())} for one in days
        ],
        "accepted": sum(one.accepted for one in days),
        "unaccounted": sum(abs(one.unaccounted) for one in days),
        "is_balanced": all(one.balances for one in days),
        "check": night_checks.last(),
        "reasons": _reasons(waiting),
        "waiting": waiting.count(),
        "chosen": chosen,
        "state": "settled" if request.GET.get("state") == "settled" else "waiting",
        "slice": slice_of(_listed(request, chosen), request.GET, size=LETTERS),
        "job": Job.objects.filter(kind=dead_letters.JOB_KIND).order_by("-pk").first(),
    }
    return render(request, "attribution/data_health.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("imports:write")
def dead_letter(request: HttpRequest, letter_id: UUID) -> HttpResponse:
    """One letter: what it said, why it was not stored, and the record to mend and replay."""
    letter = dead_letters.find(letter_id)
    shown = dead_letters.shown(letter)
    form = LetterForm(request.POST or None, initial={"record": shown["record"] or {"type": "event"}})
    if request.method == "POST":
        done = _act(request, letter, form)
        if done is not None:
            return done
    context = {"letter": letter, "reason": Reason(letter.reason).label, "said": shown, "form": form}
    return render(
        request, "attribution/dead_letter.html", context, status=400 if form.is_bound and form.errors else 200
    )


def _act(request: HttpRequest, letter: DeadLetter, form: LetterForm) -> HttpResponse | None:
    """What the person chose to do with the letter; None where the form says what is wrong."""
    now, deed = timezone.now(), request.POST.get("do")
    if deed == "drop":
        reason = request.POST.get("reason", "")[:500]
        dead_letters.drop(request.actor, letter.public_id, reason=reason, now=now)
        messages.success(request, "Given up. It is still listed under settled.")
        return redirect("attribution:data-health")
    if not form.is_valid():
        return None
    with refusals_in(form):
        record = form.cleaned_data["record"]
        if record != form.initial["record"]:
            dead_letters.mend(request.actor, letter.public_id, record, now=now)
        if deed != "mend":
            dead_letters.replay(request.actor, letter.public_id, now=now)
    if form.errors:
        return None
    words = "Kept. Replay it when you are ready." if deed == "mend" else "Stored, as of when it first came."
    messages.success(request, words)
    return redirect("attribution:dead-letter", letter_id=letter.public_id)


def _chosen(request: HttpRequest) -> Reason | None:
    reason = request.GET.get("reason", "")
    return Reason(reason) if reason in Reason.values else None


def _listed(request: HttpRequest, chosen: Reason | None) -> Any:
    settled = [DeadLetter.State.REPLAYED, DeadLetter.State.DROPPED]
    states = settled if request.GET.get("state") == "settled" else [DeadLetter.State.WAITING]
    letters = DeadLetter.objects.filter(state__in=states).select_related("file_import")
    return letters.filter(reason=chosen) if chosen else letters


def _reasons(waiting: Any) -> list[dict[str, Any]]:
    counted = waiting.values_list("reason").annotate(number=Count("pk")).order_by("-number")
    return [{"reason": Reason(reason), "label": Reason(reason).label, "waiting": n} for reason, n in counted]
