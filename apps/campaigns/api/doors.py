"""What the doors of this floor share: their family of limits, what was given, and what may be answered
instead of what was asked for.
"""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.views import APIView

ERROR = {"$ref": "#/components/schemas/Error"}
NOT_FOUND = OpenApiResponse(ERROR, description="There is no such thing in this workspace.")


class CampaignsDoor(APIView):
    rate_family = "campaigns"


class BeforeSerializer(serializers.Serializer):
    """Where a list goes on that is longer than what is answered at once."""

    before = serializers.UUIDField(
        required=False, help_text="Those written down before this one: the last id of the answer before."
    )


def given(kind: type[Any], data: Any) -> dict[str, Any]:
    """What was sent, as that serializer reads it. Raises ValidationError."""
    return dict(checked(kind, data).validated_data)


def checked(kind: type[Any], data: Any) -> Any:
    """The serializer itself, which has found nothing wrong."""
    asked = kind(data=data)
    asked.is_valid(raise_exception=True)
    return asked
