from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts import people
from apps.accounts.doors import customer_page
from apps.accounts.models import Person


@require_safe
@customer_page
def customer(request: HttpRequest) -> HttpResponse:
    person = Person.objects.get(pk=people.root_of(request.actor.person_id))
    context = {
        "personal": people.reveal(request.actor, person, now=timezone.now(), reason="their own profile"),
        "has_second_factor": is_mfa_enabled(request.user),
    }
    return render(request, "customer/profile.html", context)
