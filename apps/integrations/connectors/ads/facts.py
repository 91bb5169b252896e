"""What the page of a connection says of an ad account besides its campaigns."""

from collections.abc import Iterable
from datetime import datetime

from apps.accounts import figures
from apps.integrations.connectors.ads import platforms
from apps.integrations.models import AdCreative, AdGroup, Connection


def of(connection: Connection, *, now: datetime) -> list[tuple[str, str]]:
    """Pairs of a label and what stands beside it."""
    platform = platforms.kind_of(connection.service)
    if not platform.dimensions:
        return [("Ads and segments", "not read; figures are those of campaigns")]
    groups = AdGroup.objects.filter(campaign__connection=connection).count()
    ads = AdCreative.objects.filter(campaign__connection=connection).count()
    return [
        ("Ads", f"{figures.count(ads, 'ad')} in {figures.count(groups, 'group')}"),
        ("Figures told apart by", _listed(platform.dimensions)),
        ("Left out from here", f"{_listed(platform.excludes)}; the rest at {connection.label}"),
    ]


def _listed(dimensions: Iterable[str]) -> str:
    return ", ".join(sorted(dimensions))
