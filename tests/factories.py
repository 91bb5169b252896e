"""Builders of rows, one per model, minimal by default.

A row lands in the workspace it is given, whatever the scope.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.accounts import scoping, workspaces
from apps.accounts.models import Membership, Person, User, Workspace
from apps.attribution.models import Channel, Conversion, ConversionRecord, Goal, Source, Touchpoint

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class WorkspaceFactory(DjangoModelFactory):
    class Meta:
        model = Workspace

    slug = factory.Sequence(lambda n: f"workspace-{n}")
    name = factory.Sequence(lambda n: f"Workspace {n}")
    currency = "GBP"
    time_zone = "Europe/London"

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Workspace:
        return workspaces.create(now=NOW, **kwargs)


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user-{n}@example.com")

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> User:
        return User.objects.create_user(**kwargs)


class OwnedFactory(DjangoModelFactory):
    """A row of `workspace=`; what it points at is made in the same one."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, workspace: Workspace, **kwargs: Any) -> Any:
        with scoping.workspace(workspace):
            return model_class.objects.create(workspace=workspace, **kwargs)


def _same_workspace(name: str, **defaults: Any) -> Any:
    return factory.SubFactory(name, workspace=factory.SelfAttribute("..workspace"), **defaults)


class MembershipFactory(OwnedFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    role = "owner"


class PersonFactory(OwnedFactory):
    class Meta:
        model = Person

    external_id = factory.Sequence(lambda n: f"user_{n}")
    first_seen_at = NOW - timedelta(days=60)


class ChannelFactory(OwnedFactory):
    class Meta:
        model = Channel
        django_get_or_create = ("workspace", "key")

    key = "email"
    label = factory.LazyAttribute(lambda channel: channel.key.replace("_", " ").capitalize())
    position = factory.Sequence(lambda n: n)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, workspace: Workspace, **kwargs: Any) -> Channel:
        with scoping.workspace(workspace):
            made, _ = Channel.objects.get_or_create(
                workspace=workspace, key=kwargs.pop("key"), defaults=kwargs
            )
        return made


class GoalFactory(OwnedFactory):
    class Meta:
        model = Goal

    key = factory.Sequence(lambda n: f"goal-{n}")
    label = factory.LazyAttribute(lambda goal: goal.key.replace("-", " ").capitalize())


class SourceFactory(OwnedFactory):
    class Meta:
        model = Source

    channel = _same_workspace("tests.factories.ChannelFactory")
    platform = "email"
    campaign_id = ""
    creative_id = ""

    @classmethod
    def _create(cls, model_class: Any, *args: Any, workspace: Workspace, **kwargs: Any) -> Source:
        with scoping.workspace(workspace):
            made, _ = Source.objects.get_or_create(workspace=workspace, **kwargs)
        return made


class TouchpointFactory(OwnedFactory):
    """`TouchpointFactory(workspace=w, person=p, channel="email", age_days=3)`."""

    class Meta:
        model = Touchpoint

    class Params:
        age_days = 0
        channel = "email"

    person = _same_workspace("tests.factories.PersonFactory")
    source = factory.SubFactory(
        SourceFactory,
        workspace=factory.SelfAttribute("..workspace"),
        channel=factory.SubFactory(
            ChannelFactory,
            workspace=factory.SelfAttribute("..workspace"),
            key=factory.SelfAttribute("...channel"),
        ),
    )
    event_id = factory.Sequence(lambda n: f"event-{n}")
    event_type = "click"
    occurred_at = factory.LazyAttribute(lambda touch: NOW - timedelta(days=touch.age_days))


class ConversionFactory(OwnedFactory):
    """One order with its first record."""

    class Meta:
        model = Conversion

    person = _same_workspace("tests.factories.PersonFactory")
    conversion_type = "purchase"
    order_id = None
    occurred_at = NOW
    value = Decimal("100")

    @classmethod
    def _create(cls, model_class: Any, *args: Any, workspace: Workspace, **kwargs: Any) -> Conversion:
        made = super()._create(model_class, *args, workspace=workspace, **kwargs)
        with scoping.workspace(workspace):
            ConversionRecord.objects.create(
                workspace=workspace,
                conversion=made,
                kind="conversion",
                event_id=f"conversion-{made.pk}",
                revenue=made.value,
                currency=workspace.currency,
                occurred_at=made.occurred_at,
            )
        return made


def member(workspace: Workspace, role: str, **fields: Any) -> User:
    """A user with a role in the workspace."""
    user = UserFactory(**fields)
    MembershipFactory(workspace=workspace, user=user, role=role)
    return user
