from importlib import import_module

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Say to the outbox how changes are made, to jobs how runs are and how files are read, to rules what
        is measured, and to the first page what waits; to consent, what is confirmed by e-mail first.
        """
        for room in (
            "audiences.list_files",
            "content.ai",
            "gauges",
            "headline",
            "journeys.hearing",
            "message_news",
            "offline",
            "optimization.runs",
            "optimization.sending",
            "splitting",
            "subscriptions.topics",
            "switches",
        ):
            import_module(f"apps.campaigns.{room}")
