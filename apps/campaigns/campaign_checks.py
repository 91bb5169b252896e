"""What stands against a campaign before it leaves: errors hold it, advice does not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from apps.accounts.figures import count, number, percent
from apps.accounts.models import Workspace
from apps.accounts.workspace_settings import register
from apps.attribution.models import Conversion
from apps.campaigns import audiences, content, flags, reach, splitting
from apps.campaigns.content import blocks
from apps.campaigns.content.sandbox import BadTemplate
from apps.campaigns.delivery import timing
from apps.campaigns.models import Audience, Campaign, Content, Topic
from apps.integrations.connectors.email.providers import PROVIDERS
from apps.integrations.models import Connection

ERROR, ADVICE = "error", "advice"
LIMIT_SETTING = "campaign_recipients_limit"
# What a campaign may reach without somebody saying the number aloud.
DEFAULT_LIMIT = 10_000
HIGHEST_LIMIT = 100_000_000
ASKED_ABOUT = 1_000
# A winner needs so many clicks of the leading variant; few campaigns get more of them than one in thirty.
CLICKS_NEEDED, CLICKS_EXPECTED = 100, 0.03
FEW = "under 1\N{NO-BREAK SPACE}%"
FEWEST_HELD_OUT = 100
WHEN = "%-d %b %Y, %H:%M"
REASONS = {
    "gone": "are erased",
    "no_address": "have no e-mail address",
    "bounced": "have an address that bounces",
    "complained": "have complained",
    "invalid": "have an address that does not work",
    "suppressed": "are on the list of suppressed addresses",
    "everywhere": "are on the operator's own list of addresses that nobody writes to",
    "unsubscribed": "have unsubscribed",
    "no_consent": "have not agreed",
    "paused": "asked for a pause",
    "less_often": "asked for fewer messages",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """severity: error or advice. where: the step of the builder, or a variant's key. words: what, and what to
    do."""

    severity: str
    where: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """people: in the audience now; None where there is none to ask. limit: how many go without saying."""

    findings: list[Finding]
    people: int | None
    limit: int

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.severity == ERROR]

    @property
    def advice(self) -> list[Finding]:
        return [one for one in self.findings if one.severity == ADVICE]

    @property
    def is_above_limit(self) -> bool:
        return self.people is not None and self.people > self.limit


def check(campaign: Campaign, *, now: datetime) -> Checked:
    """All there is to say about it. Changes nothing."""
    workspace, contents = Workspace.objects.get(), splitting.contents_of(campaign)
    people = people_of(campaign.audience, now=now) if campaign.audience is not None else None
    limit = limit_of(workspace)
    findings = [
        *_of_audience(campaign, people, now=now),
        *_of_contents(campaign, contents),
        *_of_sender(campaign),
        *_of_hours(campaign, workspace, now=now),
        *_of_goal(campaign),
        *_of_tests(campaign, contents, people or 0),
        *_of_limits(campaign, workspace, people or 0, limit, now=now),
    ]
    return Checked(findings=findings, people=people, limit=limit)


def people_of(audience: Audience, *, now: datetime) -> int:
    """How many are in an audience now."""
    query, params = audiences.people_sql(audience, now=now)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({query}) AS people", params)  # noqa: S608 - compiled here
        return int(cursor.fetchone()[0])


def some_of(audience: Audience, many: int, *, now: datetime) -> list[int]:
    """Some of an audience's people, the same ones at each call while they are in it."""
    query, params = audiences.people_sql(audience, now=now)
    with connection.cursor() as cursor:
        order = "ORDER BY hashint8(id) LIMIT %s"
        cursor.execute(f"SELECT id FROM ({query}) AS people {order}", [*params, many])  # noqa: S608
        return [person for (person,) in cursor.fetchall()]


def limit_of(workspace: Workspace) -> int:
    return int(workspace.settings.get(LIMIT_SETTING, DEFAULT_LIMIT))


def _error(where: str, words: str) -> Finding:
    return Finding(severity=ERROR, where=where, words=words)


def _advice(where: str, words: str) -> Finding:
    return Finding(severity=ADVICE, where=where, words=words)


def _of_audience(campaign: Campaign, people: int | None, *, now: datetime) -> Iterator[Finding]:
    if campaign.kind == Campaign.Kind.TRIGGERED:
        return
    audience = campaign.audience
    if audience is None or people is None:
        yield _error("audience", "Nobody is chosen yet. Choose an audience.")
    elif audience.archived_at is not None:
        yield _error("audience", f"{audience.name} is put away. Choose another audience.")
    elif not people:
        yield _error("audience", f"Nobody is in {audience.name} now. Widen it, or choose another.")
    else:
        yield from _of_reach(campaign, audience, now=now)


def _of_reach(campaign: Campaign, audience: Audience, *, now: datetime) -> Iterator[Finding]:
    """Of a thousand of them, who may not be written to."""
    if campaign.topic is None:
        return
    asked = some_of(audience, ASKED_ABOUT, now=now)
    against = reach.against(campaign, asked, now=now)
    if asked and len(against) == len(asked):
        yield _error("audience", f"None of them may be written to: {_why(against, len(asked))}.")
    elif against:
        share = _share(len(against), len(asked))
        some = "A few" if share == FEW else f"About {share}"
        yield _advice("audience", f"{some} get nothing: {_why(against, len(asked))}.")


def _share(many: int, asked: int) -> str:
    """Of a sample: a few of very many are no 0 %."""
    return percent(many / asked, 0) if many * 200 > asked else FEW


def _why(against: dict[int, str], asked: int) -> str:
    return ", ".join(
        f"{_share(many, asked)} {REASONS.get(reason, reason.replace('_', ' '))}"
        for reason, many in Counter(against.values()).most_common()
    )


def _of_contents(campaign: Campaign, contents: Sequence[Content]) -> Iterator[Finding]:
    if not contents:
        yield _error("content", "It says nothing yet. Write a variant.")
        return
    for fault in content.faults(campaign, contents):
        yield Finding(severity=str(fault.severity), where=str(fault.where), words=str(fault.words))
    for one in contents:
        if one.approved_at is None:
            yield _error(one.key, f"Variant {one.key} waits for somebody to approve its words.")
        yield from _of_lot(campaign, one)


def _of_lot(campaign: Campaign, one: Content) -> Iterator[Finding]:
    """Who reads what of texts for some."""
    try:
        lot = blocks.lot_of(campaign, one)
    except BadTemplate:
        return
    if lot == blocks.Lot.DRAWN:
        yield _advice(
            one.key,
            f"One reader in five, drawn by lot, gets variant {one.key} as if nothing were known that its "
            "conditions ask for: what stands after “else” or “elif” goes to some of those as well whom the "
            "conditions before it are for.",
        )
    elif lot == blocks.Lot.NEGATED:
        yield _advice(
            one.key,
            f"What the texts for some of variant {one.key} bring is not measured: a condition asks what is "
            "not so.",
        )


def _of_sender(campaign: Campaign) -> Iterator[Finding]:
    if campaign.sender is None:
        yield _error("schedule", "No sender is chosen. Connect an e-mail sender, and choose it.")
    elif not campaign.sender.is_usable:
        reason = campaign.sender.state_reason or "it is paused"
        yield _error("schedule", f"{campaign.sender.label} cannot send: {reason}")
    connected = Connection.objects.filter(service__in=list(PROVIDERS), state=Connection.State.CONNECTED)
    if not connected.exists():
        yield _error(
            "schedule", "No e-mail provider is connected. Connect Resend, Mailgun or an SMTP server."
        )
    yield from _of_topic(campaign)


def _of_hours(campaign: Campaign, workspace: Workspace, *, now: datetime) -> Iterator[Finding]:
    """Whether they are over when it leaves."""
    leaves = max(now, campaign.starts_at or now)
    opens = timing.may_leave_at(campaign, "", workspace.zone, now=leaves)
    if campaign.kind == Campaign.Kind.BROADCAST and opens > leaves:
        until = f"{opens.astimezone(workspace.zone):{WHEN}}"
        yield _advice(
            "schedule",
            f"Its hours are over when it leaves: messages wait until {until}, for whoever lives by the clock "
            "of this workspace.",
        )


def _of_topic(campaign: Campaign) -> Iterator[Finding]:
    topic = campaign.topic
    if topic is None:
        yield _error(
            "schedule", "Say what topic it is about: people agree to topics, and unsubscribe from them."
        )
    elif topic.basis == Topic.Basis.SERVICE and campaign.kind == Campaign.Kind.BROADCAST:
        yield _error(
            "schedule",
            f"{topic.name} is for what one person waits for, such as a receipt, and asks nobody's consent. "
            "What goes to an audience at once needs a topic that people agreed to.",
        )


def _of_goal(campaign: Campaign) -> Iterator[Finding]:
    goal = campaign.goal
    if goal and not Conversion.objects.filter(conversion_type=goal).exists():
        yield _advice("goal", f"No {goal.replace('_', ' ')} was ever recorded here: nothing will count.")


def _of_tests(campaign: Campaign, contents: Sequence[Content], people: int) -> Iterator[Finding]:
    is_service = splitting.is_service(campaign)
    if campaign.hold_out_share and is_service:
        yield _error("goal", "People wait for this message: nobody may be held out of it.")
    elif not campaign.hold_out_share and not is_service:
        yield _advice("goal", "Nobody is held out, so nobody will know what it brought on top of nothing.")
    elif campaign.hold_out_share and people and campaign.hold_out_share * people < FEWEST_HELD_OUT:
        held = count(round(campaign.hold_out_share * people), "person is", "people are")
        yield _advice("goal", f"Only {held} held out: what it brought will stay unknown for long.")
    if len(contents) < 2:
        return
    tried = people * (1 - campaign.hold_out_share) * campaign.test_share
    if people and tried / len(contents) * CLICKS_EXPECTED < CLICKS_NEEDED:
        rest = " Then the rest gets each alike." if campaign.test_share < 1 else ""
        yield _advice(
            "goal",
            f"{count(round(tried), 'person tries', 'people try')} the variants: probably too few to name a "
            f"winner, which takes about {CLICKS_NEEDED} clicks on the best.{rest}",
        )


def _of_limits(
    campaign: Campaign, workspace: Workspace, people: int, limit: int, *, now: datetime
) -> Iterator[Finding]:
    if words := flags.off_words(flags.SENDING, workspace):
        yield _error("launch", words)
    if people > limit:
        yield _advice(
            "launch",
            f"{number(people)} people are more than the {number(limit)} that go without saying: "
            "the number has to be typed in.",
        )
    if campaign.starts_at is not None and campaign.starts_at <= now:
        yield _advice("schedule", "Its time has passed: it leaves as soon as it is launched.")


@register(LIMIT_SETTING)
def _check_limit(_: object, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= HIGHEST_LIMIT:
        raise ValueError(f"Give a whole number of people from 1 to {HIGHEST_LIMIT:,}.")
