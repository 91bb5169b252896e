from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Person, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7
from apps.integrations.models.connection import Connection


class Entity(models.TextChoices):
    """The same words as connectors.crm.system.Entity."""

    CONTACT = "contact"
    JOB = "job"


class SyncStream(WorkspaceOwned):
    """One kind of record of a connection: how it is synced, and how far the run that is going on has come.

    page: the one to be read next, null between runs. watermark: the latest change that a completed run has
    seen. policies: field → policy, where a person chose another than the house's (sync/fields.py). counts: of
    the run.
    """

    class Direction(models.TextChoices):
        BOTH = "both", "both ways"
        IN = "in", "in only"
        OUT = "out", "out only"

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    direction = models.CharField(max_length=4, choices=Direction.choices, default=Direction.BOTH)
    is_paused = models.BooleanField(default=False)
    # Whether what is new here is made there as well.
    makes_new = models.BooleanField(default=False)
    policies = models.JSONField(default=dict, blank=True)
    run = models.PositiveIntegerField(default=0)
    is_full = models.BooleanField(default=False)
    page = models.PositiveIntegerField(null=True, blank=True)
    window_from = models.DateTimeField(null=True, blank=True)
    highest = models.DateTimeField(null=True, blank=True)
    watermark = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    full_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    trouble = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "connection", "entity"], name="sync_stream_once"),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_stream_public_id_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} of {self.connection_id}"


class SyncRecord(WorkspaceOwned):
    """A contact or a job as we have it; what is said of it is sealed (sync/record_fields.py).

    Columns beside the sealed fields are there to find and to add up by. version: one more with each change.
    gone_at: since when no system has it any more. merged_into: what it turned out to be.
    """

    public_id = models.UUIDField(default=uuid7, editable=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    person = WorkspaceForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, db_index=False)
    data_key = models.BinaryField(null=True, blank=True)
    fields_sealed = models.BinaryField(null=True, blank=True)
    email_index = models.BinaryField(max_length=16, null=True, blank=True)
    phone_index = models.BinaryField(max_length=16, null=True, blank=True)
    stage = models.CharField(max_length=40, blank=True)
    job_type = models.CharField(max_length=120, blank=True)
    event_on = models.DateField(null=True, blank=True)
    total = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    is_opted_in = models.BooleanField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    merged_into = WorkspaceForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    gone_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_record_public_id_once")
        ]
        indexes = [
            models.Index(fields=["workspace", "entity", "-id"], name="sync_records_newest"),
            models.Index(
                fields=["workspace", "email_index"],
                condition=models.Q(email_index__isnull=False),
                name="sync_records_by_email",
            ),
            models.Index(
                fields=["workspace", "phone_index"],
                condition=models.Q(phone_index__isnull=False),
                name="sync_records_by_phone",
            ),
            models.Index(
                fields=["workspace", "person"],
                condition=models.Q(person__isnull=False),
                name="sync_records_by_person",
            ),
            models.Index(
                fields=["workspace", "event_on"],
                condition=models.Q(event_on__isnull=False),
                name="sync_records_by_event",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.public_id}"

    @property
    def stream(self) -> str:
        """Where its trail stands."""
        return f"sync:{self.public_id}"


class SyncExternal(WorkspaceOwned):
    """A record as a system has it, and the record of ours that it stands for.

    content: raw, its canonical fields, and base: what both sides last agreed on. raw_hash: of what we last
    saw or produced. unpushed_since: when a change was made here that the system does not have yet.
    """

    class State(models.TextChoices):
        LINKED = "linked", "in step"
        MAKING = "making", "being made there"
        DELIVERED = "delivered", "delivered to the inbox"

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    external_id = models.CharField(max_length=200)
    # False where the system says no id and one was made of the row's content.
    is_own_id = models.BooleanField(default=True)
    record = WorkspaceForeignKey(SyncRecord, on_delete=models.CASCADE, db_index=False)
    state = models.CharField(max_length=9, choices=State.choices, default=State.LINKED)
    data_key = models.BinaryField(null=True, blank=True)
    content_sealed = models.BinaryField(null=True, blank=True)
    raw_hash = models.BinaryField(max_length=32, null=True, blank=True)
    url = models.CharField(max_length=500, blank=True)
    contact_ids = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    modified_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    seen_run = models.PositiveIntegerField(default=0)
    unpushed_since = models.DateTimeField(null=True, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "entity", "external_id"], name="sync_external_once"
            ),
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_external_public_id_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "record"], name="sync_externals_of_record"),
            models.Index(
                fields=["workspace", "connection", "entity", "unpushed_since"],
                condition=models.Q(unpushed_since__isnull=False),
                name="sync_externals_unpushed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.external_id}"


class SyncConflict(WorkspaceOwned):
    """What a person must decide. values: here and there, sealed; gone once nobody needs them.

    field: one field, changed on both sides. vanished: more are missing than may go (count, in the run).
    deleted: changed here and deleted there. same: perhaps one and the same as another record.
    """

    class Kind(models.TextChoices):
        FIELD = "field", "changed on both sides"
        VANISHED = "vanished", "many are missing"
        DELETED = "deleted", "changed here, deleted there"
        SAME = "same", "perhaps the same"

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        OUTDATED = "outdated"

    public_id = models.UUIDField(default=uuid7, editable=False)
    sync_stream = WorkspaceForeignKey(SyncStream, on_delete=models.CASCADE, db_index=False)
    external = WorkspaceForeignKey(
        SyncExternal, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    record = WorkspaceForeignKey(SyncRecord, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    other = WorkspaceForeignKey(SyncRecord, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    field = models.CharField(max_length=40, blank=True)
    data_key = models.BinaryField(null=True, blank=True)
    values_sealed = models.BinaryField(null=True, blank=True)
    run = models.PositiveIntegerField(default=0)
    count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    choice = models.CharField(max_length=12, blank=True)
    opened_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_conflict_public_id_once"),
            models.UniqueConstraint(
                fields=["workspace", "external", "kind", "field"],
                condition=models.Q(state="open", external__isnull=False),
                name="sync_conflict_open_once",
            ),
            models.UniqueConstraint(
                fields=["workspace", "sync_stream", "kind"],
                condition=models.Q(state="open", external__isnull=True),
                name="sync_notice_open_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(state="open"), name="sync_conflicts_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.field} {self.public_id}".replace("  ", " ")


class SyncTombstone(WorkspaceOwned):
    """A record of somebody who was erased, by a hash of its id: it is not read in again."""

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    id_hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "entity", "id_hash"], name="sync_tombstone_once"
            )
        ]

    def __str__(self) -> str:
        return f"tombstone {self.pk}"


class SyncNudge(WorkspaceOwned):
    """A system told that a record changed: it is to be read again. One row per record, however often told."""

    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    external_id = models.CharField(max_length=200)
    nudged_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "connection", "entity", "external_id"], name="sync_nudge_once"
            )
        ]
        indexes = [models.Index(fields=["due_at"], name="sync_nudges_due_anywhere")]

    def __str__(self) -> str:
        return f"{self.entity} {self.external_id}"


class SyncImport(WorkspaceOwned):
    """A file of records: tried first, then applied, and undone if it was wrong. The file is sealed, and gone
    once it was applied or given up.
    """

    class State(models.TextChoices):
        TRIED = "tried", "tried, nothing written"
        APPLIED = "applied"
        UNDONE = "undone"
        DROPPED = "dropped"

    public_id = models.UUIDField(default=uuid7, editable=False)
    connection = WorkspaceForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices, default=State.TRIED)
    columns = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    data_key = models.BinaryField(null=True, blank=True)
    content_sealed = models.BinaryField(null=True, blank=True)
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_import_public_id_once")
        ]

    def __str__(self) -> str:
        return self.name


class SyncImportStep(WorkspaceOwned):
    """Which step of which record's trail an import made; is_new: it made the record itself."""

    batch = WorkspaceForeignKey(SyncImport, on_delete=models.CASCADE, db_index=False)
    record = WorkspaceForeignKey(SyncRecord, on_delete=models.CASCADE, db_index=False)
    position = models.PositiveIntegerField()
    is_new = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "batch", "record"], name="sync_import_step_once")
        ]
        indexes = [models.Index(fields=["workspace", "record"], name="sync_import_steps_of_record")]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.record_id}"


class SyncReport(WorkspaceOwned):
    """What a comparison of a stream with a fresh scan found. findings: ids, at most some hundreds of each
    kind; sums: counts and money, here and there.
    """

    public_id = models.UUIDField(default=uuid7, editable=False)
    sync_stream = WorkspaceForeignKey(SyncStream, on_delete=models.CASCADE, db_index=False)
    made_at = models.DateTimeField()
    compared = models.PositiveIntegerField()
    buckets_differing = models.PositiveSmallIntegerField()
    missing = models.PositiveIntegerField()
    extra = models.PositiveIntegerField()
    different = models.PositiveIntegerField()
    unpushed = models.PositiveIntegerField()
    unpushed_since = models.DateTimeField(null=True, blank=True)
    chain_faults = models.PositiveIntegerField(default=0)
    replay_faults = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=dict)
    sums = models.JSONField(default=dict)
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="sync_report_public_id_once")
        ]
        indexes = [models.Index(fields=["workspace", "sync_stream", "-id"], name="sync_reports_newest")]

    def __str__(self) -> str:
        return f"report {self.pk}"

    @property
    def is_well(self) -> bool:
        return not (self.missing or self.extra or self.different or self.chain_faults or self.replay_faults)
