from typing import Any

from rest_framework import serializers


class ClosedSerializer(serializers.Serializer):
    """Refuses a field that it does not know: a misspelt one would mean its default, unseen."""

    default_error_messages = {"unknown": "There is no such field here. Known are {known}."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            said = self.error_messages["unknown"].format(known=", ".join(sorted(self.fields)))
            raise serializers.ValidationError({str(name)[:60]: [said] for name in sorted(unknown, key=str)})
        return super().to_internal_value(data)
