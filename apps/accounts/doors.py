"""The door of every page: who may come in, on whose clock, and how a refusal reads.

Views of every app stand behind `page`; those with charts behind `chart_page` as well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Membership, Workspace
from apps.accounts.permissions import require

View = Callable[..., HttpResponse]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

# Plotly writes style attributes while it draws; pages without charts keep the strict policy.
chart_page = csp_update({"style-src": [SELF, UNSAFE_INLINE]})


def page(action: str) -> Callable[[View], View]:
    """Let in whoever is signed in, has a workspace and may do the action; run the view on its clock.

    Sets request.workspace. A DomainError becomes a message and the way back (from a form) or an error page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if request.actor is None:
                return render(request, "accounts/no_workspace.html", status=403)
            require(request.actor, action)
            if any("\x00" in value for _, values in request.GET.lists() for value in values):
                raise BadRequest("PostgreSQL's texts hold no NUL character.")
            request.workspace = Workspace.objects.get(pk=request.actor.workspace_id)
            with timezone.override(request.workspace.zone):
                return _answer(view, request, *args, **kwargs)

        return guarded

    return decorate


def customer_page(view: View) -> View:
    """Let in a customer, and nobody else: each sees the one person that they are."""

    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_customer(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return page("profile:read")(guarded)


def is_customer(request: Any) -> bool:
    return request.actor.role == Membership.Role.CUSTOMER


@contextmanager
def refusals_in(form: BaseForm) -> Iterator[None]:
    """Show what a verb refuses at the fields that it names, and the rest above the form."""
    try:
        yield
    except NotHere:
        raise
    except DomainError as error:
        for name, texts in error.errors.items():
            form.add_error(name if name in form.fields else None, texts)
        if not error.errors:
            form.add_error(None, error.detail)


def _answer(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    try:
        return view(request, *args, **kwargs)
    except NotHere as missing:
        raise Http404 from missing
    except DomainError as error:
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise  # its words are for the log
        if request.method in SAFE_METHODS:
            return render(
                request, "error.html", {"status": error.status, "detail": error.detail}, status=error.status
            )
        messages.error(request, error.detail)
        return back(request)


def back(request: Any, *, fallback: str = "/") -> HttpResponse:
    """To the page that the form was on; where htmx asked, the whole page changes and not a part of it."""
    target = request.POST.get("next") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        target = fallback
    return HttpResponseClientRedirect(target) if request.htmx else redirect(target)
