"""Journeys as last counted, by person and day."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0002_no_index_on_workspace_alone")]

    operations: list[migrations.operations.base.Operation] = []
