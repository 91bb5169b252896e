"""What stands in for the room of contents in the benchmark of delivery, where that is not there: Jinja in its
sandbox between chunks that are encoded already, 12 kB with 12 links.
"""

import quopri
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

LINKS, BYTES = 12, 12_000


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    mime: bytes
    html: bytes = b""
    text: bytes = b""


class Letters:
    """Of one content."""

    content_type = 'multipart/alternative; boundary="=_part"'

    def __init__(self) -> None:
        from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

        words = "".join(
            f'<p><a href="https://example.com/c/\x01/{n}">Picture {n}</a></p>' for n in range(LINKS)
        )
        fill = "<p>We have made a gallery of the day.</p>\n"
        html = "<p>Dear \x02,</p>" + words + fill * ((BYTES - 2_000) // len(fill))
        coded = quopri.encodestring(html.encode()).replace(b"\n", b"\r\n")
        head = b"--=_part\r\nContent-Type: text/plain\r\n\r\nDear =02\r\n"
        head += b"--=_part\r\nContent-Type: text/html\r\n\r\n"
        self.chunks = (head + coded + b"\r\n--=_part--\r\n").replace(b"=01", b"\x01").replace(b"=02", b"\x02")
        self.parts = self.chunks.split(b"\x01")
        sandbox = ImmutableSandboxedEnvironment(autoescape=True)
        self.template = sandbox.from_string("Your gallery, {{ first_name }}\x1e{{ first_name }}")

    def message(self, content_id: int, values: Any, token: str) -> Rendered:
        subject, name = self.template.render(values).split("\x1e")
        whole = token.encode().join(self.parts).replace(b"\x02", quopri.encodestring(name.encode()))
        return Rendered(subject, whole)


def values_of(person_ids: Any) -> dict[int, dict[str, Any]]:
    from apps.accounts import personal_fields  # noqa: PLC0415
    from apps.accounts.models import Person  # noqa: PLC0415

    found = {}
    for one in Person.objects.filter(pk__in=person_ids):
        known = personal_fields.personal(one)
        found[one.pk] = {"email": known["email"], "first_name": known["name"]}
    return found


def install() -> bool:
    """True where the product's own is there."""
    import tests.campaigns.delivery.standin  # noqa: F401, PLC0415 - for the other rooms

    if getattr(
        sys.modules.get("apps.campaigns.content"), "__file__", None
    ) or "apps.campaigns.content" not in (sys.modules):
        return True
    letters, made = Letters(), ModuleType("apps.campaigns.content")
    made.__dict__.update({"compiled": lambda campaign, contents: letters, "values_of": values_of})
    sys.modules["apps.campaigns.content"] = made
    return False
