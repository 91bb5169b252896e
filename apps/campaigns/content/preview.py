"""A message before it is sent: for one recipient or made-up ones, on the screen or in a mailbox of our own.

Its links lead straight to where they lead, nothing is counted, and nobody can unsubscribe with it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction

from apps.accounts import audit
from apps.accounts.errors import DomainError
from apps.accounts.models import AuditEntry, Person, Workspace
from apps.accounts.permissions import Actor, require
from apps.campaigns.content import compiling, merge_fields, sandbox
from apps.campaigns.content.letters import LONGEST_SUBJECT, Rendered
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Campaign, Content
from apps.campaigns.subscriptions import addresses, everywhere
from apps.integrations import mail, suppressions
from apps.integrations.models import EmailDelivery

# In a workspace, whoever sends them.
TESTS_AN_HOUR, TESTS_A_DAY = 20, 100
DEED = "content.test_sent"
# Stand where tokens would; a preview shows none.
_TOKENS = Tokens("preview", "preview")


class TooManyTests(DomainError):
    code = "too_many_tests"
    status = 429


class NotWrittenTo(DomainError):
    code = "not_written_to"
    status = 409


def preview(
    campaign: Campaign,
    content: Content,
    whose: Person | Mapping[str, Any] | None = None,
    *,
    now: datetime | None = None,
) -> Rendered:
    """As that person would get it, or somebody with those values, or one of whom everything is known. Raises
    BadTemplate for a content that cannot be filled in.
    """
    frame = compiling.frame_of(campaign, is_preview=True)
    letter = compiling.letter_of(content, frame, link=lambda url: url)
    return letter.render(_values(whose, now), _TOKENS)


def example_of(source: str) -> str:
    """One line as somebody of whom everything is known reads it. Raises BadTemplate."""
    words = sandbox.cleaned(source)
    sandbox.check(words, merge_fields.names())
    return " ".join(sandbox.compiled(words).render(merge_fields.examples()).split())


def _values(whose: Person | Mapping[str, Any] | None, now: datetime | None) -> Mapping[str, Any]:
    if isinstance(whose, Person):
        return merge_fields.values_of([whose.pk], now=now)[whose.pk]
    return merge_fields.examples() if whose is None else whose


@transaction.atomic
def send_test(
    actor: Actor,
    campaign: Campaign,
    content: Content,
    to: str,
    *,
    now: datetime,
    whose: Person | Mapping[str, Any] | None = None,
) -> EmailDelivery:
    """Send the preview to one address; as a person, for who may see people. Needs campaigns:send. Audited,
    with the delivery in place of the address. Raises TooManyTests, NotWrittenTo for an address on the
    workspace's list or the operator's, BadTemplate, or what mail.send raises.
    """
    require(actor, "campaigns:send")
    if isinstance(whose, Person):
        require(actor, "people:read")
    workspace: Workspace = Workspace.objects.select_for_update().get()
    _check_rate(now)
    _check_address(to)
    rendered = preview(campaign, content, whose, now=now)
    [delivery] = mail.send(
        workspace,
        to=to,
        subject=f"[Test] {rendered.subject}"[:LONGEST_SUBJECT],
        text=rendered.text.decode(),
        html=rendered.html.decode(),
        template="campaign-test",
        dedup_key=f"campaign-test:{uuid4().hex}",
        now=now,
        sender=campaign.sender,
    )
    told = {"campaign": campaign.pk, "key": content.key, "delivery": str(delivery.public_id)}
    audit.record(actor, DEED, content, now=now, after=told)
    return delivery


def _check_rate(now: datetime) -> None:
    """The workspace is locked by the caller, so that nobody else sends one meanwhile."""
    for most, within, words in (
        (TESTS_AN_HOUR, timedelta(hours=1), "an hour"),
        (TESTS_A_DAY, timedelta(days=1), "a day"),
    ):
        if AuditEntry.objects.filter(deed=DEED, occurred_at__gt=now - within).count() >= most:
            raise TooManyTests(
                f"{most} test messages were sent within {words}. Use the preview, or wait a little.",
                retry_after_seconds=600,
            )


def _check_address(to: str) -> None:
    """It holds what goes to many: who left, or complained, is sent no test of it either."""
    if suppressions.reason_against(addresses.in_workspace(to, field="to"), is_bulk=True):
        raise NotWrittenTo(
            "This address is on the list of those that are not written to. Send the test to another one."
        )
    if everywhere.is_listed(to):
        raise NotWrittenTo("This address may not be written to. Send the test to another one.")
