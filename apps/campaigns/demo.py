"""A trial of the engine on ad accounts at the fakes: they are connected, read, and have a past.

Nothing here runs where there are no fakes (FAKES_URL), and none of it is ever asked by the product itself.
"""

from datetime import datetime, time, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import numpy as np
from django.db import transaction

from apps.accounts.figures import money
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.campaigns.maths.response.confidence import pays
from apps.campaigns.maths.response.fit import fit_curves
from apps.campaigns.models import Change, Kind, Recommendation, Run
from apps.campaigns.optimization import figures, policies
from apps.integrations import ads_pull, connections, http, services
from apps.integrations.models import Connection
from apps.integrations.services import Service

ACCOUNTS = {"meta_ads": {"account": "1234"}, "google_ads": {"account": "1234567890"}}
TIMEOUT_SECONDS = 10.0
# A change that somebody made so long ago is old enough to be measured.
AGO = timedelta(days=11)
BEFORE_DAYS, AFTER_DAYS = 6, 5


def connect(actor: Actor, *, now: datetime) -> list[Connection]:
    """Sign in at the fakes' ad accounts, as a person does, and read them. Those connected already stay."""
    made = []
    for key, values in ACCOUNTS.items():
        if Connection.objects.filter(service=key).exists():
            continue
        connection = _signed_in(actor, services.get(key), values, now=now)
        ads_pull.pull(connection_id=connection.pk)
        made.append(connection)
    return made


def _signed_in(actor: Actor, service: Service, values: dict[str, str], *, now: datetime) -> Connection:
    session: dict[str, object] = {}
    address = connections.begin_sign_in(actor, service, session, values=values, now=now)
    answer = http.send(http.Request(method="GET", url=address), timeout_seconds=TIMEOUT_SECONDS)
    [code], [state] = (
        parse_qs(urlsplit(answer.headers["location"]).query)[name] for name in ("code", "state")
    )
    return connections.finish_sign_in(actor, session, state=state, code=code, now=now)


@transaction.atomic
def recall(actor: Actor, *, now: datetime) -> Recommendation | None:
    """Write down a change that the accounts show in their past, with what the engine would have claimed of it
    on the day before; the schedule then measures it. None where the past shows none, or it is known already.
    """
    workspace = Workspace.objects.get()
    done_on = (now - AGO).astimezone(workspace.zone).date()
    if Run.objects.exists():
        return None
    known = figures.load(until=done_on + timedelta(days=AFTER_DAYS), days=figures.DAYS)
    day = (done_on - known.first_day).days
    before = np.nanmean(known.spend[:, day - BEFORE_DAYS : day], axis=1)
    after = np.nanmean(known.spend[:, day : day + AFTER_DAYS], axis=1)
    factors = np.nan_to_num(after / before, nan=1.0)
    curves = fit_curves(known.spend[:, :day], known.conversion_value[:, :day])
    claims = pays(curves, np.clip(factors, 0.5, 2.0), margin=float(policies.get().margin))
    row = int(np.argmax(np.where(curves.enough & (factors > 1), claims.probability, -1.0)))
    if not factors[row] > 1:
        return None
    done_at = datetime.combine(done_on, time(9), tzinfo=workspace.zone)
    campaign = known.campaigns[row]
    run = Run.objects.create(
        workspace=workspace,
        cadence=Run.Cadence.DAILY,
        started_at=done_at,
        finished_at=done_at,
        last_day=done_on - timedelta(days=1),
        campaigns=len(known.campaigns),
        currency=workspace.currency,
        note="Of the trial's past.",
    )
    was, became = (Decimal(f"{amount[row]:.2f}") for amount in (before, after))
    shown = [money(one, campaign.currency, exact=True) for one in (was, became)]
    found: Recommendation = Recommendation.objects.create(
        workspace=workspace,
        run=run,
        kind=Kind.BUDGET,
        campaign=campaign,
        state=Recommendation.State.DONE,
        title=f"Raise the daily budget of {campaign.name} from {shown[0]} to {shown[1]}",
        before=str(was),
        after=str(became),
        currency=campaign.currency,
        amount=became - was,
        gain=float(claims.gain[row]),
        gain_low=float(claims.low[row]),
        gain_high=float(claims.high[row]),
        confidence=float(claims.probability[row]),
        reasons=[f"Of the trial's past: the account shows this change on {done_on:%-d %B}."],
        created_at=done_at,
        expires_at=done_at + timedelta(days=7),
        decided_at=done_at,
        done_at=done_at,
        changed_at=done_at,
    )
    Change.objects.create(
        workspace=workspace,
        recommendation=found,
        campaign=campaign,
        before=found.before,
        after=found.after,
        day=done_on,
        state=Change.State.DONE,
        ordered_by=actor.label,
        created_at=done_at,
        settled_at=done_at,
    )
    return found
