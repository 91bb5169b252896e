from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_plural_names")]

    operations = [
        migrations.AddField(
            model_name="consentrecord",
            name="is_confirmed",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
