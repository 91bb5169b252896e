from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.paging import slice_of
from apps.attribution import dead_letters, uploads
from apps.attribution.forms import MappingForm, UploadForm
from apps.attribution.imports import KEPT_REJECTS, printable
from apps.attribution.models import DeadLetter, FileImport
from apps.attribution.uploads import Preview
from apps.attribution.views.csv_answer import csv_answer

REJECTS_SHOWN = 50
EXAMPLE = """\
user_id,occurred_at,type,platform,revenue
u-81,2026-10-01T09:12:00Z,click,meta,
u-81,2026-10-04T18:30:00Z,visit,direct,
u-81,2026-10-04T18:41:00Z,purchase,,129.00
"""


@require_http_methods(["GET", "HEAD", "POST"])
@page("imports:write")
def imports(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            made = uploads.keep(
                request.actor, file_name=form.upload.name or "file", chunks=form.upload.chunks()
            )
        if not form.errors:
            return redirect("attribution:import-file", import_id=made.pk)
    past = FileImport.objects.select_related("job")
    context = {
        "form": form,
        "example": EXAMPLE,
        "slice": slice_of(past, request.GET, size=25),
        "stored": past.filter(is_dry_run=False).aggregate(sum=Sum("stored"))["sum"] or 0,
    }
    return render(request, "attribution/imports.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("imports:write")
def import_file(request: HttpRequest, import_id: int) -> HttpResponse:
    """One file: its rows and mapping while it waits, its progress while it is read, then its result."""
    made = _made(import_id)
    preview = _preview(made)
    form = _form(request, made, preview)
    if request.method == "POST":
        done = _act(request, made, form)
        if done is not None:
            return done
    rejected = DeadLetter.objects.filter(file_import=made).order_by("line")[:REJECTS_SHOWN]
    context = {
        "made": made,
        "preview": preview,
        "form": form,
        "has_more_guesses": form is not None and any(field.value() for field in form.more_fields),
        "rejected": [_shown(one) for one in rejected] if made.rejected else [],
        "kept_rejects": KEPT_REJECTS,
    }
    status = 400 if form is not None and form.errors else 200
    return render(request, "attribution/import_file.html", context, status=status)


@require_safe
@page("imports:write")
def rejected(request: HttpRequest, import_id: int) -> Any:
    """The rows that were set aside, each with its line and the reasons, and the columns that the file had."""
    made = _made(import_id)
    rows = [_shown(one) for one in DeadLetter.objects.filter(file_import=made).order_by("line")]
    name = f"{made.file_name} set aside"
    return csv_answer(name, _as_table(rows), day=timezone.localdate())


def _shown(letter: DeadLetter) -> dict[str, Any]:
    content = dead_letters.content_of(letter)
    return {"letter": letter, "row": printable(content.payload), "errors": content.errors}


def _act(request: HttpRequest, made: FileImport, form: MappingForm | None) -> HttpResponse | None:
    """What the person chose to do with the file; None where the form says what is wrong."""
    deed, now = request.POST.get("do"), timezone.now()
    if deed == "discard":
        uploads.discard(request.actor, made.pk, now=now)
        messages.success(request, f"{made.file_name} was thrown away.")
        return redirect("attribution:import")
    if form is None:
        raise uploads.FileGone("This file is no longer kept. Upload it again.")
    if not form.is_valid():
        return None
    with refusals_in(form):
        uploads.start(request.actor, made.pk, mapping=form.mapping, is_dry_run=deed != "store", now=now)
    return None if form.errors else redirect("attribution:import-file", import_id=made.pk)


def _made(import_id: int) -> FileImport:
    made = FileImport.objects.select_related("job").filter(pk=import_id).first()
    if made is None:
        raise NotHere("There is no such import in this workspace.")
    return made


def _preview(made: FileImport) -> Preview | None:
    """What the file looks like, while it waits for a person."""
    is_busy = made.job is not None and not made.job.is_over
    if is_busy or not made.stored_as:
        return None
    try:
        return uploads.preview(made)
    except DomainError:
        return None


def _form(request: HttpRequest, made: FileImport, preview: Preview | None) -> MappingForm | None:
    if preview is None:
        return None
    data = request.POST if request.method == "POST" else None
    return MappingForm(data, columns=preview.columns, guess=made.mapping or preview.guess)


def _as_table(rows: list[dict[str, Any]]) -> Iterator[list[Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row["row"]))
    yield ["line", "reasons", *names]
    for row in rows:
        reasons = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in row["errors"].items())
        yield [row["letter"].line, reasons, *(row["row"].get(name, "") for name in names)]
