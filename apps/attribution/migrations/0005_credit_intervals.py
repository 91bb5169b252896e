"""How sure each credit is."""

import django.db.models.deletion
from django.db import migrations, models

import apps.accounts.models.workspace


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_plural_names"),
        ("attribution", "0004_goals"),
    ]

    operations = [
        migrations.CreateModel(
            name="CreditErrors",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=30)),
                ("group_by", models.CharField(max_length=10)),
                ("errors", models.JSONField()),
                ("notes", models.JSONField(default=dict)),
                (
                    "run",
                    apps.accounts.models.workspace.WorkspaceForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="attribution.modelrun",
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
                "verbose_name_plural": "credit errors",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "run", "model", "group_by"), name="credit_errors_once"
                    )
                ],
            },
        ),
    ]
