from importlib import import_module

from django.conf import settings
from django.db import migrations

BEFORE = import_module("apps.campaigns.migrations.0003_wide_figures").VALUE
# As spend is counted: the workspace's days, today among them, and not so many times 24 hours.
AFTER = (
    BEFORE.replace(
        "SELECT c.workspace_id, c.worth, c.since,",
        "SELECT c.workspace_id, c.worth, (c.since AT TIME ZONE w.time_zone)::date AS since_day, "
        "(now() AT TIME ZONE w.time_zone)::date AS today,",
    )
    .replace(
        "FROM customers c LEFT JOIN",
        "FROM customers c JOIN accounts_workspace w ON w.id = c.workspace_id LEFT JOIN",
    )
    .replace("since > now() - interval '30 days'", "since_day > today - 30")
)


def _replace(schema_editor, query):
    role, run = schema_editor.quote_name(settings.DATABASES["default"]["USER"]), schema_editor.execute
    run("DROP VIEW campaigns_customer_value")
    run("DROP MATERIALIZED VIEW marketing_customer_value")
    run(query)
    run("CREATE UNIQUE INDEX marketing_customer_value_of ON marketing_customer_value (workspace_id, channel)")
    run(
        "CREATE VIEW campaigns_customer_value WITH (security_barrier = true) AS "
        "SELECT * FROM marketing_customer_value "
        "WHERE workspace_id = (SELECT nullif(current_setting('app.ws', true), '')::bigint)"
    )
    run(f"GRANT SELECT ON campaigns_customer_value TO {role}")


def forward(apps, schema_editor):
    _replace(schema_editor, AFTER)


def back(apps, schema_editor):
    _replace(schema_editor, BEFORE)


class Migration(migrations.Migration):
    """New customers of the last 30 days are those of the days whose spend they are set against."""

    dependencies = [("campaigns", "0007_who_drew_an_hour")]

    operations = [migrations.RunPython(forward, back)]
