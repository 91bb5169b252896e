from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_room_for_settling")]

    operations = [
        migrations.AddField(
            model_name="everywherecomplaint",
            name="told_by",
            field=models.CharField(blank=True, db_default="", max_length=40),
        ),
    ]
