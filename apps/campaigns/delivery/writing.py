"""From people to letters: words filled in, and the headers that let everybody see whose message it is and end
it with one click.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.conf import settings

from apps.campaigns import message_tokens
from apps.campaigns.content import blocks
from apps.campaigns.delivery import rooms
from apps.campaigns.delivery.reading import Addressee
from apps.campaigns.models import Campaign, Content, Topic
from apps.integrations import bulk_mail
from apps.integrations.bulk_mail import Envelope, Letter

ONE_CLICK = ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


@dataclass(frozen=True)
class Writer:
    """Of one campaign. is_bulk: it can be unsubscribed from. measured: contents with texts for some alone."""

    workspace_id: int
    compiled: rooms.Compiled
    envelope: Envelope
    is_bulk: bool
    site: str
    campaign_id: int
    measured: frozenset[int]

    def letters(self, people: Sequence[Addressee]) -> list[Letter]:
        return [self._letter(one) for one in people]

    def _letter(self, one: Addressee) -> Letter:
        tokens = message_tokens.both(self.workspace_id, one.id)
        headers: tuple[tuple[str, str], ...] = ()
        if self.is_bulk:
            headers = (("List-Unsubscribe", f"<{self.site}/u/{tokens.way_out}>"), ONE_CLICK)
        is_plain = one.content_id in self.measured and blocks.is_plain(self.campaign_id, one.person_id)
        message = self.compiled.message(one.content_id, one.values, tokens, is_plain=is_plain)
        return Letter(tokens.message, one.address, message, headers)


@dataclass
class Pile:
    """The letters to some people, written while the database keeps whom they are for, or when they are asked
    for. is_broken: they were begun, and one of them could not be written.
    """

    writer: Writer
    people: Sequence[Addressee]
    is_broken: bool = False

    @cached_property
    def letters(self) -> list[Letter]:
        return self.writer.letters(self.people)

    def write(self) -> None:
        self.is_broken = True
        len(self.letters)
        self.is_broken = False


def writer(campaign: Campaign, sender: bulk_mail.Sender) -> Writer:
    contents = list(Content.objects.filter(campaign=campaign).order_by("position", "pk"))
    compiled = rooms.compiled(campaign, contents)
    is_bulk = campaign.topic is None or campaign.topic.basis != Topic.Basis.SERVICE
    topic = campaign.topic.key if campaign.topic else "news"
    list_id = f"<{topic}.{campaign.workspace_id}.{sender.domain}>"
    feedback = f"{campaign.public_id.hex}:{topic}:{campaign.workspace_id}:bellwether"
    headers = (("List-Id", list_id), ("Feedback-ID", feedback)) if is_bulk else (("Feedback-ID", feedback),)
    envelope = bulk_mail.envelope(sender, content_type=compiled.content_type, headers=headers)
    measured = frozenset(one.pk for one in contents if one.has_blocks and is_bulk)
    site = settings.SITE_URL
    return Writer(campaign.workspace_id, compiled, envelope, is_bulk, site, campaign.pk, measured)
