"""The body: Markdown with a little HTML, cleaned, with the places that are filled in kept as marks.

Markdown comes first and values last: what a value holds is never read as Markdown, HTML or template.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import nh3
from markdown_it import MarkdownIt

from apps.campaigns.content.sandbox import BadTemplate, Piece

OPEN, CLOSE = "\ue000", "\ue001"
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
ENCODED_MARK = re.compile("%EE%80%80", re.IGNORECASE)
_ALONE = re.compile(f"^[ \\t]*({OPEN}\\d+{CLOSE})[ \\t]*$", re.MULTILINE)
_PARAGRAPH = re.compile(f"<p>((?:{OPEN}\\d+{CLOSE}\\s*)+)</p>")
TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "hr", "i", "img"),
    *("ins", "li", "ol", "p", "pre", "s", "small", "strong", "sub", "sup", "u", "ul"),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
}
VOID = {"br", "hr", "img"}
STARTS, BETWEEN, ENDS = {"if", "for"}, {"elif", "else"}, {"endif", "endfor"}
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Bit:
    """start or end of an element, or text with marks in it."""

    kind: str
    text: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Marks:
    """The places of a content that are filled in, each with its number."""

    pieces: list[Piece] = field(default_factory=list)

    def marked(self, pieces: Sequence[Piece]) -> str:
        return "".join(one.source if one.kind == "text" else self._mark(one) for one in pieces)

    def _mark(self, piece: Piece) -> str:
        self.pieces.append(piece)
        return f"{OPEN}{len(self.pieces) - 1}{CLOSE}"

    def is_block(self, number: str) -> bool:
        return self.pieces[int(number)].kind == "block"


@dataclass(frozen=True)
class Body:
    """bits: what is shown, in order. links, images: as they were written, before anything was taken out."""

    bits: list[Bit]
    links: list[str]
    images: list[dict[str, str]]


def read(pieces: Sequence[Piece], marks: Marks) -> Body:
    """Raises BadTemplate where a statement or field stands in a place that cannot hold it."""
    first = len(marks.pieces)
    source = _ALONE.sub(lambda found: _apart(found, marks), marks.marked(pieces))
    html = _MARKDOWN.render(source)
    raw = _bits(html)
    clean = nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https"}, link_rel=None)
    clean = _PARAGRAPH.sub(lambda found: _unwrapped(found, marks), clean)
    bits = _bits(clean)
    _check_marks(bits, range(first, len(marks.pieces)))
    _check_blocks(bits, marks)
    return Body(
        bits,
        [one.attributes.get("href", "") for one in raw if (one.kind, one.text) == ("start", "a")],
        [one.attributes for one in raw if (one.kind, one.text) == ("start", "img")],
    )


def _apart(found: re.Match[str], marks: Marks) -> str:
    """A statement that has its line for itself ends what stands before it."""
    number = found.group(1).strip(OPEN + CLOSE)
    return f"\n{found.group(1)}\n" if marks.is_block(number) else found.group()


def _unwrapped(found: re.Match[str], marks: Marks) -> str:
    inner = found.group(1)
    return inner if all(marks.is_block(one) for one in MARK.findall(inner)) else found.group()


def _check_marks(bits: Sequence[Bit], expected: Iterable[int]) -> None:
    """Each mark once and in order, in texts and descriptions of images alone."""
    for one in bits:
        for name, value in one.attributes.items():
            if name != "alt" and (OPEN in value or ENCODED_MARK.search(value)):
                raise BadTemplate(f"The {name} of a {one.text} element cannot hold a merge field.")
    found = [int(number) for one in bits for number in MARK.findall(_words(one))]
    if found != list(expected):
        raise BadTemplate(
            "A merge field or statement stands inside a tag or a link's address, or the HTML around it is "
            "broken. Put it into the text."
        )


def _words(bit: Bit) -> str:
    return bit.attributes.get("alt", "") if bit.kind == "start" else bit.text if bit.kind == "text" else ""


def _check_blocks(bits: Sequence[Bit], marks: Marks) -> None:
    """A statement begins and ends in the same element, or what it leaves out would break the rest."""
    opened: list[int] = []
    blocks: list[list[int]] = []
    for place, bit in enumerate(bits):
        if bit.kind == "start" and bit.text not in VOID:
            opened.append(place)
        elif bit.kind == "end":
            opened.pop()
        for number in MARK.findall(_words(bit)):
            _step(blocks, opened, marks.pieces[int(number)])


def _step(blocks: list[list[int]], opened: list[int], piece: Piece) -> None:
    if piece.word in STARTS and piece.kind == "block":
        blocks.append(list(opened))
    elif piece.word in BETWEEN | ENDS and piece.kind == "block":
        if blocks and blocks[-1] != opened:
            raise BadTemplate(
                f"{piece.source} stands in another paragraph or list item than the statement that it belongs "
                "to. Give each statement a line of its own, or keep both in one sentence."
            )
        if piece.word in ENDS and blocks:
            blocks.pop()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.bits: list[Bit] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bits.append(Bit("start", tag, {name: value or "" for name, value in attrs}))

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.bits.append(Bit("end", tag))

    def handle_data(self, data: str) -> None:
        self.bits.append(Bit("text", data))


def _bits(html: str) -> list[Bit]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.bits
