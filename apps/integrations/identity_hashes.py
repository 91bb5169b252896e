"""Identifiers made plain and hashed as each destination wants them.

The rules differ, so nothing hashed is ever stored: what is known stays sealed as it is, and is hashed on its
way out. An empty value has no hash, and what is a hash already stays one.
"""

import hashlib
import re
from collections.abc import Callable

import phonenumbers

HASH = re.compile(r"[0-9a-fA-F]{64}")
# Google's mailboxes ignore dots.
DOTLESS = {"gmail.com", "googlemail.com"}
LONGEST_PHONE = 15

Normalise = Callable[[str], str | None]


def hashed(value: str | None, normalise: Normalise) -> str | None:
    """SHA-256 in lower-case hexadecimal of the normal form; None where there is none."""
    text = (value or "").strip()
    if HASH.fullmatch(text):
        return text.lower()
    normal = normalise(text) if text else None
    return hashlib.sha256(normal.encode()).hexdigest() if normal else None


def email(text: str) -> str | None:
    """Trimmed and in lower case."""
    normal = text.strip().lower()
    local, at, domain = normal.partition("@")
    return normal if local and at and "." in domain else None


def google_email(text: str) -> str | None:
    """The same, without the dots that a mailbox at Google ignores."""
    normal = email(text)
    if normal is None:
        return None
    local, _, domain = normal.rpartition("@")
    return f"{local.replace('.', '')}@{domain}" if domain in DOTLESS else normal


def e164(text: str, *, region: str = "") -> str | None:
    """+ and digits with the country; None for a national number of nobody knows which country.

    region: two letters of the country in which numbers without one are read.
    """
    number = re.sub(r"^\s*00", "+", text)
    try:
        parsed = phonenumbers.parse(number, region.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    normal = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return normal if len(normal) <= LONGEST_PHONE + 1 else None


def phone(region: str = "") -> Normalise:
    """Google, TikTok, X: E.164 with its plus."""
    return lambda text: e164(text, region=region)


def bare_phone(region: str = "") -> Normalise:
    """Meta: the same without the plus."""
    return lambda text: (e164(text, region=region) or "").removeprefix("+") or None


def name(text: str) -> str | None:
    """Lower case without spaces and punctuation, in the letters it is written in."""
    return "".join(letter for letter in text.lower() if letter.isalpha()) or None


city = name


def state(text: str) -> str | None:
    return "".join(letter for letter in text.lower() if letter.isalnum()) or None


def postal_code(text: str) -> str | None:
    """Lower case without spaces; of a ZIP code of nine digits the first five."""
    return re.sub(r"\s", "", text.lower()).partition("-")[0] or None


def country(text: str) -> str | None:
    """Two letters in lower case."""
    normal = text.strip().lower()
    return normal if re.fullmatch(r"[a-z]{2}", normal) else None


def plain(text: str) -> str | None:
    """An id of the customer's own: as it is, trimmed."""
    return text.strip() or None
