"""Experiments: who was assigned what, saw what, and what came of it; and lift tests."""

import apps.accounts.models.workspace
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("attribution", "0006_accuracy")]

    operations: list[migrations.operations.base.Operation] = [
        migrations.CreateModel(
            name="Experiment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=120)),
                ("hypothesis", models.TextField(blank=True)),
                (
                    "unit",
                    models.CharField(
                        choices=[
                            ("person", "Person"),
                            ("referral_root", "Referral Root"),
                            ("campaign", "Campaign"),
                            ("region", "Region"),
                            ("day_block", "Day Block"),
                        ],
                        default="person",
                        max_length=14,
                    ),
                ),
                (
                    "reading",
                    models.CharField(
                        choices=[
                            ("send_winner", "Send Winner"),
                            ("prove_lift", "Prove Lift"),
                            ("always_valid", "Always Valid"),
                        ],
                        default="prove_lift",
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("running", "Running"),
                            ("stopped", "Stopped"),
                            ("decided", "Decided"),
                        ],
                        default="draft",
                        max_length=8,
                    ),
                ),
                ("metric", models.CharField(default="conversion", max_length=60)),
                ("goal", models.CharField(blank=True, max_length=60)),
                ("outcome_window_days", models.FloatField(default=14.0)),
                ("covariate_days", models.FloatField(default=30.0)),
                ("layer", models.CharField(blank=True, max_length=60)),
                ("slice_start", models.FloatField(default=0.0)),
                ("traffic_share", models.FloatField(default=1.0)),
                ("holdout_share", models.FloatField(default=0.0)),
                ("duration_days", models.FloatField(default=28.0)),
                ("planned_looks", models.PositiveSmallIntegerField(default=5)),
                ("alpha", models.FloatField(default=0.05)),
                ("power", models.FloatField(default=0.8)),
                ("minimum_effect", models.FloatField(default=0.1)),
                ("baseline", models.FloatField(blank=True, null=True)),
                ("planned_units", models.BigIntegerField(blank=True, null=True)),
                ("reallocate_hours", models.FloatField(default=24.0)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decided_by", models.CharField(blank=True, max_length=120)),
                ("decision", models.TextField(blank=True)),
                ("is_overridden", models.BooleanField(default=False)),
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
            name="LiftTest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "kind",
                    models.CharField(
                        choices=[("holdout", "Holdout"), ("geo", "Geo"), ("external", "External")],
                        max_length=8,
                    ),
                ),
                (
                    "measure",
                    models.CharField(
                        choices=[("conversions", "Conversions"), ("revenue", "Revenue")],
                        default="conversions",
                        max_length=11,
                    ),
                ),
                ("goal", models.CharField(blank=True, max_length=60)),
                ("first_day", models.DateField()),
                ("last_day", models.DateField()),
                ("incremental", models.FloatField()),
                ("standard_error", models.FloatField()),
                ("covered_share", models.FloatField(default=1.0)),
                ("source", models.CharField(blank=True, max_length=200)),
                ("notes", models.TextField(blank=True)),
                ("entered_by", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                (
                    "channel",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="attribution.channel",
                    ),
                ),
                (
                    "experiment",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="attribution.experiment",
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
            name="LiftTestCredit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=30)),
                ("attributed", models.FloatField()),
                ("standard_error", models.FloatField()),
                ("computed_at", models.DateTimeField()),
                (
                    "lift_test",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.lifttest",
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
            name="Look",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("taken_at", models.DateTimeField()),
                ("units", models.BigIntegerField()),
                ("information", models.FloatField(blank=True, null=True)),
                ("is_conclusive", models.BooleanField(default=False)),
                (
                    "settled",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60), blank=True, default=list, size=None
                    ),
                ),
                ("favours", models.CharField(blank=True, max_length=60)),
                ("verdict", models.TextField()),
                ("figures", models.JSONField()),
                (
                    "experiment",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.experiment",
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
            name="RegionDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("region", models.CharField(max_length=80)),
                ("day", models.DateField()),
                ("is_treated", models.BooleanField()),
                ("outcome", models.FloatField()),
                (
                    "lift_test",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.lifttest",
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
            name="Variant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=120)),
                ("position", models.PositiveSmallIntegerField()),
                ("is_control", models.BooleanField(default=False)),
                (
                    "experiment",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.experiment",
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
            name="Exposure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("unit", models.CharField(max_length=200)),
                ("observed", models.BigIntegerField(default=0)),
                ("phase", models.PositiveIntegerField()),
                ("first_exposed_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("is_mixed", models.BooleanField(default=False)),
                (
                    "experiment",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.experiment",
                    ),
                ),
                (
                    "person",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.person",
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
                (
                    "variant",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.variant",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="experiment",
            name="winner",
            field=apps.accounts.models.workspace.WorkspaceForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="attribution.variant",
            ),
        ),
        migrations.CreateModel(
            name="Allocation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("phase", models.PositiveIntegerField()),
                ("share", models.FloatField()),
                ("starts_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=200)),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
                (
                    "experiment",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.experiment",
                    ),
                ),
                (
                    "variant",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.variant",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="lifttest",
            index=models.Index(fields=["workspace", "-id"], name="lift_test_newest_first"),
        ),
        migrations.AddConstraint(
            model_name="lifttest",
            constraint=models.CheckConstraint(
                condition=models.Q(("standard_error__gt", 0)), name="lift_test_has_an_error"
            ),
        ),
        migrations.AddConstraint(
            model_name="lifttest",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_day__gte", models.F("first_day"))), name="lift_test_days_in_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="lifttest",
            constraint=models.CheckConstraint(
                condition=models.Q(("covered_share__gt", 0), ("covered_share__lte", 1)),
                name="lift_test_covers_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="lifttestcredit",
            constraint=models.UniqueConstraint(
                fields=("workspace", "lift_test", "model"), name="lift_test_credit_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="look",
            constraint=models.UniqueConstraint(
                fields=("workspace", "experiment", "number"), name="look_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="regionday",
            constraint=models.UniqueConstraint(
                fields=("workspace", "lift_test", "region", "day"), name="region_day_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="variant",
            constraint=models.UniqueConstraint(
                fields=("workspace", "experiment", "key"), name="variant_key_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="variant",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_control", True)),
                fields=("workspace", "experiment"),
                name="variant_one_control",
            ),
        ),
        migrations.AddIndex(
            model_name="exposure",
            index=models.Index(
                condition=models.Q(("person__isnull", False)),
                fields=["workspace", "person", "experiment"],
                name="exposure_by_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="exposure",
            constraint=models.UniqueConstraint(
                fields=("workspace", "experiment", "unit", "observed"), name="exposure_once"
            ),
        ),
        migrations.AddIndex(
            model_name="experiment",
            index=models.Index(fields=["workspace", "-id"], name="experiment_newest_first"),
        ),
        migrations.AddIndex(
            model_name="experiment",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="experiment_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.UniqueConstraint(fields=("workspace", "key"), name="experiment_key_once"),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.CheckConstraint(
                condition=models.Q(("traffic_share__gt", 0), ("traffic_share__lte", 1)),
                name="experiment_traffic_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="experiment",
            constraint=models.CheckConstraint(
                condition=models.Q(("holdout_share__gte", 0), ("holdout_share__lt", 1)),
                name="experiment_holdout_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.UniqueConstraint(
                fields=("workspace", "experiment", "phase", "variant"), name="allocation_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("share__gte", 0), ("share__lte", 1)), name="allocation_is_a_share"
            ),
        ),
    ]
