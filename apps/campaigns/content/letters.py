"""A campaign's contents, ready to be filled in: what is the same in every message is laid out, linked and
encoded once; a message then costs one run of a small template and the encoding of its values.

What `message` returns never has a boundary, a header or a line longer than 76 characters out of a value.
"""

import quopri
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.campaigns.content import blocks, body, layout, sandbox
from apps.campaigns.content.body import Marks
from apps.campaigns.content.filling import BOUNDARY, program
from apps.campaigns.content.layout import Frame
from apps.campaigns.content.merge_fields import MergeField
from apps.campaigns.content.quoted import TOKEN_MARK, WAY_OUT_MARK
from apps.campaigns.content.totals import Missing
from apps.campaigns.message_tokens import Tokens

CONTENT_TYPE = f'multipart/alternative; boundary="{BOUNDARY}"'
LONGEST_SUBJECT = 900
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,200}")
_TOKEN_SLOT, _WAY_OUT_SLOT = TOKEN_MARK.encode(), WAY_OUT_MARK.encode()
_EMPTY = (None, "")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One recipient's message. mime: the body of the multipart, its boundaries included."""

    subject: str
    mime: bytes

    @property
    def html(self) -> bytes:
        return self._part(1)

    @property
    def text(self) -> bytes:
        return self._part(0)

    def _part(self, number: int) -> bytes:
        raw = self.mime.split(b"--" + BOUNDARY.encode())[1 + number]
        encoded = raw.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return quopri.decodestring(encoded).replace(b"\r\n", b"\n")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What somebody wrote: templates, and the button."""

    subject: str
    preheader: str
    body: str
    cta_label: str = ""
    cta_url: str = ""

    def cleaned(self) -> "Words":
        return Words(**{name: sandbox.cleaned(value) for name, value in vars(self).items()})


class Letter:
    """One content. Raises BadTemplate for words that cannot be sent."""

    def __init__(
        self,
        words: Words,
        *,
        frame: Frame,
        fields: Sequence[MergeField],
        known: frozenset[str],
        link: Callable[[str], str],
    ) -> None:
        words = words.cleaned()
        self.trees = {
            name: sandbox.check(getattr(words, name), known)
            for name in ("subject", "preheader", "body", "cta_label")
        }
        self._asked = blocks.asked_in(self.trees.values())
        self._spoken = sorted(known & self._names())
        self._missing = {one.name: Missing(one.fallback) for one in fields if one.name in self._spoken}
        marks = Marks()
        subject = marks.marked(sandbox.pieces(words.subject))
        preheader = marks.marked(sandbox.pieces(words.preheader))
        self.read = body.read(sandbox.pieces(words.body), marks)
        label = marks.marked(sandbox.pieces(words.cta_label))
        button = (label, words.cta_url)
        self.html = layout.html(self.read.bits, preheader=preheader, button=button, frame=frame, link=link)
        self.text = layout.text(
            self.read.bits, button=button, frame=frame, link=link, is_block=marks.is_block
        )
        self._program = program(subject, self.html, self.text, marks)

    def _names(self) -> set[str]:
        """What the words speak of."""
        return {name.partition(".")[0] for tree in self.trees.values() for name in sandbox.fields_in(tree)}

    def render(self, values: Mapping[str, Any], tokens: Tokens, *, is_plain: bool = False) -> Rendered:
        """Any values: what is not known has its fallback. tokens: of letters, digits, - and _. is_plain: with
        what is for everybody, as nothing is known that a condition asks for.
        """
        if is_plain:
            values = blocks.without(values, self._asked)
        told: dict[str, Any] = dict(self._missing)
        for name in self._spoken:
            if (value := values.get(name)) not in _EMPTY:
                told[name] = value
        token, way_out = map(_raw, tokens)
        subject, mime = self._program.filled(told)
        return Rendered(
            " ".join(subject.split())[:LONGEST_SUBJECT],
            mime.replace(_TOKEN_SLOT, token).replace(_WAY_OUT_SLOT, way_out),
        )


def _raw(token: str) -> bytes:
    raw = token.encode()
    if not _TOKEN.fullmatch(raw):
        raise ValueError(f"{token[:60]!r} is no token of a message")
    return raw


def tracked(site_url: str, number: int) -> str:
    return f"{site_url}/c/{TOKEN_MARK}/{number}"
