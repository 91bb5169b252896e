from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_content_version")]

    operations = [
        migrations.AddField(
            model_name="everywherecomplaint",
            name="told_by",
            field=models.CharField(blank=True, db_default="", max_length=40),
        ),
    ]
