"""What is done while the database works, and what is left when that fails."""

import pytest

from apps.accounts import one_trip
from apps.accounts.models import Workspace
from tests.conftest import committed

pytestmark = committed


def renaming(workspace, name):
    return "UPDATE accounts_workspace SET name = %s WHERE id = %s RETURNING name", (name, workspace.pk)


def test_what_is_done_meanwhile_is_done_once_and_the_rows_are_those_of_the_statement(workspace):
    done = []

    rows = one_trip.fetch_all(
        [renaming(workspace, "Two")], is_prepared=True, meanwhile=lambda: done.append("it")
    )

    assert (rows, done) == ([[("Two",)]], ["it"])


def test_after_a_failure_meanwhile_it_is_committed_and_the_connection_goes_on(workspace):
    with pytest.raises(ZeroDivisionError):
        one_trip.fetch_all([renaming(workspace, "Two")], meanwhile=lambda: 1 / 0)

    assert Workspace.objects.get().name == "Two"
    assert one_trip.fetch_one(*renaming(workspace, "Three")) == ("Three",)
    assert Workspace.objects.get().name == "Three"
