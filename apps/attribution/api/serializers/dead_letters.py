"""What could not be stored, as the OpenAPI schema shows it."""

from typing import Any

from rest_framework import serializers

from apps.attribution import dead_letters
from apps.attribution.models import DeadLetter, Door, Reason


class DeadLetterSerializer(serializers.ModelSerializer):
    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = DeadLetter
        fields: tuple[str, ...] = (
            "id",
            "received_at",
            "door",
            "kind",
            "reason",
            "state",
            "line",
            "settled_at",
        )
        read_only_fields = fields


class OpenedLetterSerializer(DeadLetterSerializer):
    """With what it says. payload: as received. record: what /track/batch would be given."""

    payload = serializers.SerializerMethodField()
    record = serializers.SerializerMethodField()
    faults = serializers.SerializerMethodField(help_text="Field → what is wrong with it.")

    class Meta(DeadLetterSerializer.Meta):
        fields: tuple[str, ...] = (*DeadLetterSerializer.Meta.fields, "payload", "record", "faults")
        read_only_fields = fields

    def get_payload(self, letter: DeadLetter) -> dict[str, Any]:
        return dict(dead_letters.shown(letter)["payload"])

    def get_record(self, letter: DeadLetter) -> dict[str, Any]:
        return dict(dead_letters.shown(letter)["record"])

    def get_faults(self, letter: DeadLetter) -> dict[str, list[str]]:
        return dict(dead_letters.shown(letter)["errors"])


class MendSerializer(serializers.Serializer):
    record = serializers.DictField(
        help_text="What it should have said, as one record of /track/batch, with its type; or a row of spend."
    )


class DropSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ReplayAllSerializer(serializers.Serializer):
    reason = serializers.ChoiceField(choices=Reason.choices, help_text="Letters that wait for this reason.")


class IntakeDaySerializer(serializers.Serializer):
    day = serializers.DateField(help_text="Of UTC.")
    door = serializers.ChoiceField(choices=Door.choices)
    accepted = serializers.IntegerField()
    stored = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    dead_lettered = serializers.IntegerField()
    letters = serializers.DictField(child=serializers.IntegerField(), help_text="Dead letters, by reason.")
    unaccounted = serializers.IntegerField(
        help_text="Accepted less stored, duplicates and dead letters that are there: 0."
    )


class IntakeSerializer(serializers.Serializer):
    balances = serializers.BooleanField()
    days = IntakeDaySerializer(many=True)
