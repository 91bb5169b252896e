from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built while the product runs

    dependencies = [("accounts", "0008_row_ids_have_time")]

    operations = [
        AddIndexConcurrently(
            model_name="person",
            index=models.Index(
                fields=["workspace", "id"],
                condition=models.Q(merged_into__isnull=False),
                name="person_merged",
            ),
        ),
    ]
