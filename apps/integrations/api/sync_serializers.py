from typing import Any

from rest_framework import serializers

from apps.accounts.consent import LONGEST_WORDING
from apps.integrations.models import SyncConflict, SyncExternal, SyncImport, SyncStream
from apps.integrations.models.sync import Entity
from apps.integrations.sync import settling
from apps.integrations.sync.fields import Policy


class ReportSerializer(serializers.Serializer):
    """What a comparison with a fresh scan, and of each record with its trail, found."""

    id = serializers.UUIDField(source="public_id")
    stream = serializers.UUIDField(source="sync_stream.public_id")
    made_at = serializers.DateTimeField()
    is_well = serializers.BooleanField()
    compared = serializers.IntegerField()
    buckets_differing = serializers.IntegerField(help_text="Of 256.")
    missing = serializers.IntegerField(help_text="There, not here.")
    extra = serializers.IntegerField(help_text="Here, not there.")
    different = serializers.IntegerField()
    unpushed = serializers.IntegerField(help_text="Changed here, not told yet.")
    unpushed_since = serializers.DateTimeField(allow_null=True)
    chain_faults = serializers.IntegerField(help_text="Records whose trail was tampered with.")
    replay_faults = serializers.IntegerField(help_text="Records that are not what their trail says.")
    findings = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    sums: Any = serializers.JSONField(help_text="Counts and money, there and here.")
    repaired_at = serializers.DateTimeField(allow_null=True)


class StreamSerializer(serializers.Serializer):
    """One kind of record of a connection: how it is synced and how it does."""

    id = serializers.UUIDField(source="stream.public_id")
    connection = serializers.UUIDField(source="stream.connection.public_id")
    service = serializers.CharField(source="stream.connection.service")
    entity = serializers.ChoiceField(choices=Entity.choices, source="stream.entity")
    can = serializers.CharField(help_text="What the system can honestly do.")
    direction = serializers.ChoiceField(choices=SyncStream.Direction.choices, source="stream.direction")
    is_paused = serializers.BooleanField(source="stream.is_paused")
    makes_new = serializers.BooleanField(
        source="stream.makes_new", help_text="Whether what is new here is made there."
    )
    policies = serializers.SerializerMethodField(help_text="Field → who wins where both sides changed it.")
    is_well = serializers.BooleanField()
    trouble = serializers.CharField(source="stream.trouble")
    live = serializers.IntegerField()
    gone = serializers.IntegerField()
    delivered = serializers.IntegerField(help_text="Sent to an inbox; not known to be synced.")
    unpushed = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    run = serializers.IntegerField(source="stream.run")
    counts: Any = serializers.JSONField(source="stream.counts", help_text="Of the last run.")
    watermark = serializers.DateTimeField(source="stream.watermark", allow_null=True)
    began_at = serializers.DateTimeField(source="stream.began_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="stream.finished_at", allow_null=True)
    full_at = serializers.DateTimeField(source="stream.full_at", allow_null=True)
    report = ReportSerializer(allow_null=True)

    def get_policies(self, row: Any) -> dict[str, str]:
        return {one.name: one.policy.value for one in row.fields}


class StreamChangeSerializer(serializers.Serializer):
    direction = serializers.ChoiceField(choices=SyncStream.Direction.choices, required=False)
    is_paused = serializers.BooleanField(required=False)
    makes_new = serializers.BooleanField(required=False)
    policies = serializers.DictField(
        child=serializers.ChoiceField(choices=[one.value for one in Policy]), required=False
    )
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class RunSerializer(serializers.Serializer):
    is_full = serializers.BooleanField(default=False, help_text="All records, not only what changed.")


class RecordFilterSerializer(serializers.Serializer):
    entity = serializers.ChoiceField(choices=Entity.choices, required=False)
    text = serializers.CharField(
        max_length=200, required=False, help_text="A whole e-mail address, phone number or id."
    )
    connection = serializers.UUIDField(required=False)
    before = serializers.UUIDField(required=False, help_text="The last id of the page before.")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


class PlaceSerializer(serializers.Serializer):
    """A record as one system has it."""

    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="connection.service")
    external_id = serializers.CharField()
    state = serializers.ChoiceField(choices=SyncExternal.State.choices)
    url = serializers.CharField()
    modified_at = serializers.DateTimeField(allow_null=True)
    unpushed_since = serializers.DateTimeField(allow_null=True)
    gone_at = serializers.DateTimeField(allow_null=True)


class RecordSerializer(serializers.Serializer):
    """A contact or a job as we have it, and where it is."""

    id = serializers.UUIDField(source="record.public_id")
    entity = serializers.ChoiceField(choices=Entity.choices, source="record.entity")
    version = serializers.IntegerField(source="record.version")
    person = serializers.SerializerMethodField()
    values = serializers.DictField(child=serializers.JSONField())
    places = PlaceSerializer(many=True, source="externals")
    gone_at = serializers.DateTimeField(source="record.gone_at", allow_null=True)
    changed_at = serializers.DateTimeField(source="record.changed_at")

    def get_person(self, shown: Any) -> str | None:
        person = shown.record.person
        return None if person is None else str(person.public_id)


class NewRecordSerializer(serializers.Serializer):
    entity = serializers.ChoiceField(choices=Entity.choices)
    values = serializers.DictField(child=serializers.JSONField(allow_null=True), allow_empty=False)


class ProofSerializer(serializers.Serializer):
    """Of a yes to marketing."""

    consent_source = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="Where marketing was allowed."
    )
    consent_wording = serializers.CharField(
        max_length=LONGEST_WORDING,
        required=False,
        allow_blank=True,
        help_text="In which words they were asked. Needed where they had said no.",
    )
    consent_occurred_at = serializers.DateTimeField(
        required=False, help_text="When they said so, later than the no. Needed where they had said no."
    )


class RecordChangeSerializer(ProofSerializer):
    values = serializers.DictField(child=serializers.JSONField(allow_null=True), allow_empty=False)
    version = serializers.IntegerField(
        min_value=1, required=False, help_text="Refuse if it has changed since."
    )


class SavedRecordSerializer(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    version = serializers.IntegerField()


class SendRecordSerializer(serializers.Serializer):
    connection = serializers.UUIDField()


class RecordStepSerializer(serializers.Serializer):
    position = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    by = serializers.CharField()
    changes: Any = serializers.JSONField(help_text="Field → before, after, theirs, how.")


class RecordTrailSerializer(serializers.Serializer):
    steps = RecordStepSerializer(many=True)
    faults = serializers.ListField(child=serializers.CharField())


class ConflictSerializer(serializers.Serializer):
    """What waits for a person."""

    id = serializers.UUIDField(source="public_id")
    kind = serializers.ChoiceField(choices=SyncConflict.Kind.choices)
    state = serializers.ChoiceField(choices=SyncConflict.State.choices)
    connection = serializers.UUIDField(source="sync_stream.connection.public_id")
    entity = serializers.CharField(source="sync_stream.entity")
    record = serializers.UUIDField(source="record.public_id", allow_null=True, default=None)
    other = serializers.UUIDField(source="other.public_id", allow_null=True, default=None)
    field = serializers.CharField()
    here = serializers.SerializerMethodField()
    there = serializers.SerializerMethodField()
    count = serializers.IntegerField(help_text="How many are missing.")
    choices = serializers.SerializerMethodField()
    opened_at = serializers.DateTimeField()

    def get_here(self, conflict: SyncConflict) -> Any:
        return settling.values_of(conflict).get("here")

    def get_there(self, conflict: SyncConflict) -> Any:
        return settling.values_of(conflict).get("there")

    def get_choices(self, conflict: SyncConflict) -> list[str]:
        return list(settling.CHOICES[conflict.kind])


class SettleSerializer(ProofSerializer):
    choice = serializers.CharField(max_length=12)
    value = serializers.JSONField(required=False, allow_null=True, help_text='Of the choice "other".')


class SettledSerializer(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()
    choice = serializers.CharField()


class NewImportSerializer(serializers.Serializer):
    entity = serializers.ChoiceField(choices=Entity.choices)
    name = serializers.CharField(max_length=200)
    content = serializers.CharField(max_length=5 * 1024**2, help_text="The file's text: CSV with a header.")
    columns = serializers.DictField(
        child=serializers.CharField(max_length=120),
        required=False,
        help_text="Field → column. Left out: found by their names.",
    )


class ImportRowSerializer(serializers.Serializer):
    title = serializers.CharField()
    is_new = serializers.BooleanField()
    changes = serializers.SerializerMethodField()

    def get_changes(self, row: Any) -> dict[str, list[Any]]:
        return {name: [one.before, one.after] for name, one in row.changes.items()}


class ImportSerializer(serializers.Serializer):
    """A file: tried, applied or undone."""

    id = serializers.UUIDField(source="public_id")
    connection = serializers.UUIDField(source="connection.public_id")
    entity = serializers.ChoiceField(choices=Entity.choices)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=SyncImport.State.choices)
    columns = serializers.DictField(child=serializers.CharField())
    counts = serializers.DictField(child=serializers.IntegerField())
    created_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField(allow_null=True)
    undone_at = serializers.DateTimeField(allow_null=True)


class TrialSerializer(serializers.Serializer):
    """rows: for who may see people; refused: line → why."""

    file = ImportSerializer()
    rows = ImportRowSerializer(many=True)
    refused = serializers.DictField(child=serializers.CharField())
