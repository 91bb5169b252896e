"""What mail programs knock at: no session, no person, proof in the address itself."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.accounts.errors import NotHere
from apps.integrations import mail_news


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
