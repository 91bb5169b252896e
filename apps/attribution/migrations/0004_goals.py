"""Goals: named ways to look at journeys."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plural_names"),
        ("attribution", "0003_journey_books"),
    ]

    operations = [
        migrations.CreateModel(
            name="Goal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(max_length=60)),
                ("label", models.CharField(max_length=80)),
                (
                    "conversion_types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60), blank=True, default=list, size=None
                    ),
                ),
                ("lookback_days", models.FloatField(default=30.0)),
                (
                    "counting",
                    models.CharField(
                        choices=[("every", "Every"), ("once", "Once")], default="every", max_length=5
                    ),
                ),
                (
                    "transform",
                    models.CharField(
                        choices=[
                            ("unique", "Unique"),
                            ("exposure", "Exposure"),
                            ("first", "First"),
                            ("frequency", "Frequency"),
                            ("trim", "Trim"),
                        ],
                        default="unique",
                        max_length=9,
                    ),
                ),
                ("trim_touches", models.PositiveSmallIntegerField(default=0)),
                (
                    "direct",
                    models.CharField(
                        choices=[("kept", "Kept"), ("dropped_beside_others", "Dropped Beside Others")],
                        default="kept",
                        max_length=21,
                    ),
                ),
                ("is_default", models.BooleanField(default=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
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
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "key"), name="goal_key_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("workspace",),
                        name="goal_one_default",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lookback_days__gt", 0)), name="goal_lookback_is_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("archived_at__isnull", False), ("is_default", True), _negated=True
                        ),
                        name="goal_default_is_not_archived",
                    ),
                ],
            },
        ),
    ]
