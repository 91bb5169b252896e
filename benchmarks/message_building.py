"""Claim: a message of 12 kB with 12 links costs at most 70 microseconds of CPU to fill in and encode.

    PYTHONPATH=. .venv/bin/python benchmarks/message_building.py [--messages 4000]

Ours: values in, one multipart message as bytes out, its headers included. Against the same words through
the standard library's EmailMessage, through Django's EmailMultiAlternatives, and through a Django template,
in turns in the same run, so that a busy machine slows all of them alike.
"""

import argparse
import os
import time
from collections.abc import Callable
from email.message import EmailMessage

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.mail import EmailMultiAlternatives  # noqa: E402
from django.template import Context, Template  # noqa: E402

from apps.campaigns.content import headers, merge_fields  # noqa: E402
from apps.campaigns.content.layout import Frame  # noqa: E402
from apps.campaigns.content.letters import CONTENT_TYPE, Letter, Words, tracked  # noqa: E402
from apps.campaigns.message_tokens import Tokens  # noqa: E402
from benchmarks._measure import keep  # noqa: E402

MOST_MICROSECONDS = 70.0
ROUNDS = 20
SITE = "https://mail.example.com"
TOKENS = Tokens("AAAAAQAAAAAAAAAB0123456789-_abcd", "AAAAAQAAAAAAAAAB-_dcba9876543210")
PARAGRAPH = (
    "Hello {{ first_name | default('there') }}, the fields are green again and the barn is open to couples. "
    "There is cake, the band plays in the yard, and you can [see the rooms number %d]"
    "(https://barn.example/%d). "
)
FILL = "We have kept the old stones, the oak and the light, and we have taken out nothing that people liked. "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4_000)
    given = parser.parse_args()
    letter = _letter()
    example = letter.render(_values(0), TOKENS)
    html, text = example.html.decode(), example.text.decode()
    size, links = len(html) + len(text), html.count(f"/c/{TOKENS.message}/")
    ways: dict[str, Callable[[int], object]] = {
        "ours": lambda n: _ours(letter, n),
        "EmailMessage": lambda n: _standard(example.subject, html, text, n),
        "Django's message": lambda n: _djangos(example.subject, html, text, n),
        "Django's template and EmailMessage": _naive(html, text),
    }
    spent = _in_turns(ways, given.messages)
    print(f"{size:,} bytes, {links} links in the page; microseconds of CPU a message:")
    for name, micros in spent.items():
        print(f"  {name:<40}{micros:8.1f}   {micros / spent['ours']:5.1f} times ours")
    assert spent["ours"] <= MOST_MICROSECONDS
    keep("message_building", **vars(given), bytes=size, links=links, microseconds=spent)


def _letter() -> Letter:
    body = "# The barn is open\n\n" + "\n\n".join(PARAGRAPH % (n, n) + FILL for n in range(1, 12))
    frame = Frame(
        sender="The Studio",
        postal_address="1 High Street\nLondon",
        why="You get this because you asked for it.",
        unsubscribe=f"{SITE}/u/\1",
        preferences=f"{SITE}/preferences/\1",
        pixel=f"{SITE}/o/\0.gif",
    )
    words = Words(
        subject="{{ first_name }}, the barn is open",
        preheader="Cake, music and {{ season }}",
        body=body,
        cta_label="Say that you come",
        cta_url="https://barn.example/yes",
    )
    numbers: dict[str, int] = {}
    return Letter(
        words,
        frame=frame,
        fields=merge_fields.listed(),
        known=merge_fields.names(),
        link=lambda url: tracked(SITE, numbers.setdefault(url, len(numbers) + 1)),
    )


def _values(number: int) -> dict[str, object]:
    return {"first_name": f"Zoë {number}", "season": "spring", "traits": {}}


def _heads(subject: str, number: int) -> list[tuple[str, str]]:
    return [
        ("From", "The Studio <hello@mail.example.com>"),
        ("To", f"reader-{number}@example.com"),
        ("Subject", subject),
        ("Message-ID", f"<{TOKENS.message}@mail.example.com>"),
        ("List-Unsubscribe", f"<{SITE}/u/{TOKENS.way_out}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]


_FIXED = f"MIME-Version: 1.0\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n".encode()


def _ours(letter: Letter, number: int) -> bytes:
    rendered = letter.render(_values(number), TOKENS)
    return headers.block(_heads(rendered.subject, number)) + _FIXED + rendered.mime


def _standard(subject: str, html: str, text: str, number: int) -> bytes:
    message = EmailMessage()
    for name, value in _heads(subject, number):
        message[name] = value
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _djangos(subject: str, html: str, text: str, number: int) -> bytes:
    (_, sender), (_, to), _, *rest = _heads(subject, number)
    message = EmailMultiAlternatives(subject, text, sender, [to], headers=dict(rest))
    message.attach_alternative(html, "text/html")
    return message.message().as_bytes()


def _naive(html: str, text: str) -> Callable[[int], bytes]:
    """A template of the same words for each message, as most programs do it."""
    templates = [Template(one.replace("Zoë 0", "{{ first_name }}")) for one in (html, text)]

    def build(number: int) -> bytes:
        context = Context(_values(number))
        page, plain = (one.render(context) for one in templates)
        return _standard(f"Zoë {number}, the barn is open", page, plain, number)

    return build


def _in_turns(ways: dict[str, Callable[[int], object]], messages: int) -> dict[str, float]:
    """The middle of the rounds' means."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, build in ways.items():
            count = max(1, messages // ROUNDS if name == "ours" else messages // ROUNDS // 10)
            began = time.process_time()
            for number in range(count):
                build(number)
            found[name].append((time.process_time() - began) / count * 1e6)
    return {name: sorted(micros)[len(micros) // 2] for name, micros in found.items()}


if __name__ == "__main__":
    main()
