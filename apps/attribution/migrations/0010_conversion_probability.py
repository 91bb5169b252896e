"""Models of the probability to convert."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.accounts.models.workspace


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plural_names"),
        ("attribution", "0009_rule_versions"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConversionModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("goal_key", models.CharField(max_length=60)),
                ("lens", models.JSONField()),
                ("lens_digest", models.CharField(max_length=64)),
                ("intercept", models.FloatField()),
                ("penalty", models.FloatField()),
                ("slope", models.FloatField()),
                ("shift", models.FloatField()),
                ("since", models.DateTimeField()),
                ("cut_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("is_of_later_days", models.BooleanField()),
                ("sizes", models.JSONField()),
                ("figures", models.JSONField()),
                ("reference", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "job",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.job",
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
            name="ConversionWeight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("kind", models.CharField(max_length=30)),
                ("key", models.CharField(blank=True, max_length=200)),
                ("mean", models.FloatField()),
                ("scale", models.FloatField()),
                ("weight", models.FloatField()),
                (
                    "conversion_model",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.conversionmodel",
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
            name="DriftCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("journeys", models.BigIntegerField()),
                ("conversions", models.BigIntegerField()),
                ("predicted", models.FloatField()),
                ("charts", models.JSONField()),
                ("mix", models.JSONField()),
                ("shifts", models.JSONField()),
                ("alarms", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "conversion_model",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.conversionmodel",
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
            name="Recalibration",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("alarms", models.JSONField()),
                ("by_itself", models.BooleanField()),
                ("markov_jobs", models.JSONField()),
                ("figures", models.JSONField(default=dict)),
                ("outcome", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "after",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="attribution.conversionmodel",
                    ),
                ),
                (
                    "before",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="attribution.conversionmodel",
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
        migrations.AddConstraint(
            model_name="conversionmodel",
            constraint=models.UniqueConstraint(
                fields=("workspace", "version"), name="conversion_model_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="conversionweight",
            constraint=models.UniqueConstraint(
                fields=("workspace", "conversion_model", "position"), name="conversion_weight_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="conversionweight",
            constraint=models.CheckConstraint(
                condition=models.Q(("scale__gt", 0)), name="conversion_weight_scale_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="driftcheck",
            constraint=models.UniqueConstraint(
                fields=("workspace", "conversion_model", "number"), name="drift_check_once"
            ),
        ),
        migrations.AddIndex(
            model_name="recalibration",
            index=models.Index(fields=["workspace", "-id"], name="recalibration_newest_first"),
        ),
    ]
