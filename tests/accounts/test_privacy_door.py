"""A person is found, told what is held on them, and forgotten, by the API."""

import pytest

from apps.accounts import people
from apps.accounts.models import AuditEntry, Person
from tests.conftest import api_client
from tests.factories import NOW, TouchpointFactory

WHY = {"reason": "asked by letter on 3 May"}


@pytest.fixture
def ada(workspace, actor):
    traits = {"email": "Ada@Example.com", "phone": "+441632960018", "name": "Ada Lovelace"}
    person = people.identify(actor, user_id="ada", anonymous_id="phone-1", traits=traits, now=NOW)
    TouchpointFactory(workspace=workspace, person=person, properties={"who": "Ada Lovelace"})
    return person


@pytest.fixture
def admin(workspace):
    return api_client(workspace, scopes=["admin"], now=NOW)


def at(person, deed):
    return f"/api/v1/people/{person.public_id}/{deed}"


@pytest.mark.parametrize(
    "who",
    [
        {"email": "ada@example.COM"},
        {"phone": "+44 1632 960018"},
        {"user_id": "ada"},
        {"anonymous_id": "phone-1"},
    ],
)
def test_somebody_is_found_by_what_they_are_known_by(admin, ada, who):
    answer = admin.post("/api/v1/people/find", who, format="json")

    assert [one["person_id"] for one in answer.json()] == [str(ada.public_id)]
    assert "Lovelace" not in answer.content.decode()
    assert AuditEntry.objects.filter(deed="people.revealed").exists()


@pytest.mark.parametrize("who", [{"email": "eve@example.com"}, {"user_id": "eve"}, {"anonymous_id": "eve"}])
def test_nobody_is_found_by_what_is_not_known(admin, ada, who):
    answer = admin.post("/api/v1/people/find", who, format="json")

    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("who", [{}, {"email": "no address"}, {"email": "a@b.example", "user_id": "ada"}])
def test_a_question_that_cannot_be_asked_says_so(admin, ada, who):
    assert admin.post("/api/v1/people/find", who, format="json").status_code == 400


def test_all_that_is_held_is_told(admin, ada):
    told = admin.post(at(ada, "export"), WHY, format="json").json()

    assert told["people"][0]["email"] == "Ada@Example.com"
    assert told["held"]["attribution.Touchpoint"][0]["properties"] == {"who": "Ada Lovelace"}
    assert AuditEntry.objects.get(deed="person.exported").reason == WHY["reason"]


def test_somebody_is_forgotten_once_and_for_all(admin, ada):
    first = admin.post(at(ada, "erase"), WHY, format="json")
    second = admin.post(at(ada, "erase"), WHY, format="json")

    assert (first.status_code, second.json()) == (200, first.json())
    assert Person.objects.get(pk=ada.pk).erased_at is not None
    assert admin.post("/api/v1/people/find", {"email": "ada@example.com"}, format="json").json() == []
    assert AuditEntry.objects.get(deed="person.erased").reason == WHY["reason"]


def test_nobody_is_forgotten_without_a_reason_or_the_right(workspace, admin, ada):
    assert admin.post(at(ada, "erase"), {}, format="json").status_code == 400
    writer = api_client(workspace, scopes=["write"], now=NOW)
    assert writer.post(at(ada, "erase"), WHY, format="json").status_code == 403
    assert writer.post(at(ada, "export"), WHY, format="json").status_code == 403

    assert Person.objects.get(pk=ada.pk).erased_at is None
    assert not AuditEntry.objects.filter(deed__startswith="person.e").exists()
