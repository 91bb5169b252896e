from django.db import models


class RoiDay(models.Model):
    """A day of a workspace: what marketing cost and what came in. A view of the current workspace's rows of
    marketing_roi_summary, as of the last refresh (bi/refreshing.py).

    campaigns: launched that day. clicks: people who clicked a message, by hour of the click.
    """

    id = models.BigIntegerField(primary_key=True)
    workspace_id = models.BigIntegerField()
    day = models.DateField()
    revenue = models.DecimalField(max_digits=20, decimal_places=4)
    conversions = models.BigIntegerField()
    spend = models.DecimalField(max_digits=20, decimal_places=4)
    campaigns = models.BigIntegerField()
    clicks = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "campaigns_roi_day"

    def __str__(self) -> str:
        return str(self.day)


class CustomerValue(models.Model):
    """What customers of a first channel have been worth so far; refreshed with RoiDay.

    customers: people with a conversion that counts. revenue, squares: sums over customers of what each is
    worth, and of its square. recent: those whose first conversion is within the last 30 days.
    """

    id = models.BigIntegerField(primary_key=True)
    workspace_id = models.BigIntegerField()
    channel = models.CharField(max_length=60)
    customers = models.BigIntegerField()
    recent = models.BigIntegerField()
    revenue = models.DecimalField(max_digits=20, decimal_places=4)
    squares = models.FloatField()

    class Meta:
        managed = False
        db_table = "campaigns_customer_value"

    def __str__(self) -> str:
        return self.channel
