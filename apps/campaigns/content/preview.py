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
from apps.campaigns.content import compiling, merge_fields
from apps.campaigns.content.letters import LONGEST_SUBJECT, Rendered
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Campaign, Content
from apps.integrations import mail
from apps.integrations.models import EmailDelivery

TESTS_AN_HOUR = 20
DEED = "content.test_sent"
# Stand where tokens would; a preview shows none.
_TOKENS = Tokens("preview", "preview")


class TooManyTests(DomainError):
    code = "too_many_tests"
    status = 429


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
    """Send the preview to one address; as a person, for who may see people. Audited, without the address.
    Raises TooManyTests, BadTemplate, or what mail.send raises.
    """
    require(actor, "campaigns:write")
    if isinstance(whose, Person):
        require(actor, "people:read")
    workspace: Workspace = Workspace.objects.select_for_update().get()
    since = now - timedelta(hours=1)
    if AuditEntry.objects.filter(deed=DEED, occurred_at__gt=since).count() >= TESTS_AN_HOUR:
        raise TooManyTests(
            f"{TESTS_AN_HOUR} test messages were sent within an hour. Use the preview, or wait a little.",
            retry_after_seconds=600,
        )
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
    audit.record(actor, DEED, content, now=now, after={"campaign": campaign.pk, "key": content.key})
    return delivery
