"""Who follows a link: a person, or a machine that looks at what was sent to somebody.

Mail scanners follow every link within seconds of delivery, and privacy proxies load every picture. What they
do says nothing of the person. One sign is enough, since a person who is taken for a machine costs one click,
and a machine that is taken for a person spoils a whole comparison.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

# No link that a person sees has this number: it stands in a message for whoever follows them all.
HONEYPOT = 0
# Links of one message that are followed within so many seconds are followed by a machine,
BURST_SECONDS = 10.0
# if they are so many, or all that there are.
BURST_LINKS = 3
# Nobody has opened, read and followed so soon after the provider took the message.
SOONEST_SECONDS = 2.0
# What is followed so long before or after the honeypot is followed by the same machine.
HONEYPOT_SECONDS = 60.0

PREFETCH, HEAD, SCANNER, PROXY, PROGRAM = "prefetch", "head", "scanner", "proxy", "program"
HONEYPOT_FOLLOWED, EVERY_LINK, TOO_SOON = "honeypot", "every link", "too soon"

_PREFETCH = {
    "purpose": "prefetch",
    "sec-purpose": "prefetch",
    "x-purpose": "preview",
    "x-moz": "prefetch",
}
# Security gateways and link previews that say who they are.
_SCANNERS = re.compile(
    r"barracuda|proofpoint|mimecast|safelinks|microsoft office|ms-office|msoffice|exchangeservicebot"
    r"|bingpreview|skypeuripreview|slackbot|facebookexternalhit|twitterbot|linkedinbot|whatsapp|telegrambot"
    r"|discordbot|cisco|ironport|forcepoint|symantec|messagelabs|trendmicro|fireeye|sophos|zscaler|checkpoint"
    r"|avanan|abnormal|urldefense|cloudmark|virustotal|spamhaus|urlscan|googlebot|google-safety|bingbot"
    r"|yandexbot|applebot|duckduckbot|ahrefsbot|headlesschrome|phantomjs|crawler|spider|scanner|\bbot\b",
    re.IGNORECASE,
)
_PROXIES = re.compile(
    r"googleimageproxy|ggpht\.com|yahoomailproxy|ymailproxy|duckduckgo-email", re.IGNORECASE
)
_PROGRAMS = re.compile(
    r"^(curl|wget|python|java|go-http|okhttp|libwww|ruby|php|perl|axios|node|httpie|aiohttp|apache-httpclient"
    r"|guzzle|dart|powershell|winhttp)",
    re.IGNORECASE,
)
# Apple's Mail Privacy Protection loads pictures under a user agent that says no more than this.
_BARE = re.compile(r"^mozilla/5\.0$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What a request shows of who makes it. headers: names in lower case."""

    method: str = "GET"
    user_agent: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Click:
    """A link of one message that was followed. at_seconds: on any clock, the same for all of a message."""

    link: int
    at_seconds: float


def by_signs(signs: Signs) -> str:
    """Why a request is taken for a machine's, by what it shows alone; empty where it may be a person's."""
    if signs.method == "HEAD":
        return HEAD
    if any(word in signs.headers.get(name, "").lower() for name, word in _PREFETCH.items()):
        return PREFETCH
    return _by_user_agent(signs.user_agent.strip())


def _by_user_agent(name: str) -> str:
    if _PROXIES.search(name) or _BARE.match(name):
        return PROXY
    if _SCANNERS.search(name):
        return SCANNER
    return PROGRAM if not name or _PROGRAMS.match(name) else ""


def by_behaviour(
    clicks: Sequence[Click], *, links: Collection[int], delivered_seconds: float | None
) -> list[str]:
    """Why each of a message's clicks is taken for a machine's; empty for those that may be a person's.

    links: the numbers of all links of the message, without the honeypot. delivered_seconds: when its provider
    took it, on the clock of the clicks; None where that is not known. Answers aligned with clicks, which may
    come in any order.
    """
    return [_behaviour_of(one, clicks, set(links), delivered_seconds) for one in clicks]


def _behaviour_of(
    one: Click, clicks: Sequence[Click], links: set[int], delivered_seconds: float | None
) -> str:
    if any(c.link == HONEYPOT and _are_within(HONEYPOT_SECONDS, c, one) for c in clicks):
        return HONEYPOT_FOLLOWED
    if delivered_seconds is not None and one.at_seconds - delivered_seconds < SOONEST_SECONDS:
        return TOO_SOON
    return EVERY_LINK if _is_in_burst(one, clicks, links) else ""


def _is_in_burst(one: Click, clicks: Sequence[Click], links: set[int]) -> bool:
    """Is there a stretch of BURST_SECONDS with this click in it, in which a machine's number of links was
    followed? It is enough to look at the stretches that begin at a click.
    """
    starts = [c.at_seconds for c in clicks if 0 <= one.at_seconds - c.at_seconds <= BURST_SECONDS]
    return any(_is_a_machines(_followed_from(start, clicks), links) for start in starts)


def _followed_from(start: float, clicks: Sequence[Click]) -> set[int]:
    return {c.link for c in clicks if 0 <= c.at_seconds - start <= BURST_SECONDS}


def _is_a_machines(followed: set[int], links: set[int]) -> bool:
    return len(followed) >= BURST_LINKS or (len(followed) > 1 and followed >= links)


def _are_within(seconds: float, one: Click, other: Click) -> bool:
    return abs(one.at_seconds - other.at_seconds) <= seconds
