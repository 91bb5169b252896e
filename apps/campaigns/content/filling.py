"""The program that fills a content in: what is the same in every message is encoded once.

Most contents have no statements: what is filled in is then asked for once a message, however often it stands
there, and put between the pieces (Fixed). One with a condition or a loop is run from one end to the other
(Flowing). Both make the same of the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from jinja2 import Template

from apps.campaigns.content import quoted, sandbox
from apps.campaigns.content.body import CLOSE, OPEN, Marks

# "=_" never stands in quoted-printable text, so no content can hold it (RFC 2045, 6.7).
BOUNDARY = "=_bellwether-part"
PART, CHUNK, AFTER = "\x1d", "\x1e", "\x1f"
_PART_HEAD = (
    "--{}\r\nContent-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
)
_TEXT_HEAD = _PART_HEAD.format(BOUNDARY, "plain").encode()
_HTML_HEAD = b"\r\n" + _PART_HEAD.format(BOUNDARY, "html").encode()
_TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
_MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
_ESCAPED = "{{% autoescape true %}}{}{{% endautoescape %}}"


class Program(Protocol):
    """filled: the subject, and the parts with the marks of the tokens still in them."""

    def filled(self, told: Mapping[str, Any]) -> tuple[str, bytes]: ...


def program(subject: str, html: str, text: str, marks: Marks) -> Program:
    """Of texts with marks for what is filled in."""
    has_statements = any(one.kind == "block" for one in marks.pieces)
    return (Flowing if has_statements else Fixed)(subject, html, text, marks)


class Fixed:
    def __init__(self, subject: str, html: str, text: str, marks: Marks) -> None:
        plain: dict[str, int] = {}
        escaped: dict[str, int] = {}
        self._subject, self._subject_slots = _taken_apart(subject, marks, plain)
        texts, text_slots = _taken_apart(text, marks, plain)
        htmls, html_slots = _taken_apart(html, marks, escaped)
        self._pieces = [_TEXT_HEAD, *_encoded(texts), _HTML_HEAD, *_encoded(htmls), _TAIL]
        self._text_slots = [(place + 1, slot) for place, slot in text_slots]
        self._html_slots = [(place + len(texts) + 2, slot) for place, slot in html_slots]
        source = CHUNK.join(plain) + PART + _ESCAPED.format(CHUNK.join(escaped))
        self._template = sandbox.compiled(source)

    def filled(self, told: Mapping[str, Any]) -> tuple[str, bytes]:
        plain, _, escaped = _run(self._template, told).partition(PART)
        texts, htmls = plain.split(CHUNK), escaped.split(CHUNK)
        out = self._pieces.copy()
        for slots, values in ((self._text_slots, texts), (self._html_slots, htmls)):
            ready = [quoted.value(one) if one else b"" for one in values]
            for place, slot in slots:
                out[place] = ready[slot]
        subject = self._subject.copy()
        for place, slot in self._subject_slots:
            subject[place] = texts[slot]
        return "".join(subject), b"".join(out)


class Flowing:
    def __init__(self, subject: str, html: str, text: str, marks: Marks) -> None:
        self._chunks: dict[str, bytes] = {}
        self._subjects: dict[str, str] = {}
        parts = (
            self._source(subject, marks, is_subject=True),
            _ESCAPED.format(self._source(html, marks)),
            self._source(text, marks),
        )
        self._template = sandbox.compiled(PART.join(parts))

    def filled(self, told: Mapping[str, Any]) -> tuple[str, bytes]:
        subject, html, text = _run(self._template, told).split(PART)
        known: dict[str, bytes] = {}
        mime = (_TEXT_HEAD, self._encoded(text, known), _HTML_HEAD, self._encoded(html, known), _TAIL)
        return self._subject(subject), b"".join(mime)

    def _source(self, marked: str, marks: Marks, *, is_subject: bool = False) -> str:
        """A template of numbers for what is static, and of what is filled in."""
        out = []
        for place, part in enumerate(_MARK.split(marked)):
            if place % 2:
                out.append(marks.pieces[int(part)].source)
                continue
            number = str(len(self._chunks) + len(self._subjects))
            if is_subject:
                self._subjects[number] = part
            else:
                self._chunks[number] = quoted.static(part)
            out.append(f"{CHUNK}{number}{AFTER}")
        return "".join(out)

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
            out += [self._subjects[number], filled]
        return "".join(out)


def _run(template: Template, told: Mapping[str, Any]) -> str:
    return "".join(template.root_render_func(template.new_context(dict(told))))


def _taken_apart(marked: str, marks: Marks, known: dict[str, int]) -> tuple[list[str], list[tuple[int, int]]]:
    """The static pieces, with an empty one wherever something is filled in; and at which places what is.

    known: what is filled in so far, each under its number.
    """
    pieces, slots = [], []
    for place, part in enumerate(_MARK.split(marked)):
        if place % 2:
            source = marks.pieces[int(part)].source
            slots.append((place, known.setdefault(source, len(known))))
        pieces.append("" if place % 2 else part)
    return pieces, slots


def _encoded(pieces: list[str]) -> list[bytes]:
    return [quoted.static(one) for one in pieces]
