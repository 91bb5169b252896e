"""What is wrong with a campaign's contents, before anybody gets them: errors hold the launch, advice none.

Our layout brings contrast, unsubscribe link, text part and structure by itself; what is checked here is what
somebody wrote.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.accounts.models import Person
from apps.campaigns.content import compiling, merge_fields, reading_checks
from apps.campaigns.content.faults import ADVICE, ERROR, Fault
from apps.campaigns.content.letters import Letter, Rendered
from apps.campaigns.content.merge_fields import TRAITS
from apps.campaigns.content.sandbox import BadTemplate, fields_in
from apps.campaigns.content.totals import MOST_ITEMS
from apps.campaigns.message_tokens import Tokens
from apps.campaigns.models import Campaign, Content, Topic

LONG_SUBJECT, LONGEST_SUBJECT = 70, 200
# Gmail cuts a message here, the unsubscribe link with it.
CLIPPED_BYTES = 102_400
LARGEST_BYTES = 1_000_000
# As long as those of a message.
EXAMPLE = Tokens("t" * 32, "w" * 32)
PARTS = ("subject", "preheader", "body", "cta_label")
WORST = ("<script>alert(1)</script>", "{{ 7 * 7 }}", "\r\nBcc: a@example.com", "W" * 5_000)
# People of whom the newest tell which traits there are.
OF_TRAITS = 5_000


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Recipients to try: all known, nothing known, and each thing missing in turn."""
    whole = merge_fields.examples()
    yield "somebody of whom everything is known", whole
    yield "somebody of whom nothing is known", {TRAITS: {}}
    for name in whole:
        yield f"somebody without {name}", {key: value for key, value in whole.items() if key != name}


def worst_samples() -> Iterator[dict[str, Any]]:
    """Values that would break out of a header, a tag or a template, and one that is far too long."""
    for worst in WORST:
        yield dict.fromkeys(merge_fields.names(), worst) | {TRAITS: _Anything(worst)}


class _Anything(Mapping[str, Any]):
    """Traits that have every name: each a list of the value."""

    def __init__(self, value: str) -> None:
        self._value = [value] * MOST_ITEMS

    def get(self, key: str, default: Any = None) -> Any:
        return self._value

    def __getitem__(self, key: str) -> Any:
        return self._value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def faults(campaign: Campaign, contents: Sequence[Content]) -> list[Fault]:
    """Everything that was found, errors first."""
    found = list(_of_campaign(campaign, contents))
    known = _known_traits()
    for content in contents:
        found += of_content(campaign, content, known_traits=known)
    return sorted(found, key=lambda one: one.severity != ERROR)


def _of_campaign(campaign: Campaign, contents: Sequence[Content]) -> Iterator[Fault]:
    if not contents:
        yield Fault(ERROR, "content", "There is nothing to say yet. Write a first variant.")
    if len({(one.subject, one.preheader, one.body, one.cta_label) for one in contents}) < len(contents):
        yield Fault(ERROR, "content", "Two variants are the same: a test of them can show nothing.")
    is_service = campaign.topic is not None and campaign.topic.basis == Topic.Basis.SERVICE
    if not is_service and not compiling.frame_of(campaign).postal_address:
        words = (
            "There is no postal address, which commercial messages must have. Say it with the e-mail sender "
            "under Integrations, or as postal_address in the workspace's settings."
        )
        yield Fault(ERROR, "footer", words)


def of_content(
    campaign: Campaign, content: Content, *, known_traits: frozenset[str] | None = None
) -> list[Fault]:
    """The faults of one variant; those of its templates alone where they cannot be filled in."""
    known = _known_traits() if known_traits is None else known_traits
    found = list(_of_templates(content))
    if not found:
        try:
            letter = compiling.letter_of(content, compiling.frame_of(campaign), link=_as_tracked)
        except BadTemplate as error:
            found.append(Fault(ERROR, "body", error.detail))
        else:
            found += _of_letter(content, letter, known)
    return [Fault(one.severity, f"{content.key}: {one.where}", one.words) for one in found]


def _as_tracked(url: str) -> str:
    """As long as a link is in a message."""
    return f"https://example.com/c/{EXAMPLE.message}/1"


def _of_templates(content: Content) -> Iterator[Fault]:
    """Each part on its own, so that a fault says in which it is."""
    words = compiling.words_of(content).cleaned()
    for name in PARTS:
        try:
            compiling.check_part(getattr(words, name))
        except BadTemplate as error:
            yield Fault(ERROR, name, error.detail)
    if not words.body.strip():
        yield Fault(ERROR, "body", "The body is empty.")


def _of_letter(content: Content, letter: Letter, known_traits: frozenset[str]) -> list[Fault]:
    return [
        *reading_checks.of_links(content, letter.read.links),
        *_of_samples(letter),
        *_of_fields(letter, known_traits),
        *reading_checks.of_images(letter.read.images),
        *reading_checks.of_structure(letter.read.bits),
        *reading_checks.of_tone(content),
        *reading_checks.of_preheader(content),
    ]


def _of_samples(letter: Letter) -> list[Fault]:
    """What a reader would see: of each kind of fault the first, with whose message it is in."""
    found: dict[tuple[str, str], Fault] = {}
    for who, values in samples():
        for fault in _of_rendered(letter.render(values, EXAMPLE), who):
            found.setdefault((fault.severity, fault.where), fault)
    for values in worst_samples():
        size = len(letter.render(values, EXAMPLE).html)
        if size > LARGEST_BYTES:
            words = f"With long values the message has {size:,} bytes. Use | truncate, or fewer places."
            found.setdefault((ERROR, "size"), Fault(ERROR, "size", words))
    return list(found.values())


def _of_rendered(rendered: Rendered, who: str) -> Iterator[Fault]:
    length, size = len(rendered.subject), len(rendered.html)
    if not length:
        yield Fault(ERROR, "subject", f"The subject is empty for {who}. Give it a fallback.")
    elif length > LONGEST_SUBJECT:
        yield Fault(ERROR, "subject", f"The subject has {length} characters for {who}. Cut it.")
    elif length > LONG_SUBJECT:
        words = f"Phones cut a subject of {length} characters; {LONG_SUBJECT} are seen by most."
        yield Fault(ADVICE, "subject", words)
    if size > CLIPPED_BYTES:
        words = f"Gmail hides the end of a message of {size:,} bytes. Stay under {CLIPPED_BYTES:,}."
        yield Fault(ADVICE, "size", words)


def _of_fields(letter: Letter, known_traits: frozenset[str]) -> Iterator[Fault]:
    used = frozenset[str]().union(*(fields_in(tree) for tree in letter.trees.values()))
    for name in sorted(used):
        kind, _, trait = name.partition(".")
        if kind == TRAITS and trait and trait not in known_traits:
            words = f"None of the newest people has the trait {trait!r}: what stands in for it is shown."
            yield Fault(ADVICE, "merge fields", words)


def _known_traits() -> frozenset[str]:
    rows = Person.objects.order_by("-pk").values_list("traits", flat=True)
    return frozenset(name for traits in rows[:OF_TRAITS] for name in traits)
