"""A campaign's contents, ready to be filled in: what is the same in every message is laid out, linked and
encoded once; a message then costs one run of a small template and the encoding of its values.

What `message` returns never has a boundary, a header or a line longer than 76 characters out of a value.
"""

import quopri
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Template

from apps.campaigns.content import body, layout, quoted, sandbox
from apps.campaigns.content.body import CLOSE, OPEN, Marks
from apps.campaigns.content.layout import Frame
from apps.campaigns.content.merge_fields import MergeField
from apps.campaigns.content.quoted import TOKEN_MARK, WAY_OUT_MARK
from apps.campaigns.content.totals import Missing
from apps.campaigns.message_tokens import Tokens

# "=_" never stands in quoted-printable text, so no content can hold it (RFC 2045, 6.7).
BOUNDARY = "=_bellwether-part"
CONTENT_TYPE = f'multipart/alternative; boundary="{BOUNDARY}"'
PART, CHUNK, AFTER = "\x1d", "\x1e", "\x1f"
LONGEST_SUBJECT = 900
_PART_HEAD = (
    "--{}\r\nContent-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
)
_TEXT_HEAD = _PART_HEAD.format(BOUNDARY, "plain").encode()
_HTML_HEAD = b"\r\n" + _PART_HEAD.format(BOUNDARY, "html").encode()
_TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
_MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
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
        self._chunks: dict[str, bytes] = {}
        self._subjects: dict[str, str] = {}
        self._missing = {one.name: Missing(one.fallback) for one in fields}
        self.trees = {
            name: sandbox.check(getattr(words, name), known)
            for name in ("subject", "preheader", "body", "cta_label")
        }
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
        self._template = self._compiled(subject, marks)

    def _compiled(self, subject: str, marks: Marks) -> Template:
        parts = (
            self._source(subject, marks, self._keep_subject),
            "{% autoescape true %}"
            + self._source(self.html, marks, self._keep_chunk)
            + "{% endautoescape %}",
            self._source(self.text, marks, self._keep_chunk),
        )
        return sandbox.compiled(PART.join(parts))

    def _source(self, marked: str, marks: Marks, keep: Callable[[str, str], None]) -> str:
        """A template of numbers for what is static, and of what is filled in."""
        out = []
        for place, part in enumerate(_MARK.split(marked)):
            if place % 2:
                out.append(marks.pieces[int(part)].source)
            else:
                number = str(len(self._chunks) + len(self._subjects))
                keep(number, part)
                out.append(f"{CHUNK}{number}{AFTER}")
        return "".join(out)

    def _keep_subject(self, number: str, text: str) -> None:
        self._subjects[number] = text

    def _keep_chunk(self, number: str, text: str) -> None:
        self._chunks[number] = quoted.static(text)

    def render(self, values: Mapping[str, Any], tokens: Tokens) -> Rendered:
        """Any values: what is not known has its fallback. tokens: of letters, digits, - and _."""
        told = self._missing | {name: value for name, value in values.items() if value not in _EMPTY}
        template, (token, way_out) = self._template, map(_raw, tokens)
        context = template.new_context(told)
        subject, html, text = "".join(template.root_render_func(context)).split(PART)
        known: dict[str, bytes] = {}
        mime = b"".join(
            (_TEXT_HEAD, self._encoded(text, known), _HTML_HEAD, self._encoded(html, known), _TAIL)
        )
        return Rendered(
            self._subject(subject), mime.replace(_TOKEN_SLOT, token).replace(_WAY_OUT_SLOT, way_out)
        )

    def _encoded(self, part: str, known: dict[str, bytes]) -> bytes:
        """known: values of this message that are encoded already; most stand in it more than once."""
        chunks, out = self._chunks, []
        for piece in part.split(CHUNK)[1:]:
            number, _, filled = piece.partition(AFTER)
            out.append(chunks[number])
            if filled:
                if (encoded := known.get(filled)) is None:
                    encoded = known[filled] = quoted.value(filled)
                out.append(encoded)
        return b"".join(out)

    def _subject(self, part: str) -> str:
        out = []
        for piece in part.split(CHUNK)[1:]:
            number, _, filled = piece.partition(AFTER)
            out.append(self._subjects[number])
            out.append(filled)
        return " ".join("".join(out).split())[:LONGEST_SUBJECT]


def _raw(token: str) -> bytes:
    raw = token.encode()
    if not _TOKEN.fullmatch(raw):
        raise ValueError(f"{token[:60]!r} is no token of a message")
    return raw


def tracked(site_url: str, number: int) -> str:
    return f"{site_url}/c/{TOKEN_MARK}/{number}"
