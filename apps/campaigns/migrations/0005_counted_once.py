from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_room_for_settling")]

    operations = [
        migrations.AddField(
            model_name="recipient",
            name="is_counted",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
