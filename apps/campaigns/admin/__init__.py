"""The back office of this floor, by what a member of staff looks for."""

from apps.campaigns.admin import audiences, campaigns, delivery, devices, journeys, optimisation

__all__ = ["audiences", "campaigns", "delivery", "devices", "journeys", "optimisation"]
