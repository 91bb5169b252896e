"""The staff's screens: inside one workspace, read-only where history must not change, by verbs where it may.

Staff without a place in a workspace enter one, with a reason that its audit keeps (staff.py).
"""

from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any, ClassVar
from uuid import UUID

from allauth.account.decorators import secure_admin_login
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.decorators.http import require_POST

from apps.accounts import members, staff
from apps.accounts.errors import DomainError
from apps.accounts.models import Workspace
from apps.accounts.permissions import may

# Second factors would show their secrets; groups are not how rights are given here; of waffle only flags
# are used.
HIDDEN = {"mfa.Authenticator", "auth.Group", "waffle.Sample", "waffle.Switch"}
ROWS_COUNTED = 1_000
LARGEST_ID = 2**63 - 1


class BackOffice(admin.AdminSite):
    site_header = site_title = "Bellwether back office"
    index_title = "This workspace"

    def register(self, model_or_iterable: Any, *args: Any, **options: Any) -> None:
        given: list[Any] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        )
        shown = [model for model in given if model._meta.label not in HIDDEN]
        super().register(shown, *args, **options)

    def login(self, request: Any, extra_context: Any = None) -> Any:
        """The product's own sign-in, which has the second factor and the limits; the admin's has neither."""
        return secure_admin_login(super().login)(request, extra_context=extra_context)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """A page inside a workspace, or the choice of one. What a verb refuses is said above the page."""
        inside = super().admin_view(view, cacheable)

        def placed(request: Any, *args: Any, **kwargs: Any) -> Any:
            if self.has_permission(request) and request.actor is None:
                return redirect("admin:workspaces")
            try:
                return inside(request, *args, **kwargs)
            except DomainError as refusal:
                return _back(request, refusal)

        return update_wrapper(placed, view)

    def each_context(self, request: Any) -> dict[str, Any]:
        place = Workspace.objects.filter(pk=request.workspace_id).first() if request.workspace_id else None
        return {**super().each_context(request), "workspace": place}

    def get_urls(self) -> list[Any]:
        return [
            path("workspaces/", self._outside(self.workspaces), name="workspaces"),
            path("workspaces/leave/", self._outside(require_POST(self.leave)), name="workspace-leave"),
            path(
                "workspaces/<int:workspace_id>/enter/",
                self._outside(require_POST(self.enter)),
                name="workspace-enter",
            ),
            *super().get_urls(),
        ]

    def workspaces(self, request: Any) -> HttpResponse:
        context = {
            "site_header": self.site_header,
            "site_title": self.site_title,
            "has_permission": True,
            "title": "Workspaces",
            "workspaces": members.workspaces_for_staff(),
            "current_id": request.workspace_id,
            "is_inside": staff.SESSION_KEY in request.session,
        }
        return TemplateResponse(request, "admin/workspaces.html", context)

    def enter(self, request: Any, workspace_id: int) -> HttpResponse:
        reason = request.POST.get("reason", "")
        try:
            staff.enter(
                request.user, request.session, workspace_id=workspace_id, reason=reason, now=timezone.now()
            )
        except DomainError as refusal:
            return _back(request, refusal)
        return redirect("admin:index")

    def leave(self, request: Any) -> HttpResponse:
        staff.leave(request.session)
        return redirect("admin:workspaces")

    def _outside(self, view: Callable[..., Any]) -> Any:
        return super().admin_view(view)


def _back(request: Any, refusal: DomainError) -> HttpResponse:
    messages.error(
        request, " ".join([refusal.detail, *(one for many in refusal.errors.values() for one in many)])
    )
    return redirect(
        request.path if request.method == "POST" and "enter" not in request.path else "admin:workspaces"
    )


class WorkspaceAdmin(admin.ModelAdmin):
    """Rows of the current workspace, to look at; a subclass names what it lets change.

    reads, changes, acts: what `may` is asked for seeing, for changing and for the actions.
    search_exact: columns that are searched by equality, which their indexes answer.
    """

    reads: ClassVar[str]
    changes: ClassVar[str] = ""
    acts: ClassVar[str] = ""
    search_exact: ClassVar[tuple[str, ...]] = ()
    ordering = ("-pk",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return self.model._default_manager.all().order_by(*self.ordering)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.search_exact

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(_equal_to(self.model, self.search_exact, search_term.strip())), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [column.name for column in _visible(self.model)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in self.get_fields(request, obj) if name not in self.changeable()]

    def changeable(self) -> tuple[str, ...]:
        return ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may(request, self.reads)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.changes) and _may(request, self.changes)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(self.acts) and _may(request, self.acts)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Uncounted(Paginator):
    """Pages of the newest rows only: counting all of a large table takes longer than anybody looks at it."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:ROWS_COUNTED].count()


class LargeTableAdmin(WorkspaceAdmin):
    """The newest rows of a table with millions, and whatever is searched for by its exact id."""

    show_full_result_count = False
    paginator = Uncounted
    list_max_show_all = 0

    search_help_text = f"The newest {ROWS_COUNTED:,} are listed. Any other is found by its exact id."


def _may(request: Any, action: str) -> bool:
    return may(request.actor, action)


def _visible(model: type[models.Model]) -> "Iterable[models.Field[Any, Any]]":
    """Every column but the sealed and digested ones."""
    return [one for one in model._meta.concrete_fields if not isinstance(one, models.BinaryField)]


def _equal_to(model: type[models.Model], names: tuple[str, ...], term: str) -> models.Q:
    found = models.Q(pk__in=[])
    for name in names:
        value = _as_value(
            model._meta.get_field(name.removesuffix("_id") if _is_key(model, name) else name), term
        )
        if value is not None:
            found |= models.Q(**{name: value})
    return found


def _is_key(model: type[models.Model], name: str) -> bool:
    return any(one.attname == name and one.is_relation for one in model._meta.concrete_fields)


def _as_value(column: Any, term: str) -> Any:
    """The term as the column's kind of value; None where it can be none."""
    if isinstance(column, models.UUIDField):
        try:
            return UUID(term)
        except ValueError:
            return None
    if isinstance(column, models.ForeignKey | models.IntegerField):
        return int(term) if term.isascii() and term.isdigit() and int(term) <= LARGEST_ID else None
    return term
