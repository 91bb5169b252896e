"""Goals: which conversions count, and how."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0003_journey_books")]

    operations: list[migrations.operations.base.Operation] = []
