"""Exposures that contradict the lot, versions held back, and what there was for a lift test to measure."""

from django.db import migrations, models

# A test of less than a thousandth of a channel's effect breaks every page that multiplies by it. What is there
# already is kept to be read, and counts no more.
RETIRE_SLIVERS = """
    UPDATE attribution_lifttest
    SET retired_at = coalesce(retired_at, now()), covered_share = 0.001,
        notes = notes || ' Retired: it covered a share of ' || covered_share || ' of the channel.'
    WHERE covered_share < 0.001
"""


class Migration(migrations.Migration):
    dependencies = [
        ("attribution", "0011_night_checks"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="lifttest", name="lift_test_covers_a_share"),
        migrations.AddField(
            model_name="conversionmodel",
            name="is_held_back",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="exposure",
            name="is_off_lot",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="lifttest",
            name="there_were",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.RunSQL(RETIRE_SLIVERS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="lifttest",
            constraint=models.CheckConstraint(
                condition=models.Q(("covered_share__gte", 0.001), ("covered_share__lte", 1)),
                name="lift_test_covers_a_share",
            ),
        ),
    ]
