"""Where services reach us: /hooks/<service>/<connection>/. Mounted by config/urls.py."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.accounts.errors import DomainError, NotHere, headers_of, json_error
from apps.integrations import hook_limits, inbound

# Of the headers, those that say something about what was sent; cookies and addresses are not kept.
KEPT = ("content-type", "user-agent")
SIGNED = ("x-", "webhook-", "svix-")


@csrf_exempt  # the signature over the body says who sent it; no cookie is looked at
@never_cache
@require_POST
def hook(request: HttpRequest, service: str, public_id: UUID) -> HttpResponse:
    try:
        body, content_type = _taken(request, service, public_id)
    except DomainError as error:
        answer = json_error(status=error.status, detail=error.detail, code=error.code)
        for name, text in headers_of(error).items():
            answer.headers[name] = text
        return answer
    return HttpResponse(body, content_type=content_type)


def _taken(request: HttpRequest, service: str, public_id: UUID) -> tuple[str, str]:
    """The body is read once the address is let in, and stored once it is verified and within the limit."""
    address = request.META.get("REMOTE_ADDR") or ""
    hook_limits.admit(address, str(public_id))
    try:
        inbound.check_size(int(request.META.get("CONTENT_LENGTH") or 0))
        delivery = inbound.Delivery(
            url=f"{settings.SITE_URL}{request.get_full_path()}", body=request.body, headers=_headers(request)
        )
        return inbound.take(service, public_id, delivery, now=timezone.now(), address=address)
    except (inbound.Forged, inbound.TooLarge, NotHere):
        hook_limits.refuse(address)
        raise


def _headers(request: HttpRequest) -> dict[str, str]:
    told = {name.lower(): text for name, text in request.headers.items()}
    return {name: text for name, text in told.items() if name in KEPT or name.startswith(SIGNED)}


app_name = "hooks"
urlpatterns = [path("<slug:service>/<uuid:public_id>/", hook, name="hook")]
