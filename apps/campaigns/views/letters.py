"""What recipients follow: links, the picture of an opened message, the way out, and what they want."""

from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts import scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Person
from apps.campaigns import message_tokens
from apps.campaigns.engagement import following
from apps.campaigns.message_tokens import Named
from apps.campaigns.subscriptions import flood, unsubscribing, wishes
from apps.campaigns.subscriptions import preferences as verbs
from apps.campaigns.subscriptions.unsubscribing import Letter
from apps.campaigns.subscriptions.wishes import Wish
from apps.campaigns.views.recipients import address_of, letter_page, shown

ONE_CLICK = "List-Unsubscribe"
PAUSE = "pause"
INCOMPLETE = "Nothing was changed: the form arrived without its fields."
# One transparent pixel.
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)


@letter_page
def click(request: HttpRequest, token: str, number: int) -> HttpResponse:
    flood.admit("links", _named(request, token, message_tokens.read))
    signs = following.signs_of(str(request.method), request.headers)
    return HttpResponseRedirect(following.follow(token, number, signs, now=timezone.now()))


@require_safe
@never_cache
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """The picture, whatever the token: a broken one helps nobody. Of too many at once none is counted."""
    response = HttpResponse(PIXEL, content_type="image/gif")
    signs = following.signs_of(str(request.method), request.headers)
    try:
        if flood.is_admitted("pictures", message_tokens.read(token)):
            following.opened(token, signs, now=timezone.now())
    except NotHere:
        response.status_code = 404
    return response


@letter_page
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """A mail program posts and is done (RFC 8058); a person who follows the link is shown the button."""
    named, now = _named(request, token, message_tokens.read_way_out), timezone.now()
    flood.admit("left" if request.method == "POST" else "looked_at", named)
    with scoping.workspace(named.workspace_id):
        letter = unsubscribing.letter(named)
        is_all = letter.topic is None or letter.is_kept or request.POST.get("scope") == "everything"
        if request.method == "POST":
            source = "one-click unsubscribe" if ONE_CLICK in request.POST else "unsubscribe page"
            leave = unsubscribing.from_everything if is_all else unsubscribing.from_topic
            leave(letter, source=source, now=now)
        context = {
            "is_done": request.method == "POST",
            "is_all": is_all,
            "topic": letter.topic,
            "token": token,
        }
        return shown(request, "unsubscribe.html", context)


@letter_page
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Which topics, how often, and nothing at all. Changes nothing unless it is posted."""
    named, now = _named(request, token, message_tokens.read_way_out), timezone.now()
    flood.admit("chosen" if request.method == "POST" else "looked_at", named)
    with scoping.workspace(named.workspace_id):
        letter = unsubscribing.letter(named)
        if letter.person is None:
            return shown(request, "gone.html", {})
        changed = _changed(request, letter, letter.person, now) if request.method == "POST" else None
        context = {
            "preferences": verbs.of(letter.person, now=now),
            "changed": changed,
            "is_all_left": request.method == "POST" and "everything" in request.POST,
            "frequencies": wishes.Frequency.choices,
            "pause_days": wishes.PAUSE.days,
        }
        return shown(request, "preferences.html", context)


def _named(request: HttpRequest, token: str, read: Callable[[str], Named]) -> Named:
    """Whose message it is; where a request comes from counts for tokens alone that are none of ours."""
    try:
        return read(token)
    except NotHere:
        flood.admit_made_up(address_of(request))
        raise


def _changed(request: HttpRequest, letter: Letter, person: Person, now: datetime) -> verbs.Changed | None:
    """Nothing for a form that came without its fields: not to say what one wants is not to leave."""
    if "everything" in request.POST:
        unsubscribing.from_everything(letter, source="preference centre", now=now)
        return None
    asked, frequency = set(request.POST.getlist("asked")), request.POST.get("frequency", "")
    if not asked or frequency not in {"", PAUSE, *wishes.Frequency.values}:
        raise Invalid(
            {"topic": [INCOMPLETE]}, f"{INCOMPLETE} Open the page of your message once more and choose there."
        )
    return verbs.change(
        unsubscribing.recipient_actor(),
        person,
        asked=asked,
        wanted=set(request.POST.getlist("topic")),
        wish=_wish(frequency, wishes.of(person.pk, now=now), now),
        source="preference centre",
        asked_from=address_of(request),
        now=now,
    )


def _wish(chosen: str, before: Wish, now: datetime) -> Wish:
    """A pause that runs already is not made longer by saving something else."""
    if chosen == PAUSE:
        return Wish(before.frequency, before.paused_until or now + wishes.PAUSE)
    return Wish(chosen) if chosen else before
