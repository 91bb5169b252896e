from django.db import models


class EverywhereSuppression(models.Model):
    """An address that nobody writes to from this house, whichever workspace: the operator's own list.

    It belongs to no workspace and holds a keyed hash alone (subscriptions/everywhere.py).
    """

    class Reason(models.TextChoices):
        COMPLAINTS = "complaints", "complained of several senders"
        REPORTED = "reported", "asked us, or was reported to us"

    address_index = models.BinaryField(max_length=16, unique=True)
    reason = models.CharField(max_length=10, choices=Reason.choices)
    told_by = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reason} since {self.since:%Y-%m-%d}"


class EverywhereComplaint(models.Model):
    """That a workspace's own account at a provider told of a complaint: said, until the operator has looked.

    place: a keyed hash of which workspace, so that not even the operator reads where. told_by: the provider.
    """

    address_index = models.BinaryField(max_length=16)
    place = models.BinaryField(max_length=16)
    told_by = models.CharField(max_length=40, blank=True, db_default="")
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address_index", "place"], name="everywhere_complaint_once_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"complaint {self.pk}"
