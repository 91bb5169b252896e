from importlib import import_module

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Say to the outbox how changes are made, and to the first page what waits."""
        import_module("apps.campaigns.optimization.sending")
        import_module("apps.campaigns.headline")
