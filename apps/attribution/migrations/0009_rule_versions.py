"""Channel rules as they stood, version by version; and whether a sender named the channel itself."""

import django.db.models.deletion
from django.db import migrations, models

import apps.accounts.models.workspace


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plural_names"),
        ("attribution", "0008_dead_letters"),
    ]

    operations = [
        migrations.AddField(
            model_name="spend",
            name="is_channel_named",
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="touchpoint",
            name="is_channel_named",
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="RuleVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("rules", models.JSONField()),
                ("note", models.CharField(blank=True, max_length=500)),
                ("made_by", models.CharField(max_length=120)),
                ("made_at", models.DateTimeField()),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                ("touches_moved", models.BigIntegerField(blank=True, null=True)),
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
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "number"), name="rule_version_number_once")
                ],
            },
        ),
    ]
