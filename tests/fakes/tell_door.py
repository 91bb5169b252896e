"""Have a mail service tell of a message: {"service": "resend", "event": "bounced", "to": "…"}."""

from collections.abc import Mapping
from typing import Any

from tests.fakes import mailgun, resend
from tests.fakes.fail_door import NotUnderstood
from tests.fakes.server import Fake

KINDS = {"resend": sorted(resend.TOLD), "mailgun": sorted(mailgun.TOLD)}


def tell(document: Any, fakes: Mapping[str, Fake]) -> None:
    """Raises NotUnderstood."""
    asked = document if isinstance(document, dict) else {}
    service, event, to = (str(asked.get(name, "")) for name in ("service", "event", "to"))
    if service not in KINDS:
        raise NotUnderstood(f"service is one of {', '.join(KINDS)}.")
    if event not in KINDS[service]:
        raise NotUnderstood(f"event is one of {', '.join(KINDS[service])}.")
    fake = fakes[service]
    assert isinstance(fake, resend.Resend | mailgun.Mailgun)
    if event not in fake.wanted:
        raise NotUnderstood("Nobody asked it to tell of that: see how in docs/how-to/fakes.md.")
    if not fake.tell_of(to, event):
        raise NotUnderstood(f"It was given no message to {to!r}.")
