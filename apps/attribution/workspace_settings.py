"""What a workspace may set about attribution, checked where it is set."""

from typing import Any

from apps.accounts import workspace_settings
from apps.accounts.permissions import Actor

LONGEST_LOOKBACK_DAYS = 730
LARGEST_HOLDOUT_SHARE = 0.5


@workspace_settings.register("lookback_days")
def _check_lookback_days(actor: Actor, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= LONGEST_LOOKBACK_DAYS:
        raise ValueError(f"Give a number of days above 0, up to {LONGEST_LOOKBACK_DAYS}.")


@workspace_settings.register("demo")
def _check_demo(actor: Actor, value: Any) -> None:
    """The truth behind demo data, which the product itself keeps."""
    if actor.kind != "system":
        raise ValueError("This is kept by the demo command.")


@workspace_settings.register("experiments_holdout_share")
def _check_experiments_holdout_share(actor: Actor, value: Any) -> None:
    """The part of everybody that no experiment touches, for as long as the workspace stands."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LARGEST_HOLDOUT_SHARE:
        raise ValueError(f"Give a share from 0 to {LARGEST_HOLDOUT_SHARE}, such as 0.05.")
