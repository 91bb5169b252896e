from importlib import import_module
from pkgutil import walk_packages

from django.apps import AppConfig

# What uses connectors and says so to the outbox, the hub and the doors at its import.
SPEAKERS = (
    "apps.integrations.mail_news",
    "apps.integrations.mail_route",
    "apps.integrations.social_publishing",
    "apps.integrations.sync.nudged",
    "apps.integrations.sync.push",
    "apps.integrations.sync.watch",
    "apps.integrations.webhooks",
)


class IntegrationsConfig(AppConfig):
    name = "apps.integrations"
    label = "integrations"

    def ready(self) -> None:
        """Every module under connectors/ registers the service that it speaks to."""
        rooms = import_module("apps.integrations.connectors")
        for module in walk_packages(rooms.__path__, f"{rooms.__name__}."):
            import_module(module.name)
        for module_name in SPEAKERS:
            import_module(module_name)
