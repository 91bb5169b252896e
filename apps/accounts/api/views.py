from dataclasses import asdict
from itertools import islice

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import api_keys, audit, jobs, workspaces
from apps.accounts.api import schema as _schema  # noqa: F401 - registers the ways in for the OpenAPI schema
from apps.accounts.api.serializers import (
    ApiKeySerializer,
    AuditEntrySerializer,
    AuditVerificationSerializer,
    IssuedKeySerializer,
    JobSerializer,
    WorkspaceChangeSerializer,
    WorkspaceSerializer,
)
from apps.accounts.errors import NotHere
from apps.accounts.models import ApiKey, AuditEntry, AuditSeal, Job, Workspace
from apps.accounts.permissions import Actor

FAULTS_SHOWN = 100
VERIFIED_PER_REQUEST = 20_000


class JobView(APIView):
    action_needed = "jobs:read"

    @extend_schema(operation_id="job_retrieve", responses=JobSerializer)
    def get(self, request: Request, public_id: str) -> Response:
        """Progress of long work. Poll it every few seconds until its state is done, failed or cancelled."""
        return Response(JobSerializer(_job(public_id)).data)


class JobCancelView(APIView):
    action_needed = "jobs:cancel"

    @extend_schema(operation_id="job_cancel", request=None, responses=JobSerializer)
    def post(self, request: Request, public_id: str) -> Response:
        """Ask a job to stop: at once if it waits, else after its present batch."""
        job = _job(public_id)
        jobs.cancel(job)
        return Response(JobSerializer(_job(public_id)).data)


class ApiKeysView(ListAPIView):
    action_needed = "api_keys:manage"
    serializer_class = ApiKeySerializer

    def get_queryset(self) -> QuerySet[ApiKey]:
        return ApiKey.objects.all()

    @extend_schema(operation_id="api_key_list")
    def get(self, request: Request) -> Response:
        """The workspace's keys, newest first, without their secrets."""
        return self.list(request)

    @extend_schema(
        operation_id="api_key_create",
        request=ApiKeySerializer,
        responses={201: IssuedKeySerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a key. The answer is the only place that ever shows its secret."""
        given = ApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        issued = api_keys.issue(_actor(request), now=timezone.now(), **given.validated_data)
        shown = {**ApiKeySerializer(issued.key).data, "secret": issued.secret}
        return Response(shown, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class ApiKeyRevokeView(APIView):
    action_needed = "api_keys:manage"

    @extend_schema(operation_id="api_key_revoke", request=None, responses=ApiKeySerializer)
    def post(self, request: Request, key_id: int) -> Response:
        """Stop a key at once. Revoking it again changes nothing."""
        return Response(
            ApiKeySerializer(api_keys.revoke(_actor(request), key_id=key_id, now=timezone.now())).data
        )


class WorkspaceView(APIView):
    action_needed = {"GET": "workspace:read", "PATCH": "workspace:manage"}

    @extend_schema(operation_id="workspace_retrieve", responses=WorkspaceSerializer)
    def get(self, request: Request) -> Response:
        """The workspace that this key or session is in."""
        return Response(WorkspaceSerializer(Workspace.objects.get()).data)

    @extend_schema(
        operation_id="workspace_change",
        request=WorkspaceChangeSerializer,
        responses=WorkspaceSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change the name, the time zone or some settings."""
        given = WorkspaceChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        changed = workspaces.change(_actor(request), now=timezone.now(), **given.validated_data)
        return Response(WorkspaceSerializer(changed).data)


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc] # the package has no types
    deed = django_filters.CharFilter(help_text="Such as api_key.issued.")
    target = django_filters.CharFilter(method="by_target", help_text="A kind, or kind:id, such as apikey:12.")
    since = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    def by_target(self, entries: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        kind, _, target_id = value.partition(":")
        found = entries.filter(target_kind=kind)
        return found.filter(target_id=target_id) if target_id else found


class AuditView(ListAPIView):
    """What was done here, by whom and why; newest first, in pages."""

    action_needed = "audit:read"
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.all()


class AuditVerifyView(APIView):
    action_needed = "audit:read"

    @extend_schema(operation_id="audit_verify", responses=AuditVerificationSerializer)
    def get(self, request: Request) -> Response:
        """Walk the newest part of the chain and say where an entry was changed, moved or deleted.

        `manage.py audit verify` walks all of it.
        """
        last = AuditSeal.objects.order_by("-position").values_list("position", flat=True).first() or 0
        after = max(0, last - VERIFIED_PER_REQUEST)
        faults = [asdict(fault) for fault in islice(audit.verify(after=after), FAULTS_SHOWN)]
        unsealed = audit.unsealed().count()
        answer = {
            "is_intact": not faults,
            "sealed": last,
            "checked_after": after,
            "unsealed": unsealed,
            "faults": faults,
        }
        return Response(AuditVerificationSerializer(answer).data)


def _actor(request: Request) -> Actor:
    actor: Actor = request._request.actor
    return actor


def _job(public_id: str) -> Job:
    job: Job | None = Job.objects.filter(public_id=public_id).first()
    if job is None:
        raise NotHere("There is no such job in this workspace.")
    return job
