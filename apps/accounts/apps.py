from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.backends.signals import connection_created
from django.utils.module_loading import autodiscover_modules

from apps.accounts import checks
from apps.accounts.scoping import carry_workspace


def _carry(connection, **_):  # type: ignore[no-untyped-def]
    if carry_workspace not in connection.execute_wrappers:
        connection.execute_wrappers.append(carry_workspace)


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        # Django's own signal about a connection, not about a model: the one place where every connection
        # passes.
        connection_created.connect(_carry, dispatch_uid="carry_workspace")
        register(checks.sealing_keys, Tags.security, deploy=True)
        autodiscover_modules("subscribers")
        autodiscover_modules("holdings")
        autodiscover_modules("workspace_settings")
