"""Five variants without a model: the brief's own words, each begun from another angle. They say so."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.campaigns.content.briefs import Brief
from apps.campaigns.content.contract import LONGEST_PREHEADER, LONGEST_SUBJECT, NO_LINK, Variant

HELLO = '{{ first_name | default("there") }}'
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Angle:
    """subject, opening, closing: words around the brief's first sentence, at the place of {0}."""

    name: str
    tone: str
    subject: str
    opening: str
    closing: str
    label: str
    why: str


ANGLES = (
    Angle(
        "plain news",
        "matter-of-fact",
        "{0}",
        f"Hello {HELLO},",
        "That is all. Answer this message if you have a question.",
        "See the details",
        "Says what there is in its first words; the safest to compare the others with.",
    ),
    Angle(
        "question",
        "curious",
        "Have you thought about this? {0}",
        f"{HELLO}, a question to begin with: is this something for you?",
        "If it is not, tell us what would be.",
        "Find out more about it",
        "A question asks for an answer, and sorts those who care from those who do not.",
    ),
    Angle(
        "help",
        "helpful",
        "Something that may help: {0}",
        f"Hello {HELLO}, here is something that may save you time.",
        "We are glad to help with the rest, too.",
        "See how it works",
        "Begins with what the reader gains, not with us.",
    ),
    Angle(
        "personal",
        "warm",
        f"{HELLO}: {{0}}",
        f"Dear {HELLO},",
        "With our best wishes.",
        "Have a look",
        "Reads like a letter to one person; the subject says their name where it is known.",
    ),
    Angle(
        "reminder",
        "friendly",
        "In case you missed it: {0}",
        f"Hello {HELLO}, you may have seen this already. If not, here it is.",
        "There is nothing else that you need to do.",
        "Read it now",
        "For those who put things off; says without pressure that it is still there.",
    ),
)


def written(brief: Brief) -> list[Variant]:
    """Never fails: the brief is data here, its braces mean nothing."""
    return [_variant(angle, brief) for angle in ANGLES]


def _variant(angle: Angle, brief: Brief) -> Variant:
    sentences = _SENTENCE.split(_plain(brief.about))
    room = LONGEST_SUBJECT - len(angle.subject.replace(HELLO, "there").replace("{0}", ""))
    label, link_id = _button(angle, brief)
    return {
        "angle": angle.name,
        "tone": angle.tone,
        "subject": angle.subject.replace("{0}", _cut(sentences[0].rstrip(".!"), room)),
        "preheader": _cut((brief.goal and _plain(brief.goal)) or sentences[-1], LONGEST_PREHEADER),
        "body_markdown": "\n\n".join([angle.opening, *_paragraphs(brief), angle.closing]),
        "cta_label": label,
        "cta_link_id": link_id,
        "merge_fields": ["first_name"],
        "rationale": angle.why,
    }


def _button(angle: Angle, brief: Brief) -> tuple[str, str]:
    if not brief.links:
        return "", NO_LINK
    return (_plain(brief.links[0][0]) if len(brief.links) == 1 else angle.label), brief.link_ids[0]


def _paragraphs(brief: Brief) -> Iterator[str]:
    for paragraph in brief.about.split("\n\n"):
        if paragraph.strip():
            yield _plain(paragraph.strip())


def _plain(text: str) -> str:
    """As text: what would begin a field or a statement is spaced apart, what would be HTML is no tag."""
    apart = re.sub(r"\{(?=[{%#])", "{ ", text)
    return apart.replace("<", "‹").replace(">", "›")  # noqa: RUF001


def _cut(text: str, room: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= room else f"{line[: max(1, room - 1)].rstrip()}…"
