from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Job
from apps.attribution import channels, rule_edits, rule_history, rule_previews, rule_versions
from apps.attribution.api import analysis_answers as answers
from apps.attribution.api.serializers.analysis import StartedJobSerializer
from apps.attribution.api.serializers.channel_rules import (
    RulePreviewRequestSerializer,
    RulePreviewSerializer,
    RuleReasonSerializer,
    RuleVersionDetailSerializer,
    RuleVersionSerializer,
)
from apps.attribution.models import RuleVersion
from apps.attribution.rule_previews import Preview

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="No such version or job in this workspace.")
STARTED = OpenApiResponse(StartedJobSerializer, description="Too much to look at at once: a job does it.")


class PreviewFailed(DomainError):
    code = "job_has_no_result"
    status = 409


class RuleVersionsView(APIView):
    action_needed = "attribution:read"

    @extend_schema(operation_id="channel_rule_version_list", responses=RuleVersionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The versions of the channel rules, newest first; the first is in force."""
        channels.book()
        listed = rule_versions.listed()
        return Response([_version(version, listed[0].number) for version in listed])


class RuleVersionView(APIView):
    action_needed = "attribution:read"

    @extend_schema(
        operation_id="channel_rule_version_retrieve",
        responses={200: RuleVersionDetailSerializer, 404: NOT_FOUND},
    )
    def get(self, request: Request, number: int) -> Response:
        """One version with its rules."""
        return Response(_detail(rule_versions.named(number)))


class RuleVersionRestoreView(APIView):
    action_needed = "attribution:write"

    @extend_schema(
        operation_id="channel_rule_version_restore",
        request=RuleReasonSerializer,
        responses={200: RuleVersionDetailSerializer, 404: NOT_FOUND},
    )
    def post(self, request: Request, number: int) -> Response:
        """Put an earlier version in force again, as the newest one. Touches that are here stay."""
        reason = _checked(RuleReasonSerializer, request)["reason"]
        rule_edits.restore(request._request.actor, number, now=timezone.now(), reason=reason)
        return Response(_detail(rule_versions.latest()))


class RulePreviewView(APIView):
    action_needed = "attribution:read"
    rate_family = "attribution"

    @extend_schema(
        operation_id="channel_rules_preview",
        request=RulePreviewRequestSerializer,
        responses={200: RulePreviewSerializer, 202: STARTED, 404: NOT_FOUND},
        examples=[
            OpenApiExample(
                "Newsletters become their own channel",
                {
                    "rules": [
                        {"channel_key": "newsletter", "utm_medium": "email", "utm_source": "news*"},
                        {"channel_key": "email", "platform": "email"},
                    ],
                    "days": 90,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """What rules would move between channels, before they apply: touches, their revenue, and spend."""
        given = _checked(RulePreviewRequestSerializer, request)
        channels.book()
        tried = given.get("rules", rule_edits.current())
        if "version" in given:
            tried = rule_versions.named(given["version"]).rules
        found = rule_previews.ask(request._request.actor, tried, days=given["days"], now=timezone.now())
        return _job_or_preview(found)


class RulePreviewResultView(APIView):
    action_needed = "attribution:read"

    @extend_schema(
        operation_id="channel_rules_preview_result",
        responses={200: RulePreviewSerializer, 202: STARTED, 404: NOT_FOUND},
    )
    def get(self, request: Request, job_id: str) -> Response:
        """The result of a preview that became a job; 202 while it is not done."""
        job = Job.objects.filter(public_id=job_id, kind=rule_previews.KIND).first()
        if job is None:
            raise NotHere("There is no such preview in this workspace.")
        return _job_or_preview(job)


class RuleHistoryView(APIView):
    action_needed = "attribution:write"

    @extend_schema(
        operation_id="channel_rules_apply_to_history",
        request=RuleReasonSerializer,
        responses={202: StartedJobSerializer},
    )
    def post(self, request: Request) -> Response:
        """Move touches that are here already to where the rules in force put them, with their spend.

        A channel that the sender named stays. To undo it, restore the version before and post this again.
        """
        reason = _checked(RuleReasonSerializer, request)["reason"]
        job = rule_history.start(request._request.actor, now=timezone.now(), reason=reason)
        url = reverse("attribution-api:channel-rule-versions")
        return Response(answers.started(job, result_url=url), status=status.HTTP_202_ACCEPTED)


def _job_or_preview(found: Preview | Job) -> Response:
    result = rule_previews.of_job(found) if isinstance(found, Job) else found
    if result is not None:
        return Response(_preview(result))
    assert isinstance(found, Job)  # noqa: S101 - a preview is its own result
    if found.is_over:
        raise PreviewFailed(f"This preview is {found.state} and has no result. {found.message} Ask again.")
    url = reverse("attribution-api:channel-rules-preview-result", args=[found.public_id])
    return Response(answers.started(found, result_url=url), status=status.HTTP_202_ACCEPTED)


def _preview(found: Preview) -> dict[str, Any]:
    return vars(found) | {
        "shifts": [
            {
                "from": shift.origin,
                "to": shift.to,
                "touches": shift.touches,
                "revenue_linear": float(shift.linear),
                "revenue_last_touch": float(shift.last),
                "spend": float(shift.spend),
            }
            for shift in found.shifts
        ],
        "examples": [
            {"from": one.origin, **{name: value for name, value in vars(one).items() if name != "origin"}}
            for one in found.examples
        ],
    }


def _version(version: RuleVersion, in_force: int) -> dict[str, Any]:
    names = ("number", "made_at", "made_by", "note", "applied_at", "touches_moved")
    return {name: getattr(version, name) for name in names} | {"is_in_force": version.number == in_force}


def _detail(version: RuleVersion) -> dict[str, Any]:
    return _version(version, rule_versions.latest().number) | {"rules": version.rules}


def _checked(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
