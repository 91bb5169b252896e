from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import bodies, throttling
from apps.campaigns.offline import batches, events, kinds

MULTI_STATUS = 207


class OfflineEventSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="Made by the device (UUID version 7); the same at each try.")
    type = serializers.CharField(help_text="consent, engagement, profile, event, conversion, identify, …")
    original_timestamp = serializers.DateTimeField(help_text="By the device's clock.")
    lamport = serializers.IntegerField(min_value=0, help_text="Counted up by the device with each event.")
    base_version = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    payload = serializers.DictField()


class OfflineBatchSerializer(serializers.Serializer[Any]):
    device_id = serializers.CharField(max_length=events.LONGEST_DEVICE_ID)
    seq_from = serializers.IntegerField(min_value=0, help_text="Number of the first event in its queue.")
    sent_at = serializers.DateTimeField(help_text="Now, by the device's clock: corrects the events' times.")
    events = OfflineEventSerializer(many=True)


class OfflineVerdictSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    verdict = serializers.ChoiceField(
        choices=[kinds.ACCEPTED, batches.DUPLICATE, kinds.MERGED, kinds.CONFLICT, kinds.REJECTED]
    )
    reason = serializers.CharField(required=False, help_text="A word for programs.")
    detail = serializers.CharField(required=False, help_text="A sentence for people.")


class OfflineAnswerSerializer(serializers.Serializer[Any]):
    events = OfflineVerdictSerializer(many=True)
    cursor = serializers.IntegerField(help_text="Up to here the device's queue was heard without a gap.")


class BatchParser(BaseParser):
    """JSON, also packed, of at most 500 kB; one bad event spoils no other."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request = (parser_context or {})["request"]
        encoding = request.headers.get("Content-Encoding", "")
        return bodies.json_of_records(bodies.read(stream, encoding=encoding, most_bytes=events.MOST_BYTES))


class SyncBatchView(APIView):
    action_needed = "tracking:write"
    rate_family = "tracking"
    parser_classes = [BatchParser]

    @extend_schema(
        operation_id="sync_batch",
        request=OfflineBatchSerializer,
        responses={MULTI_STATUS: OfflineAnswerSerializer},
        examples=[
            OpenApiExample(
                "A visit that was noted without a network",
                request_only=True,
                value={
                    "device_id": "stand-tablet-2",
                    "seq_from": 41,
                    "sent_at": "2026-11-30T17:02:11Z",
                    "events": [
                        {
                            "id": "0193c1f2-7a2e-7cc1-b0e4-2f5a9d1c7e11",
                            "type": "event",
                            "original_timestamp": "2026-11-30T14:20:00Z",
                            "lamport": 87,
                            "payload": {"user_id": "eve", "event_type": "visit", "platform": "fair"},
                        }
                    ],
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Take what a device did offline. Each event has its own verdict and is taken once, however often it
        comes; what is accepted, duplicate, merged, conflict or rejected need not be sent again. Each event
        counts as a request.
        """
        now, actor = timezone.now(), request._request.actor
        batch = events.read(request.data, received_at=now)
        throttling.count_more(request, self.rate_family, len(batch.places) - 1)
        taken = batches.take(actor, batch, now=now)
        return Response(
            {"events": [_told(*one) for one in taken.verdicts], "cursor": taken.cursor}, MULTI_STATUS
        )


def _told(name: str, verdict: kinds.Verdict) -> dict[str, str]:
    told = {"id": name, "verdict": verdict.verdict, "reason": verdict.reason, "detail": verdict.detail}
    return {key: value for key, value in told.items() if value}
