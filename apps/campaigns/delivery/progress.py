"""How far a campaign has come, and whether what is counted is what happened."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import connection

from apps.accounts import scoping
from apps.campaigns.models import Campaign, Recipient, SendCount

State = Recipient.State
# Of each recipient its state, and the last word of the ledger.
WORDS = """
    SELECT r.state, coalesce(last.fate, ''), count(*), min(r.id)
    FROM campaigns_recipient AS r
    LEFT JOIN LATERAL (
        SELECT e.fate FROM campaigns_ledgerentry AS e
        WHERE e.workspace_id = r.workspace_id AND e.campaign_id = r.campaign_id AND e.recipient_id = r.id
        ORDER BY (e.fate = 'accepted') DESC, e.id DESC LIMIT 1) AS last ON true
    WHERE r.workspace_id = (SELECT %s::bigint) AND r.campaign_id = %s
    GROUP BY 1, 2
"""
# What the ledger may say last of a recipient in that state.
AGREE = {
    State.TO_SEND: {"", "later", "uncertain"},
    State.WAITING: {"", "later", "uncertain"},
    State.HELD_OUT: {""},
    State.SENT: {"accepted"},
    State.SKIPPED: {"", "skipped", "later", "uncertain"},
    State.REFUSED: {"refused"},
    State.UNCERTAIN: {"uncertain"},
}


@dataclass(frozen=True)
class Progress:
    """People by what became of them. skipped: by reason."""

    to_send: int = 0
    waiting: int = 0
    held_out: int = 0
    sent: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    uncertain: int = 0


def progress(campaign: Campaign) -> Progress:
    """From counts that are kept as it is sent: a handful of rows."""
    people: dict[str, int] = defaultdict(int)
    skipped: dict[str, int] = {}
    counts = SendCount.objects.filter(campaign=campaign, people__gt=0)
    for state, reason, number in counts.order_by("state", "reason").values_list("state", "reason", "people"):
        if state == State.SKIPPED:
            skipped[reason] = number
        else:
            people[state] += number
    names = (State.TO_SEND, State.WAITING, State.HELD_OUT, State.SENT, State.REFUSED, State.UNCERTAIN)
    return Progress(skipped=skipped, **{str(name): people[name] for name in names})


def faults(campaign: Campaign) -> Iterator[str]:
    """Where recipients, ledger and counts do not agree, in words. Reads everything."""
    counted: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(WORDS, [scoping.current_id(), campaign.pk])
        for state, fate, number, first in cursor.fetchall():
            counted[state] += number
            if fate not in AGREE[State(state)]:
                yield f"{number} are {state}, and the ledger says {fate or 'nothing'} (recipient {first})"
    kept: Counter[str] = Counter()
    for state, number in SendCount.objects.filter(campaign=campaign).values_list("state", "people"):
        kept[state] += number
    for state in sorted(counted.keys() | kept.keys()):
        if counted[state] != kept[state]:
            yield f"{counted[state]} are {state}, and {kept[state]} are counted"
