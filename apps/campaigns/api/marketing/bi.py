from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.errors import Invalid
from apps.accounts.permissions import may
from apps.campaigns.bi import health, schedule
from apps.campaigns.bi.summary import as_json, summary
from apps.campaigns.models import ReportSchedule


class BusinessFigureSerializer(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="percent, money or number")
    value = serializers.FloatField(allow_null=True, help_text="Money to the currency's smallest coin.")
    low = serializers.FloatField(allow_null=True, help_text="95 %")
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    what = serializers.CharField(help_text="Of what n counts.")
    as_of = serializers.DateTimeField(allow_null=True)
    because = serializers.CharField(help_text="Why there is no value.")
    doubt = serializers.CharField(help_text="What would make it wrong.")


class BusinessSummarySerializer(serializers.Serializer[Any]):
    roi = serializers.FloatField(allow_null=True, help_text="Percent; figures.roi says why where it is null.")
    attributedRevenue = serializers.FloatField(allow_null=True)
    viralCoefficient = serializers.FloatField(allow_null=True)
    conversionRate = serializers.FloatField(allow_null=True, help_text="Percent of people who clicked.")
    currency = serializers.CharField()
    computedAt = serializers.DateTimeField()
    refreshedAt = serializers.DateTimeField(allow_null=True)
    figures = serializers.DictField(child=BusinessFigureSerializer())
    channels = serializers.ListField(child=serializers.DictField(), help_text="Their money as decimals.")
    uncreditedRevenue = serializers.DecimalField(
        max_digits=20,
        decimal_places=4,
        help_text="Of conversions without a touch; with the channels' the total.",
    )
    totalRevenue = serializers.DecimalField(max_digits=20, decimal_places=4, allow_null=True)
    segments = serializers.ListField(child=serializers.DictField())
    days = serializers.ListField(child=serializers.DictField())

    def get_fields(self) -> dict[str, Any]:
        """The period's ends as well: `from` is no name that Python takes."""
        return {**super().get_fields(), "from": serializers.DateField(), "to": serializers.DateField()}


class MarketingHealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy", "degraded", "unhealthy"])
    asOf = serializers.DateTimeField()
    metrics = serializers.DictField(child=serializers.DictField())


class ReportScheduleSerializer(serializers.ModelSerializer[ReportSchedule]):
    to = serializers.ListField(
        child=serializers.CharField(max_length=254),
        max_length=schedule.MOST_READERS,
        help_text="Addresses; empty in an answer without the right people:read.",
    )
    readers = serializers.SerializerMethodField(help_text="How many there are.")

    class Meta:
        model = ReportSchedule
        fields = ("cadence", "at_hour", "to", "readers", "done_on", "trouble")
        read_only_fields = ("done_on", "trouble")

    def get_readers(self, found: ReportSchedule) -> int:
        return len(found.to)


class BusinessSummaryView(APIView):
    action_needed = "campaigns:read"
    rate_family = "campaigns"

    @extend_schema(
        operation_id="marketing_bi_summary",
        parameters=[OpenApiParameter("days", int, description="How many days, today among them; 30.")],
        responses=BusinessSummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """What marketing cost and brought; each figure with its interval, its sample and its doubt."""
        days = _days(request.query_params.get("days", "30"))
        return Response(as_json(summary(request._request.actor, days=days, now=timezone.now())))


class MarketingHealthView(APIView):
    action_needed = "campaigns:read"
    rate_family = "campaigns"

    @extend_schema(operation_id="marketing_health", responses=MarketingHealthSerializer)
    def get(self, request: Request) -> Response:
        """Whether delivery, AI content, attribution, viral growth and integrations work."""
        return Response(health.as_json(health.look(now=timezone.now())))


class ReportScheduleView(APIView):
    action_needed = {"GET": "campaigns:read", "PUT": "campaigns:send"}
    rate_family = "campaigns"

    @extend_schema(operation_id="marketing_report_schedule", responses=ReportScheduleSerializer)
    def get(self, request: Request) -> Response:
        """How often the business report goes out, and to how many; to whom, for who may see people."""
        return Response(_schedule(request, schedule.get()))

    @extend_schema(
        operation_id="marketing_report_schedule_change",
        request=ReportScheduleSerializer,
        responses=ReportScheduleSerializer,
    )
    def put(self, request: Request) -> Response:
        """Change it. Audited."""
        given = ReportScheduleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        fields = {"cadence": "never", "at_hour": 8, "to": [], **given.validated_data}
        changed = schedule.change(request._request.actor, **fields, now=timezone.now())
        return Response(_schedule(request, changed))


def _schedule(request: Request, found: ReportSchedule) -> dict[str, Any]:
    told = dict(ReportScheduleSerializer(found).data)
    return told if may(request._request.actor, "people:read") else told | {"to": []}


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise Invalid({"days": ["A whole number of days."]})
    return int(text)
