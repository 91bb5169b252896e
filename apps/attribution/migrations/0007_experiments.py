"""Experiments: who was assigned what, saw what, and what came of it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0006_accuracy")]

    operations: list[migrations.operations.base.Operation] = []
