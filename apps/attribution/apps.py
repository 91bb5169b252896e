from importlib import import_module

from django.apps import AppConfig


class AttributionConfig(AppConfig):
    name = "apps.attribution"
    label = "attribution"

    def ready(self) -> None:
        import_module("apps.attribution.headline")
