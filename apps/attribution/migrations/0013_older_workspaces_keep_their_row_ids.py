from django.db import migrations

# Which kind of made-up event ids a workspace uses is written down once: nothing that it stores later, and no
# id that a customer chose, tells otherwise.
MARK = """
    UPDATE accounts_workspace SET settings = settings || '{"row_ids_without_time": true}'
    WHERE NOT settings ? 'row_ids_without_time'
"""
UNMARK = "UPDATE accounts_workspace SET settings = settings - 'row_ids_without_time'"


class Migration(migrations.Migration):
    """Workspaces that are there before this may hold rows, and letters, by ids of the first kind."""

    dependencies = [("attribution", "0012_phases_and_doubts")]

    operations = [migrations.RunSQL(MARK, UNMARK)]
