"""How a message looks: one column of tables that mail programs draw, light and dark; and its plain text.

Colours stand in the elements for programs that drop style sheets, and again in one for dark ones. All pairs
have a contrast of 4.5 to 1 or more.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from apps.campaigns.content.body import CLOSE, OPEN, Bit

FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
INK, QUIET, PAPER, CARD, LINE, BRAND, ON_BRAND = (
    "#1f2430",
    "#5a6272",
    "#f3f4f6",
    "#ffffff",
    "#d9dce3",
    "#24538f",
    "#ffffff",
)
DARK_INK, DARK_QUIET, DARK_PAPER, DARK_CARD, DARK_LINE, DARK_BRAND, DARK_ON_BRAND = (
    "#e8eaef",
    "#a9b0bf",
    "#14161b",
    "#1d2027",
    "#3a3f4b",
    "#9cc2f5",
    "#10213a",
)
# (ink, ground) of all text.
PAIRS = (
    (INK, CARD),
    (QUIET, PAPER),
    (BRAND, CARD),
    (BRAND, PAPER),
    (ON_BRAND, BRAND),
    (DARK_INK, DARK_CARD),
    (DARK_QUIET, DARK_PAPER),
    (DARK_BRAND, DARK_CARD),
    (DARK_BRAND, DARK_PAPER),
    (DARK_ON_BRAND, DARK_BRAND),
)
STYLES = {
    "p": "margin:0 0 16px",
    "h1": "margin:0 0 16px;font-size:26px;line-height:32px;font-weight:700",
    "h2": "margin:24px 0 12px;font-size:20px;line-height:26px;font-weight:700",
    "h3": "margin:20px 0 8px;font-size:17px;line-height:24px;font-weight:700",
    "h4": "margin:16px 0 8px;font-size:16px;line-height:24px;font-weight:700",
    "a": f"color:{BRAND};text-decoration:underline",
    "ul": "margin:0 0 16px;padding:0 0 0 24px",
    "ol": "margin:0 0 16px;padding:0 0 0 24px",
    "li": "margin:0 0 6px",
    "blockquote": f"margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid {LINE}",
    "img": "display:block;max-width:100%;height:auto;border:0",
    "hr": f"margin:24px 0;border:0;border-top:1px solid {LINE}",
    "pre": "margin:0 0 16px;white-space:pre-wrap;font-family:Menlo,Consolas,monospace;font-size:14px",
    "code": "font-family:Menlo,Consolas,monospace;font-size:14px",
    "table": "margin:0 0 16px;border-collapse:collapse",
    "td": f"padding:6px 12px 6px 0;border-bottom:1px solid {LINE};text-align:left;vertical-align:top",
    "th": f"padding:6px 12px 6px 0;border-bottom:2px solid {LINE};text-align:left;vertical-align:top",
}
CLASSES = {"a": "bw-a", "hr": "bw-line", "blockquote": "bw-line", "td": "bw-line", "th": "bw-line"}
SHEET = f"""
:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}
@media (max-width: 620px) {{
.bw-card {{ padding: 24px 20px !important; }}
.bw-out {{ padding: 0 !important; }}
}}
@media (prefers-color-scheme: dark) {{
.bw-paper {{ background: {DARK_PAPER} !important; }}
.bw-card {{ background: {DARK_CARD} !important; color: {DARK_INK} !important; }}
.bw-quiet {{ color: {DARK_QUIET} !important; }}
.bw-line {{ border-color: {DARK_LINE} !important; }}
.bw-a {{ color: {DARK_BRAND} !important; }}
.bw-button {{ background: {DARK_BRAND} !important; }}
.bw-button a {{ color: {DARK_ON_BRAND} !important; }}
}}
"""
_SPACES = re.compile(r"[ \t\n]+")
_EACH_MARK = re.compile(f"({OPEN}\\d+{CLOSE})")
# Fills what programs show after the first line, so that they do not show the body there.
FILLER = "&#847;&zwnj;&nbsp;" * 40
Link = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around the body. Addresses may hold the mark of the message's token."""

    language: str = "en-GB"
    sender: str
    postal_address: str
    why: str
    unsubscribe: str
    preferences: str
    pixel: str = ""


def html(bits: Sequence[Bit], *, preheader: str, button: tuple[str, str], frame: Frame, link: Link) -> str:
    """The whole document. preheader and button may hold marks; link: the address that stands for one."""
    return "".join(
        (
            f'<!doctype html>\n<html lang="{escape(frame.language)}" dir="ltr">\n<head>\n'
            '<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            '<meta name="supported-color-schemes" content="light dark">\n'
            f"<title>{escape(frame.sender)}</title>\n<style>{SHEET}</style>\n</head>\n"
            f'<body class="bw-paper" style="margin:0;padding:0;background:{PAPER}">\n',
            _preheader(preheader),
            '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">\n'
            '<tr><td class="bw-out bw-paper" align="center" '
            f'style="padding:24px 12px;background:{PAPER}">\n'
            '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" '
            'style="max-width:600px">\n<tr><td class="bw-card" '
            f'style="padding:32px;background:{CARD};color:{INK};font-family:{FONT};font-size:16px;'
            'line-height:24px;text-align:left;border-radius:8px">\n',
            _body(bits, link),
            _button(*button, link),
            "</td></tr>\n",
            _footer(frame),
            "</table>\n</td></tr>\n</table>\n",
            f'<img src="{escape(frame.pixel)}" width="1" height="1" alt="" style="display:block">\n'
            if frame.pixel
            else "",
            "</body>\n</html>\n",
        )
    )


def _preheader(words: str) -> str:
    if not words:
        return ""
    hidden = (
        "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;font-size:1px;"
        f"line-height:1px;color:{PAPER}"
    )
    return f'<div style="{hidden}">{escape(words, quote=False)}{FILLER}</div>\n'


def _body(bits: Sequence[Bit], link: Link) -> str:
    return "".join(_drawn(bit, link) for bit in bits)


def _drawn(bit: Bit, link: Link) -> str:
    if bit.kind == "text":
        return escape(bit.text, quote=False)
    if bit.kind == "end":
        return f"</{bit.text}>"
    given = dict(bit.attributes)
    if "href" in given:
        given["href"] = link(given["href"])
    if bit.text == "img":
        given.setdefault("alt", "")
    if bit.text == "table":
        given |= {"cellpadding": "0", "cellspacing": "0"}
    given |= {"class": CLASSES[bit.text]} if bit.text in CLASSES else {}
    given |= {"style": STYLES[bit.text]} if bit.text in STYLES else {}
    written = "".join(f' {name}="{escape(value)}"' for name, value in given.items())
    return f"<{bit.text}{written}>"


def _button(label: str, url: str, link: Link) -> str:
    if not label or not url:
        return ""
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:8px 0 16px">'
        f'<tr><td class="bw-button" style="background:{BRAND};border-radius:6px">'
        f'<a href="{escape(link(url))}" style="display:inline-block;padding:13px 24px;color:{ON_BRAND};'
        f'font-family:{FONT};font-size:16px;line-height:22px;font-weight:600;text-decoration:none">'
        f"{escape(label, quote=False)}</a></td></tr></table>\n"
    )


def _footer(frame: Frame) -> str:
    address = ", ".join(line.strip() for line in frame.postal_address.splitlines() if line.strip())
    style = f"color:{BRAND};text-decoration:underline"
    return (
        f'<tr><td class="bw-quiet" style="padding:20px 32px;color:{QUIET};font-family:{FONT};font-size:13px;'
        'line-height:20px;text-align:left">\n'
        f'<p style="margin:0 0 8px">{escape(frame.why, quote=False)}</p>\n'
        f'<p style="margin:0 0 8px"><a class="bw-a" href="{escape(frame.unsubscribe)}" style="{style}">'
        f'Unsubscribe</a> &middot; <a class="bw-a" href="{escape(frame.preferences)}" style="{style}">'
        "Choose what you get</a></p>\n"
        f'<p style="margin:0"><strong>{escape(frame.sender, quote=False)}</strong>'
        f"{'<br>' + escape(address, quote=False) if address else ''}</p>\n</td></tr>\n"
    )


def text(
    bits: Sequence[Bit],
    *,
    button: tuple[str, str],
    frame: Frame,
    link: Link,
    is_block: Callable[[str], bool],
) -> str:
    """The same words without any drawing; addresses stand behind what they are of.

    is_block: whether the mark of a number is a statement.
    """
    writer = _Writer(link, is_block)
    for bit in bits:
        writer.take(bit)
    label, url = button
    parts = [writer.done()]
    if label and url:
        parts.append(f"{label}:\n{link(url)}")
    address = "\n".join(line.strip() for line in frame.postal_address.splitlines() if line.strip())
    parts.append(
        f"-- \n{frame.why}\nUnsubscribe: {frame.unsubscribe}\nChoose what you get: {frame.preferences}"
    )
    parts.append("\n".join(one for one in (frame.sender, address) if one))
    return "\n\n".join(one for one in parts if one) + "\n"


BREAKS = {"p", "h1", "h2", "h3", "h4", "blockquote", "ul", "ol", "pre", "table", "hr"}


class _Writer:
    """Words in order, with the breaks that elements mean. Statements take no room: whether what they hold is
    said or not, the lines around it stay as they are.
    """

    def __init__(self, link: Link, is_block: Callable[[str], bool]) -> None:
        self.link, self.is_block = link, is_block
        self.out: list[str] = []
        self.lists: list[int] = []
        self.hrefs: list[str] = []
        self.is_pre = self.owes_space = self.is_after_bullet = False
        # Line ends at the end of what was said; as if there were two at the beginning.
        self.lines = 2

    def take(self, bit: Bit) -> None:
        if bit.kind == "text":
            self._say(bit.text if self.is_pre else _SPACES.sub(" ", bit.text))
        elif bit.kind == "start":
            self._start(bit)
        else:
            self._end(bit.text)

    def done(self) -> str:
        return "".join(self.out).rstrip("\n ")

    def _start(self, bit: Bit) -> None:
        tag = bit.text
        if tag in BREAKS:
            self._break(1 if self.lists else 2)
        self._open(bit)
        if tag == "img" and bit.attributes.get("alt"):
            self._say(f"[{bit.attributes['alt']}]")
        elif tag in {"br", "tr"}:
            self._break(1)
        elif tag == "hr":
            self._say("----")
            self._break(2)
        elif tag in {"td", "th"} and not self.lines:
            self._say(" | ")

    def _open(self, bit: Bit) -> None:
        if bit.text == "a":
            self.hrefs.append(bit.attributes.get("href", ""))
        elif bit.text == "pre":
            self.is_pre = True
        elif bit.text in {"ul", "ol"}:
            self.lists.append(int(bit.text == "ol"))
        elif bit.text == "li" and self.lists:
            self._break(1)
            self._put("  " * (len(self.lists) - 1) + self._bullet())
            self.is_after_bullet = True

    def _bullet(self) -> str:
        number = self.lists[-1]
        self.lists[-1] += bool(number)
        return f"{number}. " if number else "- "

    def _end(self, tag: str) -> None:
        if tag == "a" and (href := self.hrefs.pop()):
            self._say(f" ({self.link(href)})")
        elif tag == "pre":
            self.is_pre = False
        elif tag in {"ul", "ol"}:
            self.lists.pop()
        if tag in BREAKS:
            self._break(1 if self.lists else 2)

    def _say(self, words: str) -> None:
        for part in _EACH_MARK.split(words):
            if part[:1] == OPEN and self.is_block(part.strip(OPEN + CLOSE)):
                self.out.append(part)
            else:
                self._flow(part)

    def _flow(self, words: str) -> None:
        """Words after what was said: no space begins a line, and none ends it."""
        if self.is_pre:
            self._put(words)
            return
        if self.lines or self.is_after_bullet:
            words = words.lstrip(" ")
        if not words:
            return
        is_apart = self.owes_space or words[0] == " "
        self.owes_space = words[-1] == " "
        if bare := words.strip(" "):
            self._put(f" {bare}" if is_apart and not self.is_after_bullet else bare)

    def _put(self, words: str) -> None:
        if words:
            self.out.append(words)
            self.lines = len(words) - len(words.rstrip("\n"))
            self.is_after_bullet = False

    def _break(self, lines: int) -> None:
        """At least so many line ends."""
        self.owes_space = False
        if self.lines < lines and not self.is_after_bullet:
            self._put("\n" * (lines - self.lines))
            self.lines = lines
