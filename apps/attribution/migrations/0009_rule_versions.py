"""Channel rules as they stood, version by version."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attribution", "0008_dead_letters")]

    operations: list[migrations.operations.base.Operation] = []
