"""How well models predicted journeys that they had not seen."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.accounts.models.workspace


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plural_names"),
        ("attribution", "0005_credit_intervals"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccuracyNight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("night", models.DateField()),
                ("goal_key", models.CharField(max_length=60)),
                ("lens", models.JSONField()),
                ("lens_digest", models.CharField(max_length=64)),
                ("cut_at", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("learnt_journeys", models.BigIntegerField(default=0)),
                ("learnt_conversions", models.BigIntegerField(default=0)),
                ("journeys", models.BigIntegerField(default=0)),
                ("conversions", models.BigIntegerField(default=0)),
                ("missing", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
            name="ModelAccuracy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=30)),
                ("auc", models.FloatField()),
                ("auc_low", models.FloatField()),
                ("auc_high", models.FloatField()),
                ("log_loss", models.FloatField()),
                ("log_loss_low", models.FloatField()),
                ("log_loss_high", models.FloatField()),
                ("skill", models.FloatField()),
                ("skill_low", models.FloatField()),
                ("skill_high", models.FloatField()),
                ("slope", models.FloatField(null=True)),
                ("slope_low", models.FloatField(null=True)),
                ("slope_high", models.FloatField(null=True)),
                ("intercept", models.FloatField(null=True)),
                ("intercept_low", models.FloatField(null=True)),
                ("intercept_high", models.FloatField(null=True)),
                ("calibration_error", models.FloatField()),
                ("calibration_error_low", models.FloatField()),
                ("calibration_error_high", models.FloatField()),
                ("by_chance", models.FloatField()),
                ("bins", models.JSONField()),
                (
                    "night",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.accuracynight",
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
            options={
                "verbose_name_plural": "model accuracies",
            },
        ),
        migrations.AddConstraint(
            model_name="accuracynight",
            constraint=models.UniqueConstraint(
                fields=("workspace", "night", "lens_digest"), name="accuracy_once_a_night"
            ),
        ),
        migrations.AddConstraint(
            model_name="modelaccuracy",
            constraint=models.UniqueConstraint(
                fields=("workspace", "night", "model"), name="model_accuracy_once"
            ),
        ),
    ]
