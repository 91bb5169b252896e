from django.db import migrations, models


class Migration(migrations.Migration):
    """What an older version opens meanwhile is said by the database: it makes its ids in the older way."""

    dependencies = [("accounts", "0007_what_was_confirmed_by_e_mail")]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="row_ids_have_time",
            field=models.BooleanField(db_default=False, default=True, editable=False),
        ),
    ]
