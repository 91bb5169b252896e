from django.db import migrations, models


class Migration(migrations.Migration):
    """Whoever changes or approves a text names the version that they saw."""

    dependencies = [("campaigns", "0004_room_for_settling")]

    operations = [
        migrations.AddField(
            model_name="content",
            name="version",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
    ]
