"""Two materialised views over all workspaces, and a view on each that shows the current workspace alone.

Row-level security knows no materialised views: the application may read the narrow views only, and refresh by
one function, which is the owner's.
"""

from django.conf import settings
from django.db import migrations

ROI = """
CREATE MATERIALIZED VIEW marketing_roi_summary AS
WITH orders AS (
    SELECT c.workspace_id, (c.occurred_at AT TIME ZONE w.time_zone)::date AS day,
           count(*) AS conversions, sum(c.value) AS revenue
    FROM attribution_conversion c JOIN accounts_workspace w ON w.id = c.workspace_id
    WHERE c.is_counted GROUP BY 1, 2
), spent AS (
    SELECT workspace_id, day, sum(amount) AS spend FROM attribution_spend GROUP BY 1, 2
), launched AS (
    SELECT c.workspace_id, (c.launched_at AT TIME ZONE w.time_zone)::date AS day, count(*) AS campaigns
    FROM campaigns_campaign c JOIN accounts_workspace w ON w.id = c.workspace_id
    WHERE c.launched_at IS NOT NULL GROUP BY 1, 2
), clicked AS (
    SELECT e.workspace_id, (e.hour AT TIME ZONE w.time_zone)::date AS day, sum(e.people) AS clicks
    FROM campaigns_engagementcount e JOIN accounts_workspace w ON w.id = e.workspace_id
    WHERE e.kind = 'clicked' GROUP BY 1, 2
), days AS (
    SELECT workspace_id, day FROM orders UNION SELECT workspace_id, day FROM spent
    UNION SELECT workspace_id, day FROM launched UNION SELECT workspace_id, day FROM clicked
)
SELECT row_number() OVER (ORDER BY workspace_id, day) AS id, workspace_id, day,
       coalesce(revenue, 0)::numeric(20, 4) AS revenue, coalesce(conversions, 0)::bigint AS conversions,
       coalesce(spend, 0)::numeric(20, 4) AS spend, coalesce(campaigns, 0)::bigint AS campaigns,
       coalesce(clicks, 0)::bigint AS clicks
FROM days LEFT JOIN orders USING (workspace_id, day) LEFT JOIN spent USING (workspace_id, day)
LEFT JOIN launched USING (workspace_id, day) LEFT JOIN clicked USING (workspace_id, day)
"""
VALUE = """
CREATE MATERIALIZED VIEW marketing_customer_value AS
WITH customers AS (
    SELECT workspace_id, person_id, sum(value) AS worth, min(occurred_at) AS since
    FROM attribution_conversion WHERE is_counted GROUP BY 1, 2
), led AS (
    SELECT c.workspace_id, c.worth, c.since, coalesce(first.channel, '') AS channel
    FROM customers c LEFT JOIN LATERAL (
        SELECT h.key AS channel FROM attribution_touchpoint t
        JOIN attribution_source s ON s.workspace_id = t.workspace_id AND s.id = t.source_id
        JOIN attribution_channel h ON h.workspace_id = s.workspace_id AND h.id = s.channel_id
        WHERE t.workspace_id = c.workspace_id AND t.person_id = c.person_id AND t.occurred_at <= c.since
        ORDER BY t.occurred_at, t.id LIMIT 1) AS first ON true
)
SELECT row_number() OVER (ORDER BY workspace_id, channel) AS id, workspace_id, channel,
       count(*)::bigint AS customers,
       count(*) FILTER (WHERE since > now() - interval '30 days')::bigint AS recent,
       sum(worth)::numeric(20, 4) AS revenue, sum(worth::float8 * worth::float8) AS squares
FROM led GROUP BY workspace_id, channel
"""
REFRESH = """
CREATE FUNCTION campaigns_refresh_wide_figures() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(7721, 1) THEN RETURN false; END IF;
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.marketing_roi_summary;
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.marketing_customer_value;
    RETURN true;
END $$
"""
VIEWS = {"campaigns_roi_day": "marketing_roi_summary", "campaigns_customer_value": "marketing_customer_value"}


def install(apps, schema_editor):
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    run = schema_editor.execute
    run(ROI)
    run("CREATE UNIQUE INDEX marketing_roi_summary_day ON marketing_roi_summary (workspace_id, day)")
    run(VALUE)
    run("CREATE UNIQUE INDEX marketing_customer_value_of ON marketing_customer_value (workspace_id, channel)")
    for name, wide in VIEWS.items():
        run(
            f"CREATE VIEW {name} WITH (security_barrier = true) AS SELECT * FROM {wide} "
            "WHERE workspace_id = (SELECT nullif(current_setting('app.ws', true), '')::bigint)"
        )
        run(f"GRANT SELECT ON {name} TO {role}")
    run(REFRESH)
    run("REVOKE ALL ON FUNCTION campaigns_refresh_wide_figures() FROM PUBLIC")
    run(f"GRANT EXECUTE ON FUNCTION campaigns_refresh_wide_figures() TO {role}")


def remove(apps, schema_editor):
    schema_editor.execute("DROP FUNCTION campaigns_refresh_wide_figures()")
    for name, wide in VIEWS.items():
        schema_editor.execute(f"DROP VIEW {name}")
        schema_editor.execute(f"DROP MATERIALIZED VIEW {wide}")


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_campaigns")]

    operations = [
        migrations.RunPython(install, remove),
    ]
