from importlib import import_module

from django.apps import AppConfig


class RoofConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        """Let every process that runs Django send its tasks to our broker, not to Celery's default app."""
        import_module("config.celery")
