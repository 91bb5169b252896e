from rest_framework import serializers

from apps.accounts import consent
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


class ConsentWordSerializer(serializers.Serializer):
    user_id = serializers.CharField(max_length=200, required=False, help_text="Your own id of the person.")
    anonymous_id = serializers.CharField(max_length=200, required=False, help_text="A browser or device.")
    email = serializers.CharField(
        max_length=254, required=False, help_text="Everybody who is known by it; makes nobody."
    )
    purpose = serializers.CharField(
        max_length=consent.LONGEST_PURPOSE, help_text="Such as ad_user_data; see consent/purposes."
    )
    granted = serializers.BooleanField(help_text="false: it was withdrawn.")
    source = serializers.CharField(  # type: ignore[assignment] # the base class has an argument of that name
        max_length=consent.LONGEST_SOURCE, help_text="Where they said so, such as cookie banner."
    )
    wording = serializers.CharField(
        max_length=consent.LONGEST_WORDING,
        required=False,
        default="",
        allow_blank=True,
        help_text="What they were shown.",
    )
    occurred_at = serializers.DateTimeField(
        required=False, help_text="When they said so; now where it is left out. Never in the future."
    )


class ConsentWordsSerializer(serializers.Serializer):
    records = serializers.ListField(
        child=ConsentWordSerializer(), min_length=1, max_length=1_000, help_text="1 to 1,000."
    )


class ConsentTakenSerializer(serializers.Serializer):
    what = serializers.ChoiceField(choices=["recorded", "repeated", "refused"])
    people = serializers.IntegerField(help_text="Of how many it was recorded now.")
    errors = serializers.DictField(  # type: ignore[assignment] # the base class has a property of that name
        child=serializers.ListField(child=serializers.CharField())
    )


class ConsentAnswerSerializer(serializers.Serializer):
    recorded = serializers.IntegerField()
    repeated = serializers.IntegerField(help_text="The very same had been recorded before.")
    refused = serializers.IntegerField()
    results = ConsentTakenSerializer(many=True, help_text="In the order of the records.")


class ConsentWhoSerializer(serializers.Serializer):
    user_id = serializers.CharField(max_length=200, required=False)
    anonymous_id = serializers.CharField(max_length=200, required=False)
    person_id = serializers.UUIDField(required=False, help_text="As tracking answers it.")

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give one of user_id, anonymous_id and person_id.")
        return attrs


class ConsentRecordSerializer(serializers.Serializer):
    purpose = serializers.CharField()
    granted = serializers.BooleanField(source="is_granted")
    confirmed = serializers.BooleanField(
        source="is_confirmed", help_text="By who reads the mail of their address (double opt-in)."
    )
    source = serializers.CharField()  # type: ignore[assignment] # as above
    wording = serializers.CharField()
    occurred_at = serializers.DateTimeField()


class ConsentStandSerializer(serializers.Serializer):
    person_id = serializers.UUIDField()
    now = ConsentRecordSerializer(many=True, help_text="The word that counts, one per purpose.")
    history = ConsentRecordSerializer(many=True, help_text="The latest 200, newest first.")


class ConsentPurposeSerializer(serializers.Serializer):
    purpose = serializers.CharField()
    meaning = serializers.CharField(help_text="What is done where it is allowed.")
