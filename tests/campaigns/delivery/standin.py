"""The other rooms of campaigns, where they are not there: everybody is in the audience, all are sent the
first content, and its words are the body with the link of the message.
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

HEAD = b"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
TAIL = b"\r\n--=_part--\r\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    html: bytes
    text: bytes
    mime: bytes


@dataclass(frozen=True)
class Compiled:
    bodies: dict[int, tuple[str, str]]
    content_type: str = 'multipart/alternative; boundary="=_part"'

    def message(self, content_id: int, values: Any, token: str) -> Rendered:
        subject, body = self.bodies[content_id]
        words = f"{body}\r\n/c/{token}/1".encode()
        return Rendered(subject, words, words, HEAD + words + TAIL)


def people_sql(audience: Any, *, now: Any) -> tuple[str, list[Any]]:
    from apps.accounts import scoping  # noqa: PLC0415 - Django is set up by then

    where = "workspace_id = (SELECT %s::bigint) AND erased_at IS NULL AND merged_into_id IS NULL"
    return f"SELECT id FROM accounts_person WHERE {where}", [scoping.current_id()]  # noqa: S608


def arms(campaign: Any, person_ids: Any, *, now: Any) -> Any:
    """The first content for two of three, the second for the third; the tenth is held out if anybody is, and
    what is beyond the test waits.
    """
    from apps.campaigns.models import Content  # noqa: PLC0415

    keys = np.array(
        list(Content.objects.filter(campaign=campaign).order_by("position").values_list("pk", flat=True))
    )
    drawn = keys[(person_ids % 3 == 0).astype(int) % len(keys)]
    drawn[(person_ids % 100) >= 100 * campaign.test_share] = -1
    drawn[(person_ids % 10 == 0) & (campaign.hold_out_share > 0)] = 0
    return drawn


def values_of(person_ids: Any) -> dict[int, dict[str, Any]]:
    from apps.accounts import personal_fields  # noqa: PLC0415
    from apps.accounts.models import Person  # noqa: PLC0415

    people = Person.objects.filter(pk__in=person_ids)
    return {one.pk: {"email": personal_fields.personal(one)["email"]} for one in people}


def compiled(campaign: Any, contents: Any) -> Compiled:
    return Compiled({one.pk: (one.subject, one.body) for one in contents})


def install() -> None:
    rooms = {
        "audiences": {"people_sql": people_sql},
        "splitting": {"arms": arms, "expose": lambda *_, **__: None},
        "content": {"compiled": compiled, "values_of": values_of},
    }
    for name, verbs in rooms.items():
        if find_spec(f"apps.campaigns.{name}") is None:
            made = ModuleType(f"apps.campaigns.{name}")
            made.__dict__.update(verbs)
            sys.modules[f"apps.campaigns.{name}"] = made


install()
