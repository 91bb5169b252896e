"""What was accepted and could not be stored, and the books of the doors. Rows that imports set aside move in.

The largest tables lose their foreign key to the workspace: the one to the person, which is bound to the
workspace, says the same.
"""

import json
import uuid
from hashlib import sha256

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions.datetime import Now

import apps.accounts.models.workspace
from apps.accounts import sealing

REASONS = [
    ("unreadable_row", "The row cannot be read"),
    ("unusable_fields", "A field is missing or cannot be used"),
    ("no_exchange_rate", "There is no exchange rate for its currency"),
    ("amount_too_large", "It is worth more than can be kept"),
    ("refund_exceeds_order", "It refunds more than its order is worth"),
    ("contested", "Other requests kept changing the same people or orders"),
    ("database_refused", "The database refused to keep it"),
]
KINDS = [
    ("event", "Event"),
    ("conversion", "Conversion"),
    ("identify", "Identify"),
    ("spend", "Spend"),
    ("unknown", "Unknown"),
]
STATES = [
    ("waiting", "Waiting"),
    ("replayed", "Replayed"),
    ("dropped", "Dropped"),
    ("found_by_check", "found by a check"),
]
DOORS = [("api", "API"), ("import", "Import")]
TABLE = "attribution_deadletter"


def seal_rejected_rows(state, schema_editor):
    """They become letters that can be read; what they mean was not kept, so a person has to mend them."""
    rows = state.get_model("attribution", "RejectedRow")._base_manager.using(schema_editor.connection.alias)
    letters = state.get_model("attribution", "DeadLetter")._base_manager.using(schema_editor.connection.alias)
    batch = []
    for row in rows.select_related("file_import").order_by("pk").iterator(chunk_size=2_000):
        batch.append(letters.model(**_as_letter(row)))
        if len(batch) == 1_000:
            letters.bulk_create(batch)
            batch.clear()
    letters.bulk_create(batch)


def _as_letter(row):
    public_id, key, made = uuid.uuid4(), sealing.DataKey.new(), row.file_import
    content = {"payload": row.row, "record": {}, "errors": row.errors, "is_mended": False}
    return {
        "workspace_id": row.workspace_id,
        "public_id": public_id,
        "door": "import",
        "kind": "unknown",
        "reason": "unreadable_row" if "row" in row.errors else "unusable_fields",
        "identity": sha256(f"import-{made.pk}-{row.line}".encode()).hexdigest()[:40],
        "state": "found_by_check" if made.is_dry_run else "waiting",
        "received_at": made.created_at,
        "file_import_id": made.pk,
        "line": row.line,
        "data_key": key.wrap(sealing.Place(TABLE, "data_key", public_id)),
        "content_sealed": key.seal(json.dumps(content), sealing.Place(TABLE, "content", public_id)),
    }


def enter_moved_letters(state, schema_editor):
    """The books hold what moved in, so that they balance from the start."""
    schema_editor.execute(
        "INSERT INTO attribution_intakecount"
        " (workspace_id, day, door, accepted, stored, duplicates, dead_lettered, is_folded)"
        " SELECT workspace_id, (received_at AT TIME ZONE 'UTC')::date, door, count(*), 0, 0, count(*), true"
        " FROM attribution_deadletter WHERE state = 'waiting' GROUP BY 1, 2, 3"
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_plural_names"), ("attribution", "0007_experiments")]

    operations = [
        *(
            migrations.AlterField(
                model_name=name,
                name="workspace",
                field=models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="accounts.workspace",
                ),
            )
            for name in ("conversion", "conversionrecord", "touchpoint")
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("door", models.CharField(choices=DOORS, max_length=10)),
                ("kind", models.CharField(choices=KINDS, max_length=10)),
                ("reason", models.CharField(choices=REASONS, max_length=40)),
                ("identity", models.CharField(max_length=80)),
                ("state", models.CharField(choices=STATES, default="waiting", max_length=20)),
                ("received_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("line", models.BigIntegerField(blank=True, null=True)),
                ("data_key", models.BinaryField(blank=True, null=True)),
                ("content_sealed", models.BinaryField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "file_import",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.fileimport",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="IntakeCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("door", models.CharField(choices=DOORS, max_length=10)),
                ("accepted", models.BigIntegerField()),
                ("stored", models.BigIntegerField()),
                ("duplicates", models.BigIntegerField()),
                ("dead_lettered", models.BigIntegerField()),
                ("is_folded", models.BooleanField(default=False)),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="intakecount",
            index=models.Index(fields=["workspace", "day"], name="intake_by_day"),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(fields=["workspace", "state", "reason", "-id"], name="dead_letters_by_reason"),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(fields=["workspace", "received_at"], name="dead_letters_by_day"),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(fields=["workspace", "file_import", "line"], name="dead_letters_of_import"),
        ),
        migrations.AddConstraint(
            model_name="deadletter",
            constraint=models.CheckConstraint(
                condition=models.Q(reason__in=[reason for reason, _ in REASONS]),
                name="dead_letter_reason_is_registered",
            ),
        ),
        migrations.AddConstraint(
            model_name="deadletter",
            constraint=models.UniqueConstraint(fields=("workspace", "identity"), name="dead_letter_once"),
        ),
        migrations.AddConstraint(
            model_name="deadletter",
            constraint=models.UniqueConstraint(
                fields=("workspace", "public_id"), name="dead_letter_public_id_once"
            ),
        ),
        migrations.RunPython(seal_rejected_rows, migrations.RunPython.noop),
        migrations.RunPython(enter_moved_letters, migrations.RunPython.noop),
        migrations.DeleteModel(name="RejectedRow"),
    ]
