"""A form for a topic that anybody may open, and the link that confirms what was asked for there."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.doors import refusals_in
from apps.accounts.errors import NotHere
from apps.accounts.models import Workspace
from apps.campaigns.forms import SignUpForm
from apps.campaigns.models import Topic
from apps.campaigns.subscriptions import addresses, flood, sign_ups, topics
from apps.campaigns.views.recipients import address_of, letter_page, shown

SOURCE = "sign-up form"


@letter_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """A look confirms nothing: programs look too."""
    place, now = sign_ups.read(token), timezone.now()
    with scoping.workspace(place.workspace_id):
        sign_up = sign_ups.find(place, now=now)
        if request.method == "POST":
            sign_up = sign_ups.confirm(place, confirmed_from=address_of(request), now=now)
        context = {"topic": sign_up.topic, "is_done": sign_up.confirmed_at is not None}
        return shown(request, "confirm.html", context)


@letter_page
def subscribe(request: HttpRequest, workspace: str, topic: str) -> HttpResponse:
    with scoping.workspace(_workspace(workspace)):
        found, asked = _topic(topic), None
        form = SignUpForm(request.POST or None)
        wording = sign_ups.wording_of(found, Workspace.objects.get().name)
        if request.method == "POST" and form.is_valid():
            flood.admit_sign_up(address_of(request), workspace_id=scoping.current_id())
            with refusals_in(form):
                asked = form.cleaned_data["email"]
                _ask(request, form, found, wording)
        context = {
            "topic": found,
            "form": form,
            "wording": wording,
            "asked": addresses.masked(asked) if asked and not form.errors else "",
        }
        return shown(request, "subscribe.html", context, status=400 if form.errors else 200)


def _ask(request: HttpRequest, form: SignUpForm, topic: Topic, wording: str) -> None:
    """Nothing for a program that fills in every field; it is not told."""
    if form.cleaned_data["website"]:
        return
    sign_ups.ask(
        topic,
        form.cleaned_data["email"],
        source=SOURCE,
        wording=wording,
        asked_from=address_of(request),
        now=timezone.now(),
    )


def _workspace(slug: str) -> int:
    with scoping.across_workspaces("sign_ups.route"):
        found = Workspace.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise NotHere("There is no such form. Look at the address once more.")
    return int(found)


def _topic(key: str) -> Topic:
    topic = topics.get(key)
    if topic.basis != Topic.Basis.CONSENT:
        raise NotHere("There is no such form. Look at the address once more.")
    return topic
