"""What campaigns promise to tell. Ids and plain values only."""

from dataclasses import dataclass

from apps.accounts.events import Event


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The engine has looked at all campaigns, and proposed so many changes."""

    name = "campaigns.run.finished"
    run_id: int
    proposed: int


@dataclass(frozen=True, kw_only=True)
class RecommendationSettled(Event):
    """A change was carried out, refused, or rolled back: state says which."""

    name = "campaigns.recommendation.settled"
    recommendation_id: int
    state: str


@dataclass(frozen=True, kw_only=True)
class AutoRuleDemoted(Event):
    """What was carried out without a person no longer is: its record is worse than it claimed."""

    name = "campaigns.auto_rule.demoted"
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClicksSettled(Event):
    """Clicks that have had time to turn out a machine's, and did not; attribution knows them."""

    name = "campaigns.clicks.settled"
    engagement_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class Unsubscribed(Event):
    """Somebody wants no more of a topic; topic is empty for all that goes to many."""

    name = "campaigns.person.unsubscribed"
    person_id: int
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class Subscribed(Event):
    """Somebody asked for a topic, and confirmed it where the topic asks for that."""

    name = "campaigns.person.subscribed"
    person_id: int
    topic: str


@dataclass(frozen=True, kw_only=True)
class CampaignFinished(Event):
    """Everybody whom it was for has been sent to, skipped or refused."""

    name = "campaigns.campaign.finished"
    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class CampaignLaunched(Event):
    """A campaign begins to be sent to so many people."""

    name = "campaigns.campaign.launched"
    campaign_id: int
    people: int


@dataclass(frozen=True, kw_only=True)
class CampaignStateChanged(Event):
    """It was scheduled, paused, resumed, cancelled or finished: state says which it is in now."""

    name = "campaigns.campaign.state_changed"
    campaign_id: int
    state: str


@dataclass(frozen=True, kw_only=True)
class WinnerNamed(Event):
    """The test of a campaign's variants is over. winner: the variant's key, empty where none was named."""

    name = "campaigns.winner.named"
    campaign_id: int
    winner: str


@dataclass(frozen=True, kw_only=True)
class JourneyChanged(Event):
    """A journey was published, paused, resumed or stopped: state says what it is now."""

    name = "campaigns.journey.changed"
    journey_id: str
    state: str
    version: int


@dataclass(frozen=True, kw_only=True)
class JourneyStepReached(Event):
    """Somebody came to a webhook step. person: their public id. visit: tells visits of one step apart."""

    name = "campaigns.journey.step_reached"
    journey_id: str
    step: str
    label: str
    person: str
    visit: str


@dataclass(frozen=True, kw_only=True)
class JourneyLeft(Event):
    """These people left a journey, all for one reason: finished, exit, goal, replied and so on."""

    name = "campaigns.journey.left"
    journey_id: str
    outcome: str
    person_ids: list[int]
