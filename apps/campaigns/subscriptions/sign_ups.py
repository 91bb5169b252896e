"""Asking for a topic, and confirming it by e-mail: only who reads the mail of an address can say yes for it.

What was shown, when, and from where is kept with the consent that comes of it. Whoever asks is told the same
whether the address is known, has had too many mails already, or says yes anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts import consent, events, people, scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Person, Workspace
from apps.accounts.permissions import Actor, system
from apps.accounts.tasks_base import workspace_task
from apps.campaigns.events import Subscribed
from apps.campaigns.models import SignUp, Topic
from apps.campaigns.subscriptions import addresses, everywhere, suppression_list
from apps.integrations import mail, sealed_json

SALT = "campaigns.confirm"
TEMPLATE = "campaigns.confirm"
LIFETIME = timedelta(days=7)
# Confirmations that an address gets in a day, whatever is asked for.
MOST_MAILS = 3
DAY = timedelta(days=1)

sealed_json.seals("campaigns_signup")


class Expired(NotHere):
    code = "confirmation_expired"
    status = 410


@dataclass(frozen=True)
class Asked:
    """state: to_confirm, or subscribed where the topic asks for no confirmation. is_mailed: a confirmation
    was written; it tells what we know of an address, so only who has shown that it is theirs may learn it.
    """

    state: str
    topic: Topic
    is_mailed: bool = False


@transaction.atomic
def ask(topic: Topic, email: str, *, source: str, wording: str, asked_from: str = "", now: datetime) -> Asked:
    """Somebody asks for a topic with an e-mail address. Raises Invalid, NoSender.

    asked_from: the address of the machine, of which a hash is kept. Who left before has to confirm by e-mail
    whatever the topic asks for.
    """
    index = addresses.in_workspace(email)
    if topic.basis != Topic.Basis.CONSENT:
        raise Invalid({"topic": ["This topic is not one to subscribe to."]})
    if not topic.is_double_opt_in and not _said_no(topic, email, index):
        for person in _people_of(email, f"subscriber-{index.hex()}", now=now):
            grant(_actor(), person, topic, source=source, wording=wording, now=now)
        return Asked("subscribed", topic)
    is_mailed = _may_be_mailed(topic, email, index, now=now) and _mail(
        _keep(topic, email, index, source, wording, asked_from, now), email, now=now
    )
    return Asked("to_confirm" if topic.is_double_opt_in else "subscribed", topic, is_mailed)


def _said_no(topic: Topic, email: str, index: bytes) -> bool:
    """Whether somebody of the address left the topic, or everything: anybody may write their address into a
    form, so only a confirmation undoes that, and whoever asks is told the same.
    """
    if suppression_list.is_left(index):
        return True
    known = people.find_by_email(email)
    latest = (consent.latest(one).get(topic.key) for one in known)
    refused = any(said is not None and not said.is_granted for said in latest)
    return refused or any(map(suppression_list.has_left, known))


def _may_be_mailed(topic: Topic, email: str, index: bytes, *, now: datetime) -> bool:
    if everywhere.is_listed(email):
        return False
    known = people.find_by_email(email)
    given = consent.given_by([one.pk for one in known], topic.key)
    if known and all(one.pk in given and not suppression_list.has_left(one) for one in known):
        return False
    today = SignUp.objects.filter(address_index=index, asked_at__gt=now - DAY)
    return today.count() < MOST_MAILS


def _keep(
    topic: Topic, email: str, index: bytes, source: str, wording: str, asked_from: str, now: datetime
) -> SignUp:
    made = SignUp(
        workspace_id=topic.workspace_id,
        topic=topic,
        address_index=index,
        source=source[: consent.LONGEST_SOURCE],
        wording=wording,
        asked_at=now,
        asked_from=addresses.hashed(asked_from, purpose="asked from"),
        expires_at=now + LIFETIME,
    )
    sealed_json.put(made, "address_sealed", {"email": email.strip()})
    made.save()
    return made


def _mail(sign_up: SignUp, email: str, *, now: datetime) -> bool:
    """Whether it is written to; what a suppressed address is asked for is over at once."""
    workspace = Workspace.objects.get()
    context = {
        "workspace": workspace,
        "topic": sign_up.topic,
        "url": url_of(sign_up),
        "days": LIFETIME.days,
    }
    [written] = mail.send(
        workspace,
        to=email.strip(),
        subject=f"Please confirm: {sign_up.topic.name} from {workspace.name}",
        text=render_to_string("email/confirm_topic.txt", context),
        html=render_to_string("email/confirm_topic.html", context),
        template=TEMPLATE,
        dedup_key=f"confirm-{sign_up.public_id}",
        now=now,
    )
    if written.state == written.State.SUPPRESSED:
        SignUp.objects.filter(pk=sign_up.pk).update(expires_at=now)
        return False
    return True


def url_of(sign_up: SignUp) -> str:
    token = Signer(salt=SALT).sign(f"{sign_up.workspace_id}.{sign_up.public_id}")
    return settings.SITE_URL + reverse("letters:confirm", args=[token])


@dataclass(frozen=True)
class Place:
    """What a confirmation's token names."""

    workspace_id: int
    public_id: UUID


def read(token: str) -> Place:
    """Raises NotHere for what we did not make."""
    try:
        workspace_id, public_id = Signer(salt=SALT).unsign(token).split(".")
        return Place(int(workspace_id), UUID(public_id))
    except (BadSignature, ValueError) as error:
        raise NotHere("This link is not one of ours, or it was cut short. Use the whole link.") from error


def find(place: Place, *, now: datetime) -> SignUp:
    """What is to be confirmed, in the workspace in scope. Raises Expired."""
    found = SignUp.objects.select_related("topic").filter(public_id=place.public_id).first()
    if found is None or (found.confirmed_at is None and found.expires_at <= now):
        raise Expired(f"This link was good for {LIFETIME.days} days. Ask for it once more.")
    return found


@transaction.atomic
def confirm(place: Place, *, confirmed_from: str = "", now: datetime) -> SignUp:
    """Say yes to what was asked for, and keep the proof. A second time changes nothing. Raises Expired.

    Publishes Subscribed for everybody who is known by the address; somebody is made where nobody is.
    """
    SignUp.objects.select_for_update().filter(public_id=place.public_id).first()
    sign_up = find(place, now=now)
    if sign_up.confirmed_at is not None:
        return sign_up
    email = sealed_json.get(sign_up, "address_sealed")["email"]
    wording = f"{sign_up.wording}\n\nAsked for {sign_up.asked_at:%Y-%m-%d %H:%M} UTC, confirmed by e-mail."
    who = _people_of(email, f"subscriber-{sign_up.public_id}", now=now)
    for person in who:
        grant(
            _actor(),
            person,
            sign_up.topic,
            source=sign_up.source,
            wording=wording,
            is_confirmed=True,
            now=now,
        )
    sign_up.person, sign_up.confirmed_at = who[0], now
    sign_up.confirmed_from = addresses.hashed(confirmed_from, purpose="asked from")
    sign_up.address_sealed = sign_up.data_key = None
    sign_up.save()
    return sign_up


def _people_of(email: str, anonymous_id: str, *, now: datetime) -> Sequence[Person]:
    """Everybody who is known by the address; a new person where nobody is."""
    known = people.find_by_email(email)
    return known or [people.identify(_actor(), anonymous_id=anonymous_id, traits={"email": email}, now=now)]


@transaction.atomic
def grant(
    actor: Actor,
    person: Person,
    topic: Topic,
    *,
    source: str,
    wording: str,
    is_confirmed: bool = False,
    now: datetime,
) -> None:
    """Write down that a person wants a topic; an unsubscription from everything counts no more.

    Locks the person. Publishes Subscribed. Raises NotHere once erased.
    """
    survivor = people.lock_survivor(person.pk)
    consent.record(
        actor,
        survivor,
        purpose=topic.key,
        is_granted=True,
        source=source,
        wording=wording[: consent.LONGEST_WORDING],
        occurred_at=now,
        is_confirmed=is_confirmed,
        now=now,
    )
    suppression_list.let_back(actor, survivor, now=now)
    events.publish(Subscribed(workspace_id=actor.workspace_id, person_id=survivor.pk, topic=topic.key))


def waiting_of(person: Person, *, now: datetime) -> set[int]:
    """The topics whose confirmation is on its way to the person."""
    waiting = SignUp.objects.filter(
        address_index__in=addresses.indexes_of(person.pk), confirmed_at=None, expires_at__gt=now
    )
    return set(waiting.values_list("topic_id", flat=True))


@shared_task(name="campaigns.sign_ups.sweep")
def sweep() -> None:
    """Start forgetting in each workspace where sign-ups were never confirmed."""
    with scoping.across_workspaces("sign_ups.sweep"):
        over = SignUp.objects.filter(
            confirmed_at=None, address_sealed__isnull=False, expires_at__lte=timezone.now()
        )
        found = list(over.values_list("workspace_id", flat=True).distinct())
    for workspace_id in found:
        forget.delay(workspace_id=workspace_id)


@workspace_task(name="campaigns.sign_ups.forget")
def forget() -> int:
    """Drop what nobody confirmed in time. Answers how many there were."""
    over = SignUp.objects.filter(confirmed_at=None, expires_at__lte=timezone.now())
    return int(over.delete()[0])


def _actor() -> Actor:
    return system(scoping.current_id(), label="the recipient, by e-mail")


def wording_of(topic: Topic, sender: str) -> str:
    """What somebody says yes to on our own form: kept with their consent."""
    about = f" {topic.description}" if topic.description else ""
    return f"Send me “{topic.name}” from {sender} by e-mail.{about} I can leave at any time."
