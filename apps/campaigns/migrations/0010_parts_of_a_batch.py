from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    """How a batch was parted is written down with it."""

    dependencies = [("campaigns", "0009_forget_unknown_hours")]

    operations = [
        migrations.AddField(
            model_name="sendbatch",
            name="parted",
            field=ArrayField(
                base_field=models.CharField(max_length=200), blank=True, null=True, size=None
            ),
        )
    ]
