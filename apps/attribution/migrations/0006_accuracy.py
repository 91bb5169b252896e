"""How well models predicted journeys that they had not seen."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0005_credit_intervals")]

    operations: list[migrations.operations.base.Operation] = []
