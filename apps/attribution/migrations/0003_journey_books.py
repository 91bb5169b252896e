"""Journeys as last counted, by person and day."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

import apps.accounts.models.workspace


def of_workspace(**options: bool) -> models.ForeignKey:
    return models.ForeignKey(
        **options,
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="accounts.workspace",
    )


def of_book(**options: object) -> apps.accounts.models.workspace.WorkspaceForeignKey:
    return apps.accounts.models.workspace.WorkspaceForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="attribution.journeybook",
        **options,
    )


def key() -> tuple[str, models.Field]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    atomic = False  # indexes are built while the product runs

    dependencies = [("attribution", "0002_no_index_on_workspace_alone")]

    operations = [
        migrations.CreateModel(
            name="JourneyBook",
            fields=[
                key(),
                ("lens", models.JSONField()),
                ("lens_digest", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("due", "Due"), ("building", "Building"), ("ready", "Ready")],
                        default="due",
                        max_length=8,
                    ),
                ),
                ("revision", models.BigIntegerField(default=0)),
                ("method", models.CharField(max_length=16)),
                ("time_zone", models.CharField(max_length=64)),
                ("currency", models.CharField(max_length=3)),
                ("steps", models.JSONField(default=list)),
                ("asked_at", models.DateTimeField()),
                ("built_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("workspace", of_workspace()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "lens_digest"), name="journey_book_once_per_lens"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="BookedPeople",
            fields=[
                key(),
                ("bucket", models.BigIntegerField()),
                ("journeys", models.BinaryField()),
                ("book", of_book()),
                ("workspace", of_workspace()),
            ],
            options={
                "verbose_name_plural": "booked people",
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "book", "bucket"), name="booked_people_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="BookDay",
            fields=[
                key(),
                ("day", models.DateField()),
                ("revision", models.BigIntegerField()),
                ("journeys", models.BigIntegerField()),
                ("conversions", models.BigIntegerField()),
                ("value", models.BigIntegerField()),
                ("distinct_paths", models.IntegerField()),
                ("counts", models.BinaryField()),
                ("book", of_book()),
                ("workspace", of_workspace()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "book", "day"), name="book_day_once")
                ]
            },
        ),
        migrations.CreateModel(
            name="StalePerson",
            fields=[
                key(),
                ("person_id", models.BigIntegerField()),
                ("book", of_book(blank=True, null=True)),
                ("workspace", of_workspace(db_constraint=False)),
            ],
            options={
                "verbose_name_plural": "stale people",
                "indexes": [models.Index(fields=["workspace", "id"], name="stale_people_in_order")],
            },
        ),
        migrations.CreateModel(
            name="AskedQuestion",
            fields=[
                key(),
                ("digest", models.CharField(max_length=64)),
                ("params", models.JSONField()),
                ("asked_at", models.DateTimeField()),
                ("book", of_book()),
                ("workspace", of_workspace()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "book", "digest"), name="asked_question_once"
                    )
                ]
            },
        ),
        # Packed arrays are dense already: PostgreSQL's compression takes time and gains little.
        migrations.RunSQL(
            """
            ALTER TABLE attribution_bookday ALTER COLUMN counts SET STORAGE EXTERNAL;
            ALTER TABLE attribution_bookedpeople ALTER COLUMN journeys SET STORAGE EXTERNAL;
            """,
            migrations.RunSQL.noop,
        ),
        AddIndexConcurrently(
            model_name="touchpoint",
            index=models.Index(
                fields=["workspace", "person", "occurred_at", "id"],
                include=("source",),
                name="touchpoint_of_person",
            ),
        ),
        AddIndexConcurrently(
            model_name="conversion",
            index=models.Index(fields=["workspace", "conversion_type"], name="conversion_by_type"),
        ),
        RemoveIndexConcurrently(model_name="touchpoint", name="touchpoint_journey"),
    ]
