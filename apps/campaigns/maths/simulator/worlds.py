"""What moves demand, and what moves spend: five worlds in which a response curve may be misread."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class World:
    """days: of history. Standard deviations are of logs; memories are correlations from one day to the next.

    account_sd, campaign_sd: demand of the whole account, and of each campaign alone. spend_on_account,
    spend_on_campaign: by what power spend follows them. own_sd: spend that moves for reasons of its own.
    carry_over: part of a day's effect that comes from the days before. weekday: size of the weekly swing.
    """

    name: str
    days: int = 90
    account_sd: float = 0.2
    account_memory: float = 0.8
    campaign_sd: float = 0.1
    campaign_memory: float = 0.7
    spend_on_account: float = 0.0
    spend_on_campaign: float = 0.0
    own_sd: float = 0.25
    own_memory: float = 0.6
    carry_over: float = 0.0
    weekday: float = 0.1


EXOGENOUS = World(name="exogenous", days=30)
ACCOUNT_DEMAND = World(name="account demand", days=90, account_sd=0.25, spend_on_account=1.0, own_sd=0.2)
ACCOUNT_DEMAND_SHORT = replace(ACCOUNT_DEMAND, name="account demand, short", days=30)
CAMPAIGN_DEMAND = World(name="campaign demand", campaign_sd=0.15, spend_on_campaign=1.0, own_sd=0.2)
CARRY_OVER = replace(ACCOUNT_DEMAND, name="carry-over and demand", carry_over=0.25)
WORLDS = (EXOGENOUS, ACCOUNT_DEMAND_SHORT, ACCOUNT_DEMAND, CAMPAIGN_DEMAND, CARRY_OVER)
