"""The doors that services and mail programs knock at: no session, no person, proof in the request itself."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.errors import NotHere
from apps.integrations import inbound, mail_news
from apps.integrations.signatures import Forged

LARGEST = 1024**2
# What Mailgun takes as "never again", and other services as a plain refusal.
NEVER_AGAIN = 406


@csrf_exempt
@require_POST
@never_cache
def receive(request: HttpRequest, service: str, connection_id: UUID) -> HttpResponse:
    """Store what a service tells. 200 once it is stored, 404 where nobody listens, 406 for what is forged."""
    if int(request.headers.get("Content-Length") or 0) > LARGEST:
        return HttpResponse(status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        inbound.receive(service, connection_id, headers, request.body, now=timezone.now())
    except Forged as error:
        return JsonResponse({"detail": str(error)}, status=NEVER_AGAIN)
    except inbound.NobodyThere as error:
        return JsonResponse({"detail": error.detail}, status=error.status)
    return JsonResponse({"stored": True})


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """A mail program posts and is done (RFC 8058); a person who follows the link is shown the button."""
    if request.method != "POST":
        return render(request, "integrations/unsubscribe.html", {"is_done": False})
    try:
        mail_news.unsubscribe(token, now=timezone.now())
    except NotHere as error:
        return render(request, "error.html", {"status": 404, "detail": error.detail}, status=404)
    return render(request, "integrations/unsubscribe.html", {"is_done": True})
