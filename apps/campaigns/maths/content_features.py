"""What can be counted in a message's words, scaled so that most lie between -1 and 1."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OF_SUBJECT = (
    "subject_length",
    "subject_question",
    "subject_number",
    "subject_personal",
    "subject_emoji",
    "subject_exclamation",
    "has_preheader",
)
OF_BODY = ("body_words", "links", "has_button", "images", "body_personal")
# The middle and the half-width of lengths and counts.
SUBJECT_LENGTH = (45.0, 25.0)
LOG_WORDS = (5.0, 1.0)
LINKS = (4.0, 4.0)
IMAGES = (1.5, 1.5)
_FILLED_IN = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(|<a\s", re.IGNORECASE)
_IMAGE = re.compile(r"!\[[^\]]*\]\(|<img\s", re.IGNORECASE)
_EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A variant as it was written: templates and Markdown."""

    subject: str
    preheader: str
    body: str
    has_button: bool


def of_subject(text: Text) -> NDArray[np.float64]:
    """Shape (7,), in the order of OF_SUBJECT."""
    plain = _FILLED_IN.sub("name", text.subject)
    return np.array(
        [
            _scaled(len(plain), SUBJECT_LENGTH),
            _sign("?" in plain),
            _sign(any(map(str.isdigit, plain))),
            _sign("{{" in text.subject),
            _sign(bool(_EMOJI.search(plain))),
            _sign("!" in plain),
            _sign(bool(text.preheader.strip())),
        ]
    )


def of_all(text: Text) -> NDArray[np.float64]:
    """Shape (12,), in the order of OF_SUBJECT and OF_BODY."""
    plain = _STATEMENT.sub("", text.body)
    body = [
        _scaled(float(np.log1p(len(plain.split()))), LOG_WORDS),
        _scaled(len(_LINK.findall(plain)), LINKS),
        _sign(text.has_button),
        _scaled(len(_IMAGE.findall(plain)), IMAGES),
        _sign("{{" in text.body),
    ]
    return np.concatenate([of_subject(text), body])


def _sign(is_so: bool) -> float:
    return 0.5 if is_so else -0.5


def _scaled(value: float, scale: tuple[float, float]) -> float:
    """Never beyond 2: one odd text must not carry a prediction away."""
    middle, half = scale
    return float(np.clip((value - middle) / half, -2, 2))
