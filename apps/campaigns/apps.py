from importlib import import_module

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Say to the outbox how changes are made, to jobs how runs are, to rules what is measured, to the
        first page what waits, and to the event hub what journeys listen to.
        """
        for room in ("gauges", "headline", "journeys.hearing", "optimization.runs", "optimization.sending"):
            import_module(f"apps.campaigns.{room}")
