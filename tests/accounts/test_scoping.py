"""Two walls: the queryset and the database. Each is tried with the other one out of the way."""

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import DataError, IntegrityError, ProgrammingError

from apps.accounts import scoping
from apps.accounts.models import Alias, Person
from tests.conftest import committed
from tests.factories import PersonFactory, WorkspaceFactory


def _count_without_filter(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608
        return int(cursor.fetchone()[0])


def test_a_query_without_a_scope_is_refused(db):
    with pytest.raises(scoping.WorkspaceMissing):
        Person.objects.count()


def test_a_queryset_built_outside_is_scoped_where_it_runs(workspace, other_workspace):
    PersonFactory(workspace=workspace, external_id="mine")
    PersonFactory(workspace=other_workspace, external_id="theirs")

    people = Person.objects.all()

    assert [person.external_id for person in people] == ["mine"]
    with scoping.workspace(other_workspace):
        assert [person.external_id for person in people.all()] == ["theirs"]


def test_the_database_refuses_a_query_without_a_filter(workspace, other_workspace):
    PersonFactory(workspace=workspace)
    PersonFactory(workspace=other_workspace)

    assert _count_without_filter("accounts_person") == 1
    assert Person._base_manager.count() == 1


def test_the_database_refuses_a_row_for_another_workspace(workspace, other_workspace):
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        Person._base_manager.create(workspace=other_workspace)

    with scoping.across_workspaces("house.check"):
        assert Person.objects.count() == 0


def test_a_row_cannot_point_into_another_workspace(workspace, other_workspace):
    theirs = PersonFactory(workspace=other_workspace)

    Alias.objects.create(workspace=workspace, anonymous_id="a", person_id=theirs.pk)
    with pytest.raises(IntegrityError, match="in_workspace"):
        connection.check_constraints()


def test_the_door_across_reads_and_cannot_write(workspace, other_workspace):
    PersonFactory(workspace=workspace)
    PersonFactory(workspace=other_workspace)

    with scoping.across_workspaces("house.check"):
        assert Person.objects.count() == 2
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Person.objects.update(external_id=None)

    assert Person.objects.count() == 1


def test_the_door_across_stays_open_until_the_outer_one_is_left(workspace, other_workspace):
    PersonFactory(workspace=workspace)

    with scoping.across_workspaces("house.check"):
        with scoping.across_workspaces("house.check"):
            pass
        assert Person.objects.filter(workspace=workspace).exists()
        assert _role() == settings.ACROSS_ROLE
    assert _role() == settings.DATABASES["default"]["USER"]


@pytest.mark.parametrize(("statement", "failure"), [("SELECT 1/0", DataError), ("SELECT 1", ValueError)])
def test_no_failure_leaves_the_door_across_open(workspace, statement, failure):
    def fail() -> None:
        with scoping.across_workspaces("house.check"), connection.cursor() as cursor:
            cursor.execute(statement)
            raise ValueError

    with pytest.raises(failure):
        fail()

    assert _role() == settings.DATABASES["default"]["USER"]


def _role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]


def test_the_door_across_opens_for_listed_deeds_only(db):
    with pytest.raises(ValueError, match="ACROSS_DEEDS"), scoping.across_workspaces("curiosity"):
        pass


@committed
def test_a_pooled_connection_does_not_carry_the_workspace_over():
    with scoping.workspace(1), transaction.atomic():
        assert _setting() == "1"

    assert _setting() in (None, "")
    assert _count_without_filter("accounts_person") == 0


@committed
def test_a_statement_outside_a_transaction_is_scoped_too():
    made = WorkspaceFactory()
    PersonFactory(workspace=made)

    with scoping.workspace(made):
        assert Person.objects.count() == 1
        assert _count_without_filter("accounts_person") == 1


def _setting() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.ws', true)")
        return cursor.fetchone()[0]
