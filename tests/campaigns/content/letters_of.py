"""Letters for tests that need no rows."""

from apps.campaigns.content import merge_fields
from apps.campaigns.content.layout import Frame
from apps.campaigns.content.letters import Letter, Words, tracked
from apps.campaigns.message_tokens import Tokens

SITE = "https://mail.example.com"
TOKEN, WAY_OUT = "AAAAAQAAAAAAAAAB0123456789-_abcd", "AAAAAQAAAAAAAAAB-_dcba9876543210"
TOKENS = Tokens(TOKEN, WAY_OUT)
FRAME = Frame(
    sender="Bell & Co",
    postal_address="1 High Street\nLondon",
    why="You get this because you asked for it.",
    unsubscribe=f"{SITE}/u/\1",
    preferences=f"{SITE}/preferences/\1",
    pixel=f"{SITE}/o/\0.gif",
)


def letter(subject="Hello", body="Some words.", preheader="", cta_label="", cta_url="", numbers=None):
    numbers = {} if numbers is None else numbers
    return Letter(
        Words(subject=subject, preheader=preheader, body=body, cta_label=cta_label, cta_url=cta_url),
        frame=FRAME,
        fields=merge_fields.listed(),
        known=merge_fields.names(),
        link=lambda url: tracked(SITE, numbers.setdefault(url, len(numbers) + 1)),
    )


def filled(template, **values):
    """What a body of one paragraph says in the plain text."""
    text = letter(body=template).render(values, TOKENS).text.decode()
    return text.partition("\n\n-- \n")[0]
