"""How sure each credit is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0004_goals")]

    operations: list[migrations.operations.base.Operation] = []
