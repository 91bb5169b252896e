"""What a language model need not know of people: names, addresses and numbers go out as placeholders and come
back as themselves.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Nine digits or more, with or without their country; a day is none.
PHONE = re.compile(r"(?<![\w+])(?!\d{4}-\d\d-\d\d)\+?\(?\d(?:[ ().-]{0,2}\d){8,14}(?!\w)")
DIGITS_OF_ONE = 9
SHORTEST_NAME = 2


def reached(text: str) -> set[str]:
    """How somebody can be reached by the text: addresses in small letters, numbers by their last digits,
    which are the same with and without their country.
    """
    addresses = {found.lower() for found in EMAIL.findall(text)}
    numbers = PHONE.findall(EMAIL.sub(" ", text))
    return addresses | {re.sub(r"\D", "", found)[-DIGITS_OF_ONE:] for found in numbers}


class Placeholders:
    """Takes personal data out of texts and puts it back. The same thing has the same placeholder."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        known = {name.strip() for name in names if len(name.strip()) >= SHORTEST_NAME}
        self._names = sorted(known, key=lambda name: (-len(name), name))
        self._of: dict[str, str] = {}

    def hide(self, text: str) -> str:
        text = EMAIL.sub(lambda found: self._placeholder("EMAIL", found.group()), text)
        text = PHONE.sub(lambda found: self._placeholder("PHONE", found.group()), text)
        for name in self._names:
            text = re.sub(
                rf"(?<!\w){re.escape(name)}(?!\w)",
                lambda found: self._placeholder("NAME", found.group()),
                text,
                flags=re.IGNORECASE,
            )
        return text

    def show(self, found: Any) -> Any:
        """The text, or every text of the document, as it was meant."""
        if isinstance(found, str):
            for original, placeholder in self._of.items():
                found = found.replace(placeholder, original)
            return found
        if isinstance(found, Mapping):
            return {key: self.show(value) for key, value in found.items()}
        return [self.show(one) for one in found] if isinstance(found, list) else found

    def _placeholder(self, kind: str, original: str) -> str:
        number = 1 + sum(known.startswith(f"[[{kind}_") for known in self._of.values())
        return self._of.setdefault(original, f"[[{kind}_{number}]]")
