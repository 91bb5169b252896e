"""What the tests empty their tables with leaves no row of a test, and all that migrate made."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

from apps.accounts import scoping
from apps.accounts.models import AuditEntry, Person, Workspace
from tests.conftest import committed
from tests.factories import PersonFactory, WorkspaceFactory


@committed
@pytest.mark.parametrize("people", [3, 1_200], ids=["few", "many"])
def test_a_flush_leaves_nothing_but_what_migrate_made(people):
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        Person.objects.bulk_create(PersonFactory.build_batch(people, workspace=workspace))

    call_command("flush", verbosity=0, interactive=False)

    with scoping.across_workspaces("house.check"):
        left = [model.objects.count() for model in (Workspace, Person, AuditEntry)]
    assert left == [0, 0, 0]
    models = {(model._meta.app_label, model._meta.model_name) for model in apps.get_models()}
    assert set(ContentType.objects.values_list("app_label", "model")) >= models
    assert set(Permission.objects.values_list("content_type__app_label", "content_type__model")) >= models
