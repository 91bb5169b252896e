"""What a model is asked to write about: words of a person, without what names people.

E-mail addresses and telephone numbers are known by their shape; names by a title, a greeting, a colleague's
account, or a list of first names that are no words. The same goes for a pair such as Ann & Tom. What is found
leaves as a placeholder, and comes back as itself.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.accounts.errors import Invalid
from apps.accounts.models import Membership
from apps.campaigns.content import sandbox
from apps.campaigns.content.links import LONGEST, is_link

LONGEST_TEXT = 2_000
LONGEST_WORD = 60
LONGEST_LABEL = 120
MOST_LINKS = 10
_NAMES = """
ada adam alan alex alexander alice amelia amy andrea andrew ann anna anne anthony ben benjamin beth
caroline charlotte chloe chris christian christina christopher claire daniel david deborah diana
donna edward elena elizabeth ella ellie emily emma eric eva fiona gareth gary george georgia hannah
harriet harry helen henry isabella isla jack jacob jake james jamie jane jason jennifer jenny
jessica joanna joe john jonathan joseph josh joshua julia julie karen kate katherine katie kelly
kevin laura lauren leah leo liam lisa louis louise lucas lucy luke maria martin mary matthew megan
michael michelle mohammed muhammad natalie nathan nicholas nicola noah nora oliver olivia oscar
patricia patrick paul peter philip phoebe rachel rebecca richard robert robin ryan sam samantha
samuel sarah sebastian simon sofia sophia sophie stephen steven stuart susan thomas tim tom tomas
victoria vincent wendy william zara zoe
"""
FIRST_NAMES = frozenset(_NAMES.split())
_WORD = r"[A-Z\u00c0-\u00de][\w'\u2019-]+"
_TITLED = re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Dame|Rev)\.?\s+({_WORD}(?:\s+{_WORD})?)")
_GREETED = re.compile(rf"\b(?:Dear|Hello|Hi)\s+({_WORD}(?:\s+{_WORD})?)")
_PAIR = re.compile(rf"\b({_WORD})\s+(&|and|und|et|y)\s+({_WORD})\b")
_NAMED = re.compile(rf"\b({_WORD})(?:\s+({_WORD}))?")


@dataclass(frozen=True, kw_only=True)
class Brief:
    """about: what to say. links: (label, address); a model sees their labels and picks one by its place."""

    about: str
    audience: str = ""
    goal: str = ""
    tone: str = ""
    language: str = "British English"
    links: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()

    @property
    def link_ids(self) -> list[str]:
        return [f"link_{place}" for place, _ in enumerate(self.links, 1)]

    def url(self, link_id: str) -> str:
        """Of a link by its id; empty for none that is known."""
        return dict(zip(self.link_ids, (url for _, url in self.links), strict=True)).get(link_id, "")

    def label(self, link_id: str) -> str:
        """Of a link by its id; empty for none that is known."""
        return dict(zip(self.link_ids, (label for label, _ in self.links), strict=True)).get(link_id, "")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def of(data: Mapping[str, Any]) -> Brief:
    """Raises Invalid, naming what cannot be used."""
    given = dict(data)
    links = tuple((str(label).strip(), str(url).strip()) for label, url in given.pop("links", ()))
    names = tuple(str(one).strip() for one in given.pop("names", ()))
    words = {name: sandbox.cleaned(str(value)).strip() for name, value in given.items()}
    words = {name: value for name, value in words.items() if value or name == "about"}
    if faults := dict(_faults(words, links, names)):
        raise Invalid(faults)
    return Brief(**words, links=links, names=names)


def _faults(
    words: Mapping[str, str], links: Sequence[tuple[str, str]], names: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    if not words.get("about"):
        yield "about", ["Say in a sentence or two what the message is about."]
    for name, value in words.items():
        most = LONGEST_TEXT if name == "about" else LONGEST_WORD if name in {"tone", "language"} else 300
        if len(value) > most:
            yield name, [f"At most {most:,} characters."]
    if len(links) > MOST_LINKS or not all(0 < len(label) <= LONGEST_LABEL for label, _ in links):
        yield "links", [f"At most {MOST_LINKS} links, each with a label of 1 to {LONGEST_LABEL} characters."]
    elif bad := [url[:80] for _, url in links if not is_link(url)]:
        yield "links", [f"{bad[0]!r} is no address; use https://…, at most {LONGEST:,} characters."]
    if len(names) > 50 or not all(0 < len(one) <= LONGEST_LABEL for one in names):
        yield "names", ["At most 50 names, each of 1 to 120 characters."]


def names_in(text: str) -> set[str]:
    """What reads as somebody's name."""
    found = {name for pattern in (_TITLED, _GREETED) for name in pattern.findall(text)}
    for first, between, second in _PAIR.findall(text):
        if between == "&" or {first.lower(), second.lower()} & FIRST_NAMES:
            found |= {first, second}
    for first, second in _NAMED.findall(text):
        if first.lower() in FIRST_NAMES:
            found |= {f"{first} {second}".strip(), first}
    return found


def names_of(brief: Brief) -> list[str]:
    """Every name in the brief: those that were said to be, those found, and colleagues'."""
    words = [brief.about, brief.audience, brief.goal, brief.tone, brief.language]
    told = " . ".join([*words, *(label for label, _ in brief.links)])
    colleagues = Membership.objects.exclude(user__name="").values_list("user__name", flat=True)
    mentioned = {name for name in colleagues if name.lower() in told.lower()}
    return sorted({*brief.names, *names_in(told), *mentioned})
