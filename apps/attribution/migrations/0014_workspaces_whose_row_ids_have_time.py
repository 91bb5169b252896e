from django.db import migrations

MADE_UP = "^at-[0-9]{14}-[0-9a-f]{24}-[0-9]+$"
# Of the older ones only rows tell, and a workspace without any goes on in the older way: no file is taken twice.
MARK = f"""
    UPDATE accounts_workspace AS w SET row_ids_have_time = true
    WHERE NOT w.settings ? 'row_ids_without_time' AND NOT w.row_ids_have_time AND (
        EXISTS (SELECT FROM attribution_touchpoint AS t
                WHERE t.workspace_id = w.id AND t.event_id ~ '{MADE_UP}')
        OR EXISTS (SELECT FROM attribution_conversionrecord AS c
                   WHERE c.workspace_id = w.id AND c.event_id ~ '{MADE_UP}'))
"""  # noqa: S608 - a pattern of ours


class Migration(migrations.Migration):
    """Workspaces that no version from before 0013 can have opened."""

    dependencies = [
        ("accounts", "0008_row_ids_have_time"),
        ("attribution", "0013_older_workspaces_keep_their_row_ids"),
    ]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
