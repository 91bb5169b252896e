"""In which currencies an account at a service is charged."""

from apps.integrations import services, social_spend
from apps.integrations.connectors.social import networks
from apps.integrations.models import AdCampaign, AdDay, Connection
from apps.integrations.services import Family


def charged_in(connection: Connection) -> list[str]:
    """Of an ad account those of its budgets and days, of a network the one of its prices; else none."""
    if services.known(connection.service).family == Family.ADS:
        budgets = AdCampaign.objects.filter(connection=connection)
        days = AdDay.objects.filter(campaign__connection=connection)
        found = {*budgets.values_list("currency", flat=True).distinct()}
        return sorted((found | {*days.values_list("currency", flat=True).distinct()}) - {""})
    prices = social_spend.prices_of(connection) if connection.service in networks.KEYS else None
    return [] if prices is None else [prices.currency]
