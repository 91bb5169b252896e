"""Which risky capabilities are switched on: by the operator, by the house, by the workspace.

All three must agree. The operator's word is in the environment; the house's is a Flag, for everyone or for a
percentage of workspaces; the workspace's own is a FlagChoice. Whoever asks does so each time that work is
taken up, so that what is switched off stops within seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from waffle import get_waffle_flag_model

from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Workspace
from apps.campaigns.models import AiSwitch, FlagChoice


class SwitchedOff(DomainError):
    """The capability is switched off here."""

    code = "switched_off"
    status = 409


@dataclass(frozen=True, kw_only=True)
class Capability:
    """label, off: what pages call it, and what happens while it is off. operator: the operator's word."""

    name: str
    label: str
    off: str
    operator: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Whether a capability is on, and who has switched it off if it is not: operator, house or workspace."""

    capability: Capability
    is_on: bool
    off_by: str
    choice: FlagChoice | AiSwitch | None


def _marketing() -> bool:
    return bool(settings.MARKETING_AUTOMATION_ENABLED)


def _content() -> bool:
    return bool(settings.AI_CONTENT_GENERATION_ENABLED)


SENDING, AI, JOURNEYS = "campaigns.sending", "campaigns.ai", "campaigns.journeys"
# What a campaign says that was paused for that alone.
SENDING_IS_OFF = "Sending is switched off; it goes on once it is on again."
TIME_OPTIMISATION, TRACKING = "campaigns.time_optimisation", "campaigns.tracking"
OFFLINE = "campaigns.offline"
CAPABILITIES = {
    one.name: one
    for one in (
        Capability(
            name=SENDING,
            label="Sending campaigns",
            off="Campaigns that run pause within seconds, and go on by themselves once it is on again.",
            operator=_marketing,
        ),
        Capability(
            name=AI,
            label="Variants from a language model",
            off="Variants come from our own rules, labelled as such; what was approved stays.",
            operator=_content,
        ),
        Capability(
            name=JOURNEYS,
            label="Journeys",
            off="Nobody enters, and whoever is inside stays at the step where they are.",
            operator=_marketing,
        ),
        Capability(
            name=TIME_OPTIMISATION,
            label="Each at their best hour",
            off="Messages leave as soon as the send window opens.",
            operator=lambda: True,
        ),
        Capability(
            name=TRACKING,
            label="Tracking of opens and clicks",
            off="Links lead to where they did, and nothing more is counted.",
            operator=lambda: True,
        ),
        Capability(
            name=OFFLINE,
            label="Taking what devices did offline",
            off="Devices keep what they have, and bring it by themselves once it is on again.",
            operator=lambda: True,
        ),
    )
}


def is_on(name: str, workspace: Workspace | int) -> bool:
    """Whether the capability may be used in the workspace, which is in scope. Raises KeyError for none of
    ours.
    """
    choice = FlagChoice.objects.filter(name=name).values_list("is_on", flat=True).first()
    return is_on_with(name, workspace if isinstance(workspace, int) else workspace.pk, choice)


def is_on_with(name: str, workspace_id: int, choice: bool | None) -> bool:
    """The same for who has read the workspace's own choice; None: it has made none."""
    return is_let(name, workspace_id) and (choice is None or choice)


def is_let(name: str, workspace_id: int) -> bool:
    """Whether operator and house let the workspace use it, whatever it says itself."""
    return CAPABILITIES[name].operator() and _house(name, workspace_id)


def require(name: str, workspace: Workspace | int) -> None:
    """Raise SwitchedOff unless it is on."""
    if words := off_words(name, workspace):
        raise SwitchedOff(words)


def off_words(name: str, workspace: Workspace | int) -> str:
    """By whom it is switched off, and who may switch it on again; empty while it is on."""
    if is_on(name, workspace):
        return ""
    workspace_id = workspace if isinstance(workspace, int) else workspace.pk
    one = CAPABILITIES[name]
    if not is_let(name, workspace_id):
        return f"“{one.label}” is switched off by those who run the product. It goes on when they say so."
    return f"“{one.label}” is switched off in this workspace. An owner may switch it on again."


def standings(workspace: Workspace) -> list[Standing]:
    """All of them, as this workspace has them."""
    chosen = {one.name: one for one in FlagChoice.objects.all()}
    return [_standing(one, workspace.pk, chosen.get(name)) for name, one in CAPABILITIES.items()]


def find(name: str) -> Capability:
    """Raises NotHere."""
    if name not in CAPABILITIES:
        raise NotHere("There is no such capability.")
    return CAPABILITIES[name]


def _standing(one: Capability, workspace_id: int, choice: FlagChoice | None) -> Standing:
    off_by = ""
    if not one.operator():
        off_by = "operator"
    elif not _house(one.name, workspace_id):
        off_by = "house"
    elif choice is not None and not choice.is_on:
        off_by = "workspace"
    return Standing(capability=one, is_on=not off_by, off_by=off_by, choice=choice)


def _house(name: str, workspace_id: int) -> bool:
    """A flag that nobody has made is on."""
    flag: Any = get_waffle_flag_model().get(name)
    return not flag.pk or bool(flag.is_on_in(workspace_id))
