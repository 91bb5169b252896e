"""What operators type."""

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import members, people, scoping
from apps.accounts.models import Person
from tests.factories import UserFactory


def test_a_workspace_is_opened_for_its_owner(db, capsys):
    user = UserFactory(email="ada@example.com")

    call_command("open_workspace", "--slug", "acme", "--name", "Acme", "--owner", "Ada@example.com")

    assert [one.role for one in members.memberships_of(user)] == ["owner"]
    assert "Opened Acme" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--owner", "nobody@example.com"], "Nobody signs in"),
        (["--owner", "ada@example.com", "--time-zone", "Mars/Base"], "not a time zone"),
        (["--owner", "ada@example.com", "--currency", "pounds"], "ISO 4217"),
    ],
)
def test_a_workspace_that_cannot_be_opened_says_why(db, options, words):
    UserFactory(email="ada@example.com")

    with pytest.raises(CommandError, match=words):
        call_command("open_workspace", "--slug", "acme", "--name", "Acme", *options)


def test_a_slug_is_taken_once(db):
    UserFactory(email="ada@example.com")
    options = ["--slug", "acme", "--name", "Acme", "--owner", "ada@example.com"]
    call_command("open_workspace", *options)

    with pytest.raises(CommandError, match="already"):
        call_command("open_workspace", *options)


def test_erasures_are_replayed_after_a_restore(workspace, actor, now, tmp_path, capsys):
    person = people.identify(actor, user_id="u1", traits={"email": "ada@example.com"}, now=now)
    public_ids = tmp_path / "erased.txt"
    public_ids.write_text(f"{person.public_id}\n")

    call_command("privacy", "replay-erasures", "--workspace", workspace.slug, "--ids", str(public_ids))

    with scoping.workspace(workspace):
        assert Person.objects.get(pk=person.pk).erased_at is not None
    assert "1 people erased again" in capsys.readouterr().out
