from typing import Any

from rest_framework import serializers


class ClosedSerializer(serializers.Serializer):
    """Refuses a field that it does not know: a misspelt one would mean its default, unseen. Of a field with
    choices it tells which there are.
    """

    default_error_messages = {"unknown": "There is no such field here. Known are {known}."}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields: dict[str, serializers.Field] = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField):
                known = ", ".join(map(str, field.choices))
                field.error_messages["invalid_choice"] = f'"{{input}}" is none of {known}.'
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            said = self.error_messages["unknown"].format(known=", ".join(sorted(self.fields)))
            raise serializers.ValidationError({str(name)[:60]: [said] for name in sorted(unknown, key=str)})
        return super().to_internal_value(data)
