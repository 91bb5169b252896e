from importlib import import_module

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Say to the outbox how changes are made, to jobs how runs are, to rules what is measured, to
        experiments what clicks are, and to the first page what waits.
        """
        for room in (
            "gauges",
            "headline",
            "optimization.runs",
            "optimization.sending",
            "splitting",
            "switches",
        ):
            import_module(f"apps.campaigns.{room}")
