from django.db import migrations

# A row of somebody held out that says which hour they drew is from before 0007, and so are all of its
# campaign. Those who waited for a winner cannot be told any more, so every campaign with such a test goes.
FORGET = """
    UPDATE campaigns_recipient AS r SET is_timed = NULL
    FROM campaigns_campaign AS c
    WHERE c.workspace_id = r.workspace_id AND c.id = r.campaign_id AND r.is_timed IS NOT NULL
      AND c.is_time_optimised AND (c.test_share < 1 AND c.experiment_id IS NOT NULL OR EXISTS (
          SELECT FROM campaigns_recipient AS h
          WHERE h.workspace_id = c.workspace_id AND h.campaign_id = c.id
            AND h.state = 'held_out' AND h.is_timed IS NOT NULL))
"""


class Migration(migrations.Migration):
    """Campaigns that left before it was written down who drew an hour make no comparison of hours."""

    dependencies = [("campaigns", "0008_new_customers_by_day")]

    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
