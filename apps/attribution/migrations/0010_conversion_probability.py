"""Models of the probability to convert."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0009_rule_versions")]

    operations: list[migrations.operations.base.Operation] = []
