"""A trial of campaigns at the fakes: a sender, people who agreed, a campaign that is over, and one to launch.

Nothing here runs where there are no fakes (FAKES_URL), and none of it is ever asked by the product itself.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import transaction

from apps.accounts import consent, identities, people
from apps.accounts.consent import Said
from apps.accounts.models import ConsentRecord, Person, Workspace
from apps.accounts.permissions import Actor, system
from apps.attribution import orders, parsing
from apps.campaigns import arm_figures, campaigns, engagement, splitting, winners
from apps.campaigns.content import variants
from apps.campaigns.engagement import Heard
from apps.campaigns.models import Audience, AudienceMember, Campaign, Recipient, SendCount, SendRun, Topic
from apps.integrations import connections, mail, services
from apps.integrations.models import Connection

TOPIC, GOAL = "news", "subscription"
PEOPLE, BATCH = 2_500, 500
SENDER = {
    "account": "hello@studio.example",
    "from_name": "Confetti & Co",
    "postal_address": "Confetti & Co, 1 Barn Lane, Bath BA1 1AA",
}
# What the fake of Resend takes.
PROVIDER = {
    "account": "studio.example",
    "api_key": "re_123456789",
    "webhook_secret": "whsec_cmVzZW5kLXNpZ25pbmctc2VjcmV0LW9mLTMyYnl0ZXM=",
}
AGO = timedelta(days=12)
PAST = "Autumn open days"
DRAFT = "Spring open days"
# Of a hundred who get it: who click, by variant; and of those who click, who then buy.
CLICK_RATES, BUY_RATE, ANYWAY_RATE = (0.11, 0.2), 0.3, 0.02
WORDS = (
    {
        "subject": "{{ first_name | default('Hello') }}, our open days",
        "preheader": "Cake, music, and dates that are still free.",
        "body": "Come and see us on the first weekend of the season.\n\n"
        "You can meet the band, taste the cake and look at every room.\n\n"
        "[All open days](https://venues.example/open-days)",
        "cta_label": "See the dates",
        "cta_url": "https://venues.example/open-days/dates",
    },
    {
        "subject": "Three dates left for a summer wedding",
        "preheader": "Look at them before somebody else does.",
        "body": "Three Saturdays between May and September came free.\n\n"
        "Come to an open day, and we keep the one that you like for a week.\n\n"
        "[The three dates](https://venues.example/open-days/free)",
        "cta_label": "Keep a date",
        "cta_url": "https://venues.example/open-days/keep",
    },
)


@dataclass(frozen=True)
class Prepared:
    """people: address → user id of everybody in the audience, for the fake that plays them. provider: by
    which it is sent.
    """

    people: dict[str, str]
    provider: Connection
    past: Campaign | None
    draft: Campaign | None


def prepare(approver: Actor, *, now: datetime, rng: np.random.Generator) -> Prepared:
    """Everything up to a draft that wants but a launch. What is there already stays."""
    actor = system(approver.workspace_id, "demo")
    sender = _connected(actor, mail.SENDER, SENDER, now=now)
    provider = _connected(actor, "resend", PROVIDER, now=now)
    topic, _ = Topic.objects.get_or_create(
        workspace_id=actor.workspace_id, key=TOPIC, defaults={"name": "News"}
    )
    addresses = _reachable(actor, now=now)
    _agreed(actor, list(addresses), now=now)
    audience = _audience(actor, list(addresses), now=now)
    past = _past(approver, audience, topic, sender, now=now, rng=rng)
    draft = _draft(approver, audience, topic, sender, now=now)
    return Prepared(people=dict(addresses.values()), provider=provider, past=past, draft=draft)


def _connected(actor: Actor, key: str, values: dict[str, str], *, now: datetime) -> Connection:
    found: Connection | None = Connection.objects.filter(service=key).order_by("pk").first()
    return found or connections.connect(actor, services.get(key), values=values, now=now)


def _reachable(actor: Actor, *, now: datetime) -> dict[int, tuple[str, str]]:
    """People by their key, each with an address and a user id; who had none is given one."""
    known = Person.objects.filter(external_id__isnull=False, merged_into=None, erased_at=None).order_by("pk")
    found = {}
    for person in known[:PEOPLE]:
        address = f"{person.external_id}@mail.example".lower().replace(" ", "-")
        traits = {"email": address, "time_zone": "Europe/London"}
        people.identify(actor, user_id=person.external_id, traits=traits, now=now)
        found[person.pk] = (address, person.external_id)
    return found


def _agreed(actor: Actor, person_ids: Sequence[int], *, now: datetime) -> None:
    """Those who have said nothing yet said yes, a while ago, on the sign-up form."""
    told = set(ConsentRecord.objects.filter(purpose=TOPIC).values_list("person_id", flat=True))
    silent = [one for one in person_ids if one not in told]
    said = Said(
        purpose=TOPIC,
        is_granted=True,
        source="sign-up form",
        wording="Yes, write to me about open days and free dates.",
        occurred_at=now - timedelta(days=60),
    )
    for first in range(0, len(silent), BATCH):
        part = silent[first : first + BATCH]
        with transaction.atomic():
            identities.lock(part)
            consent.record_many(actor, [(one, said) for one in part], now=now)


def _audience(actor: Actor, person_ids: Sequence[int], *, now: datetime) -> Audience:
    made, is_new = Audience.objects.get_or_create(
        workspace_id=actor.workspace_id,
        name="People who agreed to news",
        defaults={
            "kind": Audience.Kind.LIST,
            "changed_at": now,
            "people": len(person_ids),
            "counted_at": now,
        },
    )
    if is_new:
        AudienceMember.objects.bulk_create(
            AudienceMember(workspace_id=actor.workspace_id, audience=made, person_id=one)
            for one in person_ids
        )
    return made


def _draft(
    approver: Actor, audience: Audience, topic: Topic, sender: Connection, *, now: datetime
) -> Campaign | None:
    """An A/B test with a hold-out, complete but for the launch."""
    if Campaign.objects.filter(name=DRAFT).exists():
        return None
    made = campaigns.create(
        approver,
        name=DRAFT,
        audience=audience,
        topic=topic,
        sender=sender,
        hold_out_share=0.2,
        test_share=0.6,
        test_hours=0.05,
        send_from_hour=0,
        send_until_hour=24,
        now=now,
    )
    _say(approver, made, now=now)
    return campaigns.find(made.public_id)


def _say(approver: Actor, made: Campaign, *, now: datetime) -> None:
    for words in WORDS:
        one = variants.add(approver, made, now=now, **words)
        variants.approve(approver, one, now=now)


@transaction.atomic
def _past(
    approver: Actor,
    audience: Audience,
    topic: Topic,
    sender: Connection,
    *,
    now: datetime,
    rng: np.random.Generator,
) -> Campaign | None:
    """One that was sent some days ago, written down as it would have been."""
    if Campaign.objects.filter(name=PAST).exists():
        return None
    then = now - AGO
    made = campaigns.create(
        approver, name=PAST, audience=audience, topic=topic, sender=sender, hold_out_share=0.2, now=then
    )
    _say(approver, made, now=then)
    made = campaigns.find(made.public_id)
    contents = splitting.contents_of(made)
    members = AudienceMember.objects.filter(audience=audience).order_by("person_id")
    person_ids = np.array(list(members.values_list("person_id", flat=True)), dtype=np.int64)
    actor = system(made.workspace_id, "demo")
    splitting.open_experiments(actor, made, contents, people=len(person_ids), now=then)
    made.state, made.launched_at, made.launched_by = Campaign.State.DONE, then, approver.label
    made.finished_at, made.recipients = then + timedelta(minutes=4), len(person_ids)
    made.save()
    arms = splitting.arms(made, person_ids, now=then)
    splitting.expose(made, person_ids, arms, now=then)
    sent = _sent(made, person_ids, arms, at=then + timedelta(minutes=2))
    clicked = _clicked(made, sent, [one.pk for one in contents], at=then, now=now, rng=rng)
    _bought(actor, clicked, person_ids, at=then, now=now, rng=rng)
    arm_figures.refresh(made, now=now)
    winners.judge(campaigns.find(made.public_id), now=now)
    return made


def _sent(made: Campaign, person_ids: np.ndarray, arms: np.ndarray, *, at: datetime) -> list[Recipient]:
    rows = Recipient.objects.bulk_create(
        Recipient(
            workspace_id=made.workspace_id,
            campaign=made,
            person_id=person_id,
            content_id=arm or None,
            state=Recipient.State.SENT if arm else Recipient.State.HELD_OUT,
            settled_at=at if arm else None,
        )
        for person_id, arm in zip(person_ids.tolist(), arms.tolist(), strict=True)
    )
    SendRun.objects.create(
        workspace_id=made.workspace_id, campaign=made, is_open=False, is_snapshotted=True, finished_at=at
    )
    for state, many in Counter(row.state for row in rows).items():
        SendCount.objects.create(
            workspace_id=made.workspace_id, campaign=made, state=state, reason="", people=many
        )
    return [row for row in rows if row.content_id]


def _clicked(
    made: Campaign,
    sent: Sequence[Recipient],
    contents: Sequence[int],
    *,
    at: datetime,
    now: datetime,
    rng: np.random.Generator,
) -> list[int]:
    """Who clicked, by a chance that the variant sets; scanners follow links as well, and do not count."""
    rates = np.array([CLICK_RATES[contents.index(row.content_id)] for row in sent])
    clicks = rng.random(len(sent)) < rates
    heard = [
        Heard(row.pk, "delivered", f"demo-delivered-{row.pk}", at + timedelta(minutes=3)) for row in sent
    ]
    for row, has_clicked, hours in zip(sent, clicks, rng.exponential(9.0, len(sent)), strict=True):
        moment = at + timedelta(hours=0.1 + float(min(hours, 150)))
        if has_clicked:
            heard.append(Heard(row.pk, "clicked", f"demo-click-{row.pk}", moment, 1))
        elif row.pk % 20 == 0:
            scanned = at + timedelta(minutes=3, seconds=1)
            heard.append(Heard(row.pk, "clicked", f"demo-scan-{row.pk}", scanned, 1, "scanner"))
    engagement.record(heard, now=now)
    return [row.person_id for row, has_clicked in zip(sent, clicks, strict=True) if has_clicked]


def _bought(
    actor: Actor,
    clicked: Sequence[int],
    person_ids: np.ndarray,
    *,
    at: datetime,
    now: datetime,
    rng: np.random.Generator,
) -> None:
    """A part of those who clicked, and a few who would have anyway, held out or not."""
    buyers = [one for one in clicked if rng.random() < BUY_RATE]
    buyers += [int(one) for one in person_ids if rng.random() < ANYWAY_RATE]
    known = dict(Person.objects.filter(pk__in=buyers).values_list("pk", "external_id"))
    rows = []
    for number, one in enumerate(buyers):
        moment = at + timedelta(hours=float(rng.uniform(1, 150)))
        record = {
            "event_id": f"demo-campaign-{number}",
            "order_id": f"demo-campaign-{number}",
            "user_id": known[one],
            "conversion_type": GOAL,
            "revenue": Decimal(str(round(float(rng.gamma(4, 60)), 2))),
            "occurred_at": moment,
        }
        rows.append(parsing.conversion(record, received_at=now))
    orders.store_conversions(actor, rows, now=now)


def approver_of(workspace: Workspace, user_id: int, label: str) -> Actor:
    """The demo's owner, since a person answers for words."""
    return Actor(kind="user", id=user_id, label=label, workspace_id=workspace.pk, role="owner")
