"""What readers and filters would hold against a text: structure, descriptions, links, tone."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from apps.campaigns.content.body import Bit
from apps.campaigns.content.faults import ADVICE, ERROR, Fault
from apps.campaigns.content.links import is_link
from apps.campaigns.models import Content

LONGEST_PREHEADER = 140
LEAST_WORDS = 5
MOST_LINKS = 100
VAGUE = {"click here", "here", "this", "link", "read more", "more", "learn more", "click", "this link"}
# Words that filters of old counted, and readers still do.
LOUD = (
    *("100% free", "act now", "buy now", "cash bonus", "cheap", "click below", "congratulations"),
    *("double your", "earn extra", "free money", "guaranteed", "limited time only", "lowest price"),
    *("make money", "no obligation", "once in a lifetime", "order now", "risk-free", "this is not spam"),
    *("urgent", "winner", "you have been selected", "£££", "$$$", "€€€"),
)
_SHOUTED = re.compile(r"\b[A-Z]{4,}\b")
_FILLED_IN = re.compile(r"\{[{%].*?[%}]\}")


def of_links(content: Content, urls: Sequence[str]) -> Iterator[Fault]:
    """urls: those of the body."""
    if content.cta_label and not content.cta_url:
        yield Fault(ERROR, "button", "The button leads nowhere. Give its address, or take its label away.")
    if content.cta_url and not content.cta_label:
        yield Fault(ERROR, "button", "The button has no words.")
    every = [*urls, content.cta_url] if content.cta_url else list(urls)
    for url in every:
        yield from _of_link(url)
    if len(set(every)) > MOST_LINKS:
        yield Fault(ERROR, "links", f"There are more than {MOST_LINKS} different links.")
    if not every:
        yield Fault(ADVICE, "links", "There is nothing to click, so nobody can be seen to act on it.")


def _of_link(url: str) -> Iterator[Fault]:
    if not is_link(url):
        words = (
            f"{url[:80]!r} cannot be followed from a message. Use a whole address that begins with https:// "
            "and holds no password or merge field."
        )
        yield Fault(ERROR, "links", words)
    elif url.startswith("http://"):
        yield Fault(ADVICE, "links", f"{url[:80]} is not encrypted. Use https:// where the site has it.")


def of_images(images: Sequence[dict[str, str]]) -> Iterator[Fault]:
    for image in images:
        src = image.get("src", "")
        if not is_link(src):
            words = f"The image {src[:80]!r} is not on the web. Give its https:// address."
            yield Fault(ERROR, "images", words)
        if not image.get("alt", "").strip():
            words = f"The image {src[-60:]!r} has no description for those who cannot see it: ![…](address)."
            yield Fault(ADVICE, "images", words)


def of_structure(bits: Sequence[Bit]) -> Iterator[Fault]:
    """Headings in order, and links that say where they lead."""
    levels = [
        int(bit.text[1]) for bit in bits if bit.kind == "start" and bit.text in {"h1", "h2", "h3", "h4"}
    ]
    for above, level in pairwise(levels):
        if level > above + 1:
            yield Fault(ADVICE, "headings", f"A heading of level {level} follows one of level {above}.")
    for words in _link_texts(bits):
        if not words:
            yield Fault(ADVICE, "links", "A link has no words.")
        elif words.strip(" .!→").lower() in VAGUE:
            told = f"“{words}” does not say where it leads to somebody who hears it alone."
            yield Fault(ADVICE, "links", told)


def _link_texts(bits: Sequence[Bit]) -> Iterator[str]:
    inside: list[str] | None = None
    for bit in bits:
        if (bit.kind, bit.text) == ("start", "a"):
            inside = []
        elif inside is not None and (bit.kind, bit.text) == ("end", "a"):
            yield " ".join("".join(inside).split())
            inside = None
        elif inside is not None:
            inside.append(bit.text if bit.kind == "text" else bit.attributes.get("alt", ""))


def of_tone(content: Content) -> Iterator[Fault]:
    subject = _FILLED_IN.sub("", content.subject)
    everything = f"{content.subject} {content.preheader} {content.body}".lower()
    if _SHOUTED.search(subject):
        yield Fault(ADVICE, "subject", "Words in capitals read as shouting, to people and to filters.")
    if "!!" in everything or subject.count("!") > 1:
        yield Fault(ADVICE, "tone", "Several exclamation marks read as spam.")
    if loud := [one for one in LOUD if one in everything]:
        yield Fault(ADVICE, "tone", f"Filters and readers distrust: {', '.join(loud[:5])}.")
    if len(content.body.split()) < LEAST_WORDS:
        yield Fault(ADVICE, "body", "A message of so few words looks like a mistake.")


def of_preheader(content: Content) -> Iterator[Fault]:
    if len(content.preheader) > LONGEST_PREHEADER:
        words = f"What is longer than {LONGEST_PREHEADER} characters is not shown."
        yield Fault(ADVICE, "preheader", words)
    if not content.preheader.strip():
        yield Fault(ADVICE, "preheader", "Without a preheader, programs show how the body begins.")
