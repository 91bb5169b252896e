"""What happens to people and workspaces, for everyone above: a promise. Ids and names of settings only, never
what is personal.
"""

from dataclasses import dataclass

from apps.accounts.events import Event


@dataclass(frozen=True, kw_only=True)
class WorkspaceSettingsChanged(Event):
    """The workspace has set, changed or taken back the settings of these names."""

    name = "accounts.workspace.settings_changed"
    names: list[str]


@dataclass(frozen=True, kw_only=True)
class PeopleIdentified(Event):
    """Anonymous people turned out to be these, or became them, or a device was handed over to them."""

    name = "accounts.people.identified"
    person_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class PeopleMerged(Event):
    """Everything held on each absorbed person is now held on the survivor at the same place of the other
    list.
    """

    name = "accounts.people.merged"
    survivor_ids: list[int]
    absorbed_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class PersonErased(Event):
    """A person's data is gone. What was kept is pseudonymous: a row under its key, without a name."""

    name = "accounts.person.erased"
    person_id: int
