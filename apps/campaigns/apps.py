from importlib import import_module

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Say to the outbox how changes are made, to jobs how runs are, and to rules what is measured."""
        for room in ("gauges", "optimization.runs", "optimization.sending"):
            import_module(f"apps.campaigns.{room}")
