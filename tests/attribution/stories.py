"""Small histories for the tests of attribution."""

from datetime import timedelta
from decimal import Decimal

from apps.accounts.models import Person, Workspace
from tests.factories import NOW, ConversionFactory, PersonFactory, TouchpointFactory


def journey(
    workspace: Workspace,
    *path: str,
    value: str | None = None,
    person: Person | None = None,
    end_days=0,
    **order,
) -> Person:
    """Touches a day apart, the last one an hour before the end; with a value, a conversion at the end."""
    person = person or PersonFactory(workspace=workspace)
    for back, channel in enumerate(reversed(path)):
        age = end_days + back + 1 / 24
        TouchpointFactory(workspace=workspace, person=person, channel=channel, age_days=age)
    if value is not None:
        at = NOW - timedelta(days=end_days)
        ConversionFactory(workspace=workspace, person=person, value=Decimal(value), occurred_at=at, **order)
    return person
