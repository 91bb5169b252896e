from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import Invalid
from apps.accounts.permissions import may
from apps.integrations import connections, trail
from apps.integrations.api.sync_serializers import (
    ConflictSerializer,
    ImportSerializer,
    NewImportSerializer,
    NewRecordSerializer,
    RecordChangeSerializer,
    RecordFilterSerializer,
    RecordSerializer,
    RecordTrailSerializer,
    ReportSerializer,
    RunSerializer,
    SavedRecordSerializer,
    SendRecordSerializer,
    SettledSerializer,
    SettleSerializer,
    StreamChangeSerializer,
    StreamSerializer,
    TrialSerializer,
)
from apps.integrations.models import SyncImport, SyncReport
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

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")
REFUSED = OpenApiResponse(ERROR, description="It is not in a state to do that.")
BAD = OpenApiResponse(ERROR, description="Some fields cannot be used.")


def _given(serializer: Any, data: Any) -> dict[str, Any]:
    asked = serializer(data=data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _proof(given: dict[str, Any]) -> Proof:
    return Proof(
        source=given.get("consent_source", ""),
        wording=given.get("consent_wording", ""),
        occurred_at=given.get("consent_occurred_at"),
    )


class StreamsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="sync_stream_list", responses=StreamSerializer(many=True))
    def get(self, request: Request) -> Response:
        """How each kind of record of each customer system is synced, and how it does."""
        return Response(StreamSerializer(overview.all_streams(now=timezone.now()), many=True).data)


class StreamView(APIView):
    action_needed = {"PATCH": "integrations:manage"}

    @extend_schema(
        operation_id="sync_stream_change",
        request=StreamChangeSerializer,
        responses={200: StreamSerializer, 400: BAD, 404: NOT_FOUND},
    )
    def patch(self, request: Request, stream_id: UUID) -> Response:
        """Pause it, say which way it goes, whether new records are made there, and who wins where."""
        stream, now = streams.find(stream_id), timezone.now()
        given = _given(StreamChangeSerializer, request.data)
        streams.change(request._request.actor, stream, now=now, **given)
        rows = overview.streams_of(stream.connection, now=now)
        row = next(one for one in rows if one.stream.pk == stream.pk)
        return Response(StreamSerializer(row).data)


class ConnectionSyncView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="sync_run",
        request=RunSerializer,
        responses={202: StreamSerializer(many=True), 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Have it read now."""
        found, now = connections.get(public_id), timezone.now()
        given = _given(RunSerializer, request.data)
        pull.read_now(request._request.actor, found, is_full=given["is_full"], now=now)
        rows = overview.streams_of(found, now=now)
        return Response(StreamSerializer(rows, many=True).data, status=status.HTTP_202_ACCEPTED)


class ConnectionCheckView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="sync_check",
        request=None,
        responses={202: StreamSerializer(many=True), 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Have it compared with a fresh scan now. The report follows."""
        found, now = connections.get(public_id), timezone.now()
        integrity.check_now(request._request.actor, found, now=now)
        rows = overview.streams_of(found, now=now)
        return Response(StreamSerializer(rows, many=True).data, status=status.HTTP_202_ACCEPTED)


class RecordsView(APIView):
    action_needed = {"GET": "people:read", "POST": "people:write"}

    @extend_schema(
        operation_id="sync_record_list",
        parameters=[RecordFilterSerializer],
        responses=RecordSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Contacts and jobs, newest first. Seeing them is written down."""
        given = _given(RecordFilterSerializer, request.query_params)
        connection = connections.get(given["connection"]) if "connection" in given else None
        rows = records.listed(
            entity=given.get("entity", ""), text=given.get("text", ""), connection=connection
        ).select_related("person")
        if "before" in given:
            rows = rows.filter(pk__lt=records.find(given["before"]).pk)
        shown = records.show(
            request._request.actor, rows.order_by("-pk")[: given["limit"]], now=timezone.now()
        )
        return Response(RecordSerializer(shown, many=True).data)

    @extend_schema(
        operation_id="sync_record_create",
        request=NewRecordSerializer,
        responses={201: SavedRecordSerializer, 400: BAD},
    )
    def post(self, request: Request) -> Response:
        """Make a contact or a job. Systems that take new ones get it as well."""
        given = _given(NewRecordSerializer, request.data)
        made = records.create(request._request.actor, given["entity"], given["values"], now=timezone.now())
        return Response(SavedRecordSerializer(made).data, status=status.HTTP_201_CREATED)


class RecordView(APIView):
    action_needed = {"GET": "people:read", "PATCH": "people:write"}

    @extend_schema(operation_id="sync_record_get", responses={200: RecordSerializer, 404: NOT_FOUND})
    def get(self, request: Request, record_id: UUID) -> Response:
        """One record and where it is."""
        [shown] = records.show(request._request.actor, [records.find(record_id)], now=timezone.now())
        return Response(RecordSerializer(shown).data)

    @extend_schema(
        operation_id="sync_record_change",
        request=RecordChangeSerializer,
        responses={200: SavedRecordSerializer, 400: BAD, 404: NOT_FOUND, 409: REFUSED},
    )
    def patch(self, request: Request, record_id: UUID) -> Response:
        """Change fields. Systems that can be told are told."""
        record = records.find(record_id)
        given = _given(RecordChangeSerializer, request.data)
        saved = records.edit(
            request._request.actor,
            record,
            given["values"],
            version=given.get("version"),
            proof=_proof(given),
            now=timezone.now(),
        )
        return Response(SavedRecordSerializer(saved).data)


class RecordSendView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="sync_record_send",
        request=SendRecordSerializer,
        responses={202: SavedRecordSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, record_id: UUID) -> Response:
        """Have it made in a system that does not have it."""
        record = records.find(record_id)
        given = _given(SendRecordSerializer, request.data)
        connection = connections.get(given["connection"])
        records.send(request._request.actor, record, connection, now=timezone.now())
        return Response(SavedRecordSerializer(records.find(record_id)).data, status=status.HTTP_202_ACCEPTED)


class RecordTrailView(APIView):
    action_needed = {"GET": "people:read"}

    @extend_schema(operation_id="sync_record_trail", responses={200: RecordTrailSerializer, 404: NOT_FOUND})
    def get(self, request: Request, record_id: UUID) -> Response:
        """The life of a record, step by step, with its chain checked. Seeing it is written down."""
        record = records.find(record_id)
        records.show(request._request.actor, [record], now=timezone.now())
        steps = [_step(record, one) for one in trail.steps_of(record.stream)]
        faults = [f"{fault.position}: {fault.what}" for fault in trail.faults(record.stream)]
        return Response(RecordTrailSerializer({"steps": steps, "faults": faults}).data)


def _step(record: Any, entry: Any) -> dict[str, Any]:
    changes = {
        name: {"before": one.before, "after": one.after, "theirs": one.theirs, "how": one.how}
        for name, one in record_fields.changes_in(record, entry).items()
    }
    return {
        "position": entry.position,
        "kind": entry.kind,
        "at": entry.at,
        "by": entry.data.get("by", ""),
        "changes": changes,
    }


class ConflictsView(APIView):
    action_needed = {"GET": "people:read"}

    @extend_schema(operation_id="sync_conflict_list", responses=ConflictSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What waits for a person, oldest first; at most 200."""
        found = settling.show(
            request._request.actor, settling.waiting_ones().order_by("pk")[:200], now=timezone.now()
        )
        return Response(ConflictSerializer(found, many=True).data)


class ConflictSettleView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="sync_conflict_settle",
        request=SettleSerializer,
        responses={200: SettledSerializer, 400: BAD, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, conflict_id: UUID) -> Response:
        """Decide it."""
        conflict = settling.find(conflict_id)
        given = _given(SettleSerializer, request.data)
        settled = settling.settle(
            request._request.actor,
            conflict,
            given["choice"],
            value=given.get("value"),
            proof=_proof(given),
            now=timezone.now(),
        )
        return Response(SettledSerializer(settled).data)


class ReportsView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="sync_report_list", responses=ReportSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The latest reports of integrity, newest first."""
        rows = SyncReport.objects.select_related("sync_stream").order_by("-pk")[:100]
        return Response(ReportSerializer(rows, many=True).data)


class ReportRepairView(APIView):
    action_needed = {"POST": "integrations:manage"}

    @extend_schema(
        operation_id="sync_report_repair",
        request=None,
        responses={202: ReportSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, report_id: UUID) -> Response:
        """Have what it found read again."""
        report = integrity.find(report_id)
        integrity.mend(request._request.actor, report, now=timezone.now())
        return Response(ReportSerializer(report).data, status=status.HTTP_202_ACCEPTED)


class ImportsView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="sync_import_create",
        request=NewImportSerializer,
        responses={201: TrialSerializer, 400: BAD, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Bring a file of records and see what it would do. Nothing is written before it is applied."""
        connection = connections.get(public_id)
        given = _given(NewImportSerializer, request.data)
        try:
            content = given["content"].encode()
        except UnicodeEncodeError as error:
            raise Invalid({"content": ["This is no text that can be kept."]}) from error
        batch, trial = imports.begin(
            request._request.actor,
            connection,
            given["entity"],
            name=given["name"],
            content=content,
            columns=given.get("columns"),
            now=timezone.now(),
        )
        return Response(_trial(request, batch, trial), status=status.HTTP_201_CREATED)


def _trial(request: Request, batch: SyncImport, trial: imports.Trial) -> dict[str, Any]:
    """Who may change people need not be one who may see them."""
    rows = trial.rows if may(request._request.actor, "people:read") else []
    told = {"file": batch, "rows": rows, "refused": {str(line): why for line, why in trial.refused.items()}}
    return dict(TrialSerializer(told).data)


class ImportView(APIView):
    action_needed = {"GET": "integrations:read"}

    @extend_schema(operation_id="sync_import_get", responses={200: ImportSerializer, 404: NOT_FOUND})
    def get(self, request: Request, import_id: UUID) -> Response:
        """A file and what became of it."""
        return Response(ImportSerializer(imports.find(import_id)).data)


class ImportApplyView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="sync_import_apply",
        request=None,
        responses={200: TrialSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, import_id: UUID) -> Response:
        """Do what was tried."""
        batch = imports.find(import_id)
        trial = imports.apply(request._request.actor, batch, now=timezone.now())
        return Response(_trial(request, imports.find(import_id), trial))


class ImportUndoView(APIView):
    action_needed = {"POST": "people:write"}

    @extend_schema(
        operation_id="sync_import_undo",
        request=None,
        responses={200: ImportSerializer, 404: NOT_FOUND, 409: REFUSED},
    )
    def post(self, request: Request, import_id: UUID) -> Response:
        """Set back what it changed, where nobody has changed it since."""
        imports.undo(request._request.actor, imports.find(import_id), now=timezone.now())
        return Response(ImportSerializer(imports.find(import_id)).data)
