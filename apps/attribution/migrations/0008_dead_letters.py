"""What was accepted and could not be stored."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0007_experiments")]

    operations: list[migrations.operations.base.Operation] = []
