"""From a campaign's rows to messages: its links numbered, its contents compiled once per process."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

from django.conf import settings

from apps.accounts import workspace_settings
from apps.accounts.models import Workspace
from apps.accounts.permissions import Actor
from apps.campaigns.content import letters, links, merge_fields, sandbox
from apps.campaigns.content.layout import Frame
from apps.campaigns.content.letters import CONTENT_TYPE, Letter, Rendered, Words
from apps.campaigns.content.quoted import TOKEN_MARK, WAY_OUT_MARK
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Campaign, Content, Topic
from apps.integrations import mail
from apps.integrations.models import Connection

# Contents of campaigns that a process keeps compiled.
KEPT = 256
LONGEST_ADDRESS = 300
POSTAL_ADDRESS = "postal_address"
WHY = {
    Topic.Basis.CONSENT: "You get this because you asked for it.",
    Topic.Basis.CUSTOMER: "You get this because you are a customer.",
    Topic.Basis.SERVICE: "You get this because you are waiting for it.",
}
_kept: "OrderedDict[tuple[Any, ...], Compiled]" = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Compiled:
    """A campaign's contents by Content.pk. content_type: of each of its messages."""

    letters: Mapping[int, Letter]
    content_type: str = CONTENT_TYPE

    @cached_property
    def fields(self) -> frozenset[str]:
        """What its templates speak of: for `values_of`."""
        trees = (tree for letter in self.letters.values() for tree in letter.trees.values())
        return frozenset[str]().union(*map(sandbox.fields_in, trees))

    def message(
        self, content_id: int, values: Mapping[str, Any], tokens: Tokens, *, is_plain: bool = False
    ) -> Rendered:
        """Never fails for what a value is. is_plain: without texts for some readers alone."""
        return self.letters[content_id].render(values, tokens, is_plain=is_plain)


def compiled(campaign: Campaign, contents: Sequence[Content]) -> Compiled:
    """Ready to be filled in, from this process's memory where nothing has changed since. Writes the links
    that have no number yet. Raises BadTemplate for what `faults` names as an error.
    """
    frame = frame_of(campaign)
    key = (
        campaign.workspace_id,
        campaign.pk,
        campaign.version,
        frame,
        tuple((one.pk, one.changed_at) for one in contents),
        merge_fields.names(),
    )
    with _lock:
        if (known := _kept.get(key)) is not None:
            _kept.move_to_end(key)
            return known
    made = _made(campaign, contents, frame)
    with _lock:
        _kept[key] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def _made(campaign: Campaign, contents: Sequence[Content], frame: Frame) -> Compiled:
    """Laid out once where every link has its number already, else once more with the new ones."""
    asked: dict[str, None] = {}
    numbers = links.numbers(campaign, [])

    def link(url: str) -> str:
        asked.setdefault(url)
        return letters.tracked(settings.SITE_URL, numbers.get(url, 0))

    made = {one.pk: letter_of(one, frame, link=link) for one in contents}
    if not asked.keys() <= numbers.keys():
        numbers = links.numbers(campaign, list(asked))
        made = {one.pk: letter_of(one, frame, link=link) for one in contents}
    return Compiled(made)


def letter_of(content: Content, frame: Frame, *, link: Any) -> Letter:
    """Raises BadTemplate."""
    return Letter(
        words_of(content),
        frame=frame,
        fields=merge_fields.listed(),
        known=merge_fields.names(),
        link=link,
    )


def words_of(content: Content) -> Words:
    return Words(
        subject=content.subject,
        preheader=content.preheader,
        body=content.body,
        cta_label=content.cta_label,
        cta_url=content.cta_url,
    )


def frame_of(campaign: Campaign, *, is_preview: bool = False) -> Frame:
    """What stands around the body. A preview counts nothing and unsubscribes nobody."""
    workspace, sender = Workspace.objects.get(pk=campaign.workspace_id), _sender(campaign)
    basis = Topic.Basis(campaign.topic.basis) if campaign.topic else Topic.Basis.CONSENT
    site = settings.SITE_URL
    return Frame(
        sender=sandbox.cleaned(str((sender and sender.options.get("from_name")) or workspace.name)),
        postal_address=sandbox.cleaned(postal_address(workspace, sender)),
        why=WHY[basis],
        unsubscribe=f"{site}/" if is_preview else f"{site}/u/{WAY_OUT_MARK}",
        preferences=f"{site}/" if is_preview else f"{site}/preferences/{WAY_OUT_MARK}",
        pixel="" if is_preview else f"{site}/o/{TOKEN_MARK}.gif",
    )


def postal_address(workspace: Workspace, sender: Connection | None) -> str:
    """The sender's own, else the workspace's; empty where nobody has said one."""
    own = str((sender and sender.options.get(POSTAL_ADDRESS)) or "")
    return own or str(workspace.settings.get(POSTAL_ADDRESS) or "")


def _sender(campaign: Campaign) -> Connection | None:
    """The campaign's sender, else the first that is there."""
    if campaign.sender is not None:
        return campaign.sender
    known = Connection.objects.filter(service=mail.SENDER).exclude(state=Connection.State.DISCONNECTED)
    found: Connection | None = known.order_by("pk").first()
    return found


@workspace_settings.register(POSTAL_ADDRESS)
def _check_postal_address(actor: Actor, value: Any) -> None:
    """Where letters reach whoever sends: many laws ask for it at the end of a commercial message."""
    if not isinstance(value, str) or not 5 <= len(value.strip()) <= LONGEST_ADDRESS or "\0" in value:
        raise ValueError(f"Give an address of 5 to {LONGEST_ADDRESS} characters.")


def check_part(source: str) -> None:
    """Raise BadTemplate for a template that is not taken."""
    sandbox.check(source, merge_fields.names())
    sandbox.pieces(source)
