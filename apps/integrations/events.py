"""What the doors promise to tell the floors above. Ids and plain values only."""

from dataclasses import dataclass

from apps.accounts.events import Event


@dataclass(frozen=True, kw_only=True)
class ConnectionStopped(Event):
    """It needs a person: state is needs_sign_in or switched_off."""

    name = "integrations.connection.stopped"
    connection_id: int
    state: str


@dataclass(frozen=True, kw_only=True)
class ConnectionRestored(Event):
    name = "integrations.connection.restored"
    connection_id: int


@dataclass(frozen=True, kw_only=True)
class CallSettled(Event):
    """A call of the outbox came to its end: state is done, dead or cancelled."""

    name = "integrations.call.settled"
    call_id: int
    service: str
    operation: str
    state: str


@dataclass(frozen=True, kw_only=True)
class AdFiguresRead(Event):
    """Daily figures of an ad account were read anew: those from `since` on may have changed."""

    name = "integrations.ad_figures.read"
    connection_id: int
    since: str


@dataclass(frozen=True, kw_only=True)
class AdChangeSettled(Event):
    """What became of a change at an ad platform (connectors/ads/writes.py): done, refused (nothing was
    changed, and why), unknown (it cannot be found out any more), or cancelled before it was sent.
    """

    name = "integrations.ad_change.settled"
    call_id: int
    connection_id: int
    state: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ModeChanged(Event):
    """A wedding day or an emergency began or ended: kind is scheduled or emergency."""

    name = "integrations.mode.changed"
    kind: str
    is_on: bool
    until: str


@dataclass(frozen=True, kw_only=True)
class IncidentOpened(Event):
    name = "integrations.incident.opened"
    incident_id: int
    severity: str


@dataclass(frozen=True, kw_only=True)
class IncidentResolved(Event):
    name = "integrations.incident.resolved"
    incident_id: int


@dataclass(frozen=True, kw_only=True)
class SocialPostPublished(Event):
    name = "integrations.social_post.published"
    post_id: str
    service: str


@dataclass(frozen=True, kw_only=True)
class SocialPostFailed(Event):
    """It will not be published unless somebody approves it again."""

    name = "integrations.social_post.failed"
    post_id: str
    service: str


@dataclass(frozen=True, kw_only=True)
class SocialMentionsRead(Event):
    """Somebody wrote of an account: so many mentions are new."""

    name = "integrations.social_mentions.read"
    connection_id: int
    count: int
