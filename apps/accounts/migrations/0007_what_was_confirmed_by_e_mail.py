from django.db import migrations, models

# As confirmations were marked until now: by how their source ends, and the sentence under their words.
MOVE = """
    UPDATE accounts_consentrecord
    SET is_confirmed = true, source = left(source, -length(', confirmed'))
    WHERE is_granted AND NOT is_confirmed
        AND source LIKE '%_, confirmed' AND wording LIKE '%UTC, confirmed by e-mail.'
"""
BACK = """
    UPDATE accounts_consentrecord SET source = left(source, 120 - length(', confirmed')) || ', confirmed'
    WHERE is_confirmed
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_confirmed_consent")]

    operations = [
        migrations.RunSQL(sql=MOVE, reverse_sql=BACK),
        migrations.AddConstraint(
            model_name="consentrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(is_confirmed=False) | models.Q(is_granted=True),
                name="only_a_yes_is_confirmed",
            ),
        ),
    ]
