"""What the simulated company buys and what each touch truly does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

SITE = "https://www.example.com/"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Where a touch comes from, as a tracker would see it.

    share: weight among the campaigns of its channel. Prices are minor units: `click_price_minor` the
    median price of a click, `thousand_price_minor` of a thousand impressions, `fee_minor` a standing
    cost per 1,000 people and day. `key` is the platform's campaign id, "" where there is none.
    """

    key: str
    platform: str
    share: float = 1.0
    creatives: tuple[str, ...] = ("",)
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    referrer: str = ""
    click_id: str = ""
    click_price_minor: int = 0
    thousand_price_minor: int = 0
    fee_minor: int = 0

    def landing_url(self, click: str) -> str:
        """Write the address that a visitor lands on; `click` is the platform's id of this click."""
        hints = {
            "utm_source": self.utm_source,
            "utm_medium": self.utm_medium,
            "utm_campaign": self.utm_campaign,
            self.click_id: click if self.click_id else "",
        }
        query = urlencode({name: value for name, value in hints.items() if value})
        return f"{SITE}?{query}" if query else SITE


@dataclass(frozen=True, kw_only=True)
class Channel:
    """How often a channel meets a person, and what one meeting does.

    touches: mean number per person, before gating and before the journey ends.
    effect: hazard mass of one touch: a person of average intent signs up because of it with
        probability 1 - exp(-effect). `drift` multiplies it for touches after the market's drift.
    lag_days: mean days from the touch to the sign-up that it causes.
    intent: exponent of latent intent in the touch rate; what makes a channel confounded.
    moment: Beta(a, b) of the touch's place in the journey; (1, 3) early, (3, 1) late.
    needs_visit: shown only to people who visited before (retargeting, newsletter).
    symptom: probability that a person who has decided passes through it on the way to the form.
    click_share: share of touches of `click_type`, the others are of `view_type`.
    stays: share of its touches that still happen after the sign-up.
    """

    key: str
    touches: float
    effect: float
    campaigns: tuple[Campaign, ...]
    drift: float = 1.0
    lag_days: float = 4.0
    intent: float = 0.0
    moment: tuple[float, float] = (1.0, 1.0)
    needs_visit: bool = False
    symptom: float = 0.0
    click_share: float = 1.0
    click_type: str = "click"
    view_type: str = "impression"
    stays: float = 0.15
    is_on: bool = True


@dataclass(frozen=True, kw_only=True)
class Market:
    """All channels, and the people they meet.

    baseline: hazard mass of signing up without any touch, at average intent.
    intent: exponent of latent intent in the hazard, the other half of the confounding.
    drifts_at: when the channels' `drift` sets in, as a fraction of the period.
    """

    channels: tuple[Channel, ...]
    baseline: float
    intent: float
    drifts_at: float = 0.5

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(channel.key for channel in self.channels)

    @property
    def campaigns(self) -> tuple[Campaign, ...]:
        """Every campaign, channel by channel: what campaign indices point into."""
        return tuple(campaign for channel in self.channels for campaign in channel.campaigns)

    def without(self, key: str) -> Market:
        """Switch one channel off; every random draw stays where it was."""
        return replace(
            self, channels=tuple(replace(c, is_on=c.is_on and c.key != key) for c in self.channels)
        )

    def randomised(self) -> Market:
        """Give every channel the same exposure by lot, with its own true effect: nothing confounds."""
        even = tuple(
            replace(
                c,
                touches=0.45,
                intent=0.0,
                moment=(1.0, 1.0),
                lag_days=4.0,
                needs_visit=False,
                symptom=0.0,
                stays=0.15,
            )
            for c in self.channels
        )
        return replace(self, channels=even)
