"""Records of customer systems: how they are synced, what is in them, what waits for a person, and files."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.doors import page, refusals_in
from apps.accounts.paging import slice_of
from apps.integrations import connections, services, trail
from apps.integrations.models import Connection
from apps.integrations.sync import (
    imports,
    integrity,
    overview,
    pull,
    record_fields,
    records,
    settling,
    streams,
)
from apps.integrations.sync.consents import Proof
from apps.integrations.sync_forms import (
    ColumnsForm,
    FileForm,
    RecordForm,
    StreamForm,
    changes_said,
    said,
    words_of,
)

PER_PAGE = 25


@require_safe
@page("integrations:read")
def overview_of(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Is what we hold of this system what it holds?"""
    connection = connections.get(public_id)
    rows = overview.streams_of(connection, now=timezone.now())
    context = {
        "connection": connection,
        "service": services.get(connection.service),
        "rows": [{"row": one, "form": StreamForm(stream=one.stream, rows=one.fields)} for one in rows],
        "troubled": [one for one in rows if not one.is_well],
        "live": sum(one.live + one.delivered for one in rows),
        "conflicts": sum(one.conflicts for one in rows),
        "imports": overview.imports_of(connection),
    }
    return render(request, "integrations/sync.html", context)


@require_POST
@page("integrations:manage")
def run(request: HttpRequest, public_id: UUID) -> HttpResponse:
    connection = connections.get(public_id)
    is_full = request.POST.get("is_full") == "yes"
    pull.read_now(request.actor, connection, is_full=is_full, now=timezone.now())
    messages.success(request, "All of it is being read." if is_full else "What changed is being read.")
    return redirect("integrations:sync", public_id=public_id)


@require_POST
@page("integrations:manage")
def check(request: HttpRequest, public_id: UUID) -> HttpResponse:
    integrity.check_now(request.actor, connections.get(public_id), now=timezone.now())
    messages.success(
        request, "It is being compared with a fresh scan. The report stands here when it is done."
    )
    return redirect("integrations:sync", public_id=public_id)


@require_POST
@page("integrations:manage")
def stream_changed(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Pause or go on, or all that the form says."""
    stream, now = streams.find(stream_id), timezone.now()
    if (asked := request.POST.get("is_paused")) is not None:
        streams.change(request.actor, stream, is_paused=asked == "yes", now=now)
        messages.success(request, "It is paused." if asked == "yes" else "It goes on.")
    else:
        rows = overview.streams_of(stream.connection, now=now)
        row = next(one for one in rows if one.stream.pk == stream.pk)
        form = StreamForm(request.POST, stream=stream, rows=row.fields)
        if not form.is_valid():
            raise BadRequest("Choose from the lists.")
        streams.change(request.actor, stream, now=now, **form.given())
        messages.success(request, "It is kept, and counts from the next change on.")
    return redirect("integrations:sync", public_id=stream.connection.public_id)


@require_POST
@page("integrations:manage")
def repair(request: HttpRequest, report_id: UUID) -> HttpResponse:
    report = integrity.find(report_id)
    integrity.mend(request.actor, report, now=timezone.now())
    messages.success(request, "Each of them is being read again.")
    return redirect("integrations:sync", public_id=report.sync_stream.connection.public_id)


@require_safe
@page("people:read")
def listed(request: HttpRequest) -> HttpResponse:
    entity = request.GET.get("entity", "")
    text = request.GET.get("text", "").strip()[:200]
    rows = records.listed(entity=entity if entity in {"contact", "job"} else "", text=text)
    found = slice_of(rows, request.GET, size=PER_PAGE)
    shown = records.show(request.actor, found.rows, now=timezone.now())
    context = {
        "slice": found,
        "shown": shown,
        "entity": entity,
        "text": text,
        "count": rows.count(),
        "conflicts": settling.waiting_ones().count(),
    }
    return render(request, "integrations/sync_records.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page("people:read")
def record(request: HttpRequest, record_id: UUID) -> HttpResponse:
    now, found = timezone.now(), records.find(record_id)
    values = record_fields.values_of(found)
    form = RecordForm(request.POST or None, entity=found.entity, values=values)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            return _edited(request, found, form)
    [shown] = records.show(request.actor, [found], now=now)
    steps = trail.steps_of(found.stream)
    context = {
        "shown": shown,
        "record": found,
        "form": form,
        "conflicts": [_conflict(one) for one in records.conflicts_of(found)],
        "steps": [
            {"step": one, "changes": changes_said(record_fields.changes_in(found, one))}
            for one in reversed(steps[-50:])
        ],
        "faults": list(trail.faults_in(found.stream, steps)),
        "targets": _targets(found, shown),
    }
    return render(request, "integrations/sync_record.html", context, status=400 if form.errors else 200)


def _edited(request: HttpRequest, found: Any, form: RecordForm) -> HttpResponse:
    version = request.POST.get("version", "")
    records.edit(
        request.actor,
        found,
        form.given(),
        version=int(version) if version.isascii() and version.isdigit() else None,
        proof=form.proof(),
        now=timezone.now(),
    )
    messages.success(request, "It is kept. Systems that can be told are told.")
    return redirect("integrations:record", record_id=found.public_id)


def _targets(found: Any, shown: records.Shown) -> list[Connection]:
    """Where it is not, and could be sent."""
    there = {one.connection_id for one in shown.externals if one.gone_at is None and one.is_own_id}
    open_ = Connection.objects.filter(state=Connection.State.CONNECTED).order_by("label", "pk")
    return [
        one
        for one in open_
        if one.pk not in there and streams.is_synced(one) and records.takes(one, found.entity)
    ]


@require_POST
@page("people:write")
def send(request: HttpRequest, record_id: UUID) -> HttpResponse:
    found = records.find(record_id)
    connection = connections.get(_uuid(request.POST.get("connection", "")))
    records.send(request.actor, found, connection, now=timezone.now())
    messages.success(request, f"It is being made at {connection.label}.")
    return redirect("integrations:record", record_id=found.public_id)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest("Choose from the list.") from error


@require_safe
@page("people:read")
def conflicts(request: HttpRequest) -> HttpResponse:
    rows = settling.waiting_ones()
    found = slice_of(rows, request.GET, size=PER_PAGE)
    shown = settling.show(request.actor, found.rows, now=timezone.now())
    context = {"slice": found, "conflicts": [_conflict(one) for one in shown], "count": rows.count()}
    return render(request, "integrations/sync_conflicts.html", context)


def _conflict(one: Any) -> dict[str, Any]:
    told = settling.values_of(one)
    return {
        "conflict": one,
        "name": words_of(one.field) if one.field else "",
        "here": said(told.get("here")),
        "there": said(told.get("there")),
        "title": _title(one.record),
        "other": _title(one.other),
        "choices": settling.CHOICES[one.kind],
        "needs_source": one.field == records.OPT_IN,
    }


def _title(found: Any) -> str:
    return "" if found is None else record_fields.title_of(found.entity, record_fields.values_of(found))


def _posted(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\0", "")


@require_POST
@page("people:write")
def settle(request: HttpRequest, conflict_id: UUID) -> HttpResponse:
    conflict = settling.find(conflict_id)
    settling.settle(
        request.actor,
        conflict,
        request.POST.get("choice", "")[:12],
        value=request.POST.get("value", "").replace("\0", "") or None,
        proof=Proof(source=_posted(request, "consent_source"), wording=_posted(request, "consent_wording")),
        now=timezone.now(),
    )
    messages.success(request, "It is decided.")
    return redirect("integrations:conflicts")


@require_http_methods(["GET", "HEAD", "POST"])
@page("people:write")
def bring(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A file is brought and tried; nothing is written yet."""
    connection = connections.get(public_id)
    entities = [one.entity for one in streams.of_connection(connection)]
    form = FileForm(request.POST or None, request.FILES or None, entities=entities)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        with refusals_in(form):
            batch, _ = imports.begin(
                request.actor,
                connection,
                form.cleaned_data["entity"],
                name=file.name,
                content=file.read(),
                now=timezone.now(),
            )
            return redirect("integrations:import", import_id=batch.public_id)
    context = {"connection": connection, "form": form, "imports": overview.imports_of(connection)}
    return render(request, "integrations/sync_bring.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page("people:write")
def brought(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """What it would do, by which columns; or what it did."""
    batch, now = imports.find(import_id), timezone.now()
    context: dict[str, Any] = {"batch": batch, "connection": batch.connection}
    if batch.state != imports.STATE.TRIED:
        rows = imports.rows_of(request.actor, batch, now=now) if batch.state != imports.STATE.DROPPED else []
        return render(request, "integrations/sync_import.html", context | {"rows": _rows(rows)})
    form = ColumnsForm(
        request.POST or None, entity=batch.entity, header=imports.header_of(batch), columns=batch.columns
    )
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            imports.choose_columns(request.actor, batch, form.given(), now=now)
            return redirect("integrations:import", import_id=import_id)
    trial = imports.tried(batch, now=now)
    context |= {"form": form, "rows": _rows(trial.rows), "counts": trial.counts, "refused": trial.refused}
    return render(request, "integrations/sync_import.html", context, status=400 if form.errors else 200)


def _rows(rows: list[imports.Row]) -> list[dict[str, Any]]:
    return [{"title": one.title, "is_new": one.is_new, "changes": changes_said(one.changes)} for one in rows]


@require_POST
@page("people:write")
def import_act(request: HttpRequest, import_id: UUID, deed: str) -> HttpResponse:
    """Apply it, drop it, or undo it."""
    batch, now = imports.find(import_id), timezone.now()
    if deed == "apply":
        imports.apply(request.actor, batch, now=now)
        messages.success(request, "It is applied. It can be undone here.")
    elif deed == "undo":
        counts = imports.undo(request.actor, batch, now=now)
        messages.success(request, f"{counts['back'] + counts['gone']:,} undone, {counts['kept']:,} kept.")
    else:
        imports.drop(request.actor, batch, now=now)
        messages.success(request, "It is dropped, and the file is forgotten.")
    return redirect("integrations:import", import_id=import_id)
