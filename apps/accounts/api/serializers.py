from rest_framework import serializers

from apps.accounts.models import ApiKey, AuditEntry, Job, Workspace


class JobSerializer(serializers.ModelSerializer):
    id = serializers.UUIDField(source="public_id", read_only=True)
    result = serializers.JSONField(read_only=True, allow_null=True)

    class Meta:
        model = Job
        fields = (
            "id",
            "kind",
            "title",
            "state",
            "done",
            "total",
            "message",
            "result",
            "is_cancel_asked",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class ApiKeySerializer(serializers.ModelSerializer):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiKey.Scope.choices), min_length=1)

    class Meta:
        model = ApiKey
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
        read_only_fields = ("id", "prefix", "created_at", "revoked_at", "last_used_at")


class IssuedKeySerializer(ApiKeySerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown this once. Keep it: it is not stored.")

    class Meta:
        model = ApiKey
        fields = (*ApiKeySerializer.Meta.fields, "secret")
        read_only_fields = fields


class WorkspaceSerializer(serializers.ModelSerializer):
    settings = serializers.DictField(child=serializers.JSONField(), read_only=True)

    class Meta:
        model = Workspace
        fields = ("slug", "name", "currency", "time_zone", "settings", "is_demo", "created_at")
        read_only_fields = fields


class WorkspaceChangeSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False)
    time_zone = serializers.CharField(
        max_length=64, required=False, help_text="A name of the IANA database, such as Europe/London."
    )
    settings = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        help_text="Only the settings to change; null takes one back to its default.",
    )
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class AuditEntrySerializer(serializers.ModelSerializer):
    before = serializers.JSONField(read_only=True, allow_null=True)
    after = serializers.JSONField(read_only=True, allow_null=True)

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "occurred_at",
            "actor_kind",
            "actor_id",
            "actor_label",
            "deed",
            "target_kind",
            "target_id",
            "before",
            "after",
            "reason",
        )
        read_only_fields = fields


class AuditFaultSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    entry_id = serializers.IntegerField(allow_null=True)
    what = serializers.CharField()


class AuditVerificationSerializer(serializers.Serializer):
    is_intact = serializers.BooleanField()
    sealed = serializers.IntegerField(help_text="Entries in the chain.")
    checked_after = serializers.IntegerField(
        help_text="The position whose seal was taken on trust; 0: all checked."
    )
    unsealed = serializers.IntegerField(help_text="Entries that wait to be sealed, within a minute.")
    faults = AuditFaultSerializer(many=True, help_text="The first 100 places where the chain does not hold.")
