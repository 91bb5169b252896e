from django.db import migrations, models


class Migration(migrations.Migration):
    """In which day a message was counted against its person's cap, so that it can be given back."""

    dependencies = [("campaigns", "0010_parts_of_a_batch")]

    operations = [
        migrations.AddField(
            model_name="recipient",
            name="counted_on",
            field=models.DateField(blank=True, null=True),
        )
    ]
