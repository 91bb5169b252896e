from django.db import migrations, models


class Migration(migrations.Migration):
    """Which contents left with texts for some readers alone, and what these brought."""

    dependencies = [("campaigns", "0011_day_of_a_counted_message")]

    operations = [
        migrations.AddField(
            model_name="content",
            name="has_blocks",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AlterField(
            model_name="armfigures",
            name="kind",
            field=models.CharField(
                choices=[
                    ("variant", "Variant"),
                    ("message", "was to get a message"),
                    ("held_out", "Held Out"),
                    ("own_hour", "Own Hour"),
                    ("together", "at the common hour"),
                    ("blocks", "with texts for some"),
                    ("plain", "with what is for everybody"),
                ],
                max_length=8,
            ),
        ),
    ]
