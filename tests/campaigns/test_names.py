"""What campaigns, audiences, topics and journeys may be called."""

import pytest

from apps.campaigns import names
from tests.conftest import api_client
from tests.factories import NOW

STRANGE = [
    "Offers\r\nBcc: eve@example.com",
    "a\u2028b",
    "a\tb",
    "\u200b\u200d\ufeff",
    "\u202egnp.exe",
    " \u00a0 ",
]
GOOD = ["Spring & albums", "Sommerfest für Bücher", "עונת החתונות", "👩\u200d👧 families", "3"]
DOORS = {
    "campaigns": {},
    "audiences": {"kind": "list"},
    "topics": {"key": "offers"},
    "journeys": {},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_name_is_said_where_it_is_typed_in(workspace, door, name):
    admin = api_client(workspace, scopes=["admin"], now=NOW)

    answer = admin.post(f"/api/v1/marketing/{door}", {"name": name, **DOORS[door]}, format="json")

    assert answer.status_code == 400
    assert "name" in answer.json()["errors"]


@pytest.mark.parametrize("door", DOORS)
def test_whoever_writes_from_right_to_left_is_understood(workspace, door):
    admin = api_client(workspace, scopes=["admin"], now=NOW)

    answer = admin.post(f"/api/v1/marketing/{door}", {"name": GOOD[2], **DOORS[door]}, format="json")

    assert (answer.status_code, answer.json()["name"]) == (201, GOOD[2])


@pytest.mark.parametrize("name", GOOD)
def test_what_people_call_things(name):
    assert names.is_name(name)
