from django.conf import settings
from django.db import migrations

FORGET = """
CREATE FUNCTION integrations_forget_call_trails(streams text[], before timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT stream FROM public.integrations_trailentry
        WHERE workspace_id = (SELECT nullif(current_setting('app.ws', true), '')::bigint)
          AND stream = ANY(streams) AND stream LIKE 'call:%'
        GROUP BY stream HAVING max(at) < least(before, now() - interval '30 days')
    ), gone AS (
        DELETE FROM public.integrations_trailentry AS t USING old
        WHERE t.workspace_id = (SELECT nullif(current_setting('app.ws', true), '')::bigint)
          AND t.stream = old.stream
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$
"""
NAME = "FUNCTION integrations_forget_call_trails(text[], timestamptz)"


def install(apps, schema_editor):
    role = schema_editor.quote_name(settings.DATABASES["default"]["USER"])
    for statement in (FORGET, f"REVOKE ALL ON {NAME} FROM PUBLIC", f"GRANT EXECUTE ON {NAME} TO {role}"):
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    schema_editor.execute(f"DROP {NAME}")


class Migration(migrations.Migration):
    """Old trails of calls go as a whole, which the application's role may ask for and not do."""

    dependencies = [("integrations", "0007_touches_that_were_told")]

    operations = [migrations.RunPython(install, remove)]
