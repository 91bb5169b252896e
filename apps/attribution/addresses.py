"""Reading the address of a page: its host, its campaign labels and click ids, and what must not be kept."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus

CLICK_IDS = frozenset(
    {"gclid", "gbraid", "wbraid", "dclid", "fbclid", "li_fat_id", "ttclid", "twclid", "msclkid"}
)
UTM = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"})
HINTS = CLICK_IDS | UTM
REMOVED = "removed"

_PERSONAL_NAME = re.compile(
    r"(?:^|[^a-z])(?:e-?_?mail(?:_?address)?|phone(?:_?(?:number|no))?|tel|telephone|mobile(?:_?(?:number|no))?"
    r"|msisdn|(?:first|last|full|sur)[_-]?name|[fl]name|pass(?:word|wd)?|pwd|access_token)(?:$|[^a-z])|^name$"
)
_EMAIL = re.compile(r"[^\s/?#&=:;,<>\"'@]+(?:@|%40)[^\s/?#&=:;,<>\"'@]+\.[a-z]{2,}", re.IGNORECASE)
# International or trunk prefix and 8 to 15 more digits, or the North American 555-123-4567.
_PHONE = re.compile(r"(?:\+|00|0| )(?:[\s().-]*\d){8,15}|\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}")
_PHONE_STARTS = frozenset("+( 0123456789")


class Address(NamedTuple):
    """text: what may be kept. host: lower case, without www and port. hints: labels and click ids by name."""

    text: str
    host: str
    hints: dict[str, str]


NOWHERE = Address("", "", {})


def read(url: str) -> Address:
    """Take an address apart. E-mail addresses, phone numbers, names and passwords in it become "removed"."""
    if not url:
        return NOWHERE
    page, has_fragment, fragment = url.partition("#")
    place, has_query, query = page.partition("?")
    hints: dict[str, str] = {}
    place, host = _place(place)
    text = place
    if has_query:
        text += "?" + _pairs(query, hints)
    if has_fragment:
        text += "#" + (_pairs(fragment, hints) if "=" in fragment else _without_emails(fragment))
    return Address(text, host, hints)


def host_of(url: str) -> str:
    return read(url).host


@lru_cache(maxsize=8_192)
def _place(place: str) -> tuple[str, str]:
    """Scheme, host and path without user name and e-mail addresses; and the host."""
    scheme, has_scheme, rest = place.partition("://")
    if not has_scheme:
        scheme, rest = "", place
    authority, slash, path = rest.partition("/")
    if has_scheme and "@" in authority:
        authority = authority.rpartition("@")[2]
    host = _host(authority)
    return f"{scheme}{has_scheme}{_without_emails(authority)}{slash}{_without_emails(path)}", host


def _host(authority: str) -> str:
    name, _, port = authority.rpartition(":")
    host = (name if port.isdigit() and name else authority).lower().rstrip(".").removeprefix("www.")
    return host if ("." in host or host == "localhost") and " " not in host else ""


def _without_emails(text: str) -> str:
    return _EMAIL.sub(REMOVED, text) if "@" in text or "%40" in text else text


def _pairs(query: str, hints: dict[str, str]) -> str:
    kept = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if value:
            plain = _unquoted(value)
            lowered = name.lower()
            if lowered in CLICK_IDS:
                hints[lowered] = plain
            elif _is_personal(lowered, plain):
                part = f"{_without_emails(name)}={REMOVED}"
            elif lowered in UTM:
                hints[lowered] = plain
        elif "@" in part or "%40" in part:
            part = _without_emails(part)
        kept.append(part)
    return "&".join(kept)


def _unquoted(value: str) -> str:
    """Decoded as often as it was encoded, twice at most."""
    if "%" in value or "+" in value:
        value = unquote_plus(value)
        if "%" in value:
            value = unquote_plus(value)
        value = value.replace("\x00", "").strip()
    return value


def _is_personal(name: str, value: str) -> bool:
    if _is_personal_name(name) or ("@" in value and _EMAIL.search(value)):
        return True
    return value[:1] in _PHONE_STARTS and _PHONE.fullmatch(value.rstrip()) is not None


@lru_cache(maxsize=4096)
def _is_personal_name(name: str) -> bool:
    return name not in HINTS and _PERSONAL_NAME.search(unquote_plus(name)) is not None
