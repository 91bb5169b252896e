from django.db import migrations, models


class Migration(migrations.Migration):
    """Whom nobody drew an hour for is in no comparison of hours; and what such a comparison is read from."""

    dependencies = [("campaigns", "0006_who_told_of_a_complaint")]

    operations = [
        migrations.AlterField(
            model_name="recipient",
            name="is_timed",
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="armfigures",
            name="clicked",
            field=models.BigIntegerField(db_default=0, default=0),
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
                ],
                max_length=8,
            ),
        ),
    ]
