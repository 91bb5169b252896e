import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A batch says by itself that its provider has taken it, until its chunk is entered into the ledger."""

    dependencies = [("campaigns", "0012_texts_for_some")]

    operations = [
        migrations.AddField(
            model_name="sendbatch",
            name="accepted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="sendbatch",
            name="workspace",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.workspace",
            ),
        ),
    ]
