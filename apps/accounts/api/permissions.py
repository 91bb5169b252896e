from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.permissions import lacking, may

if TYPE_CHECKING:  # REST framework's views read the setting that names this module
    from rest_framework.views import APIView


class ScopePermission(BasePermission):
    """Ask `may(actor, view.action_needed)`.

    The view names it, per method if they differ: {"GET": …, "POST": …}.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        needed = view.action_needed
        if isinstance(needed, dict):
            needed = needed.get("GET" if request.method in {"HEAD", "OPTIONS"} else request.method)
        if needed is None or may(request._request.actor, needed):
            return True
        self.message = lacking(request._request.actor, needed)
        return False
