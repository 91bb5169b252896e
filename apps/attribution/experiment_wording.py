"""What an experiment says, in words: its first line, what is missing, and its figures as they are read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.accounts.figures import count, duration, money, number, percent, when
from apps.accounts.models import Workspace
from apps.attribution import experiment_metrics
from apps.attribution.experiment_lists import Needs, Overview
from apps.attribution.experiment_readings import Shown
from apps.attribution.models import Experiment
from apps.attribution.wording import Line

Method = Experiment.Reading
State = Experiment.State
UNITS = {
    "person": ("person", "people"),
    "referral_root": ("referral root", "referral roots"),
    "campaign": ("campaign", "campaigns"),
    "region": ("region", "regions"),
    "day_block": ("block of days", "blocks of days"),
}
METHODS = {
    "send_winner": "Send the winner",
    "prove_lift": "Prove a lift",
    "always_valid": "Watch without a horizon",
}
# Below this change of a share or a relative effect, one decimal more is told.
FINE = 0.1
SMALLEST_P = 0.0001
# Readings whose differences mean nothing yet: their intervals allow for one look only.
HELD_BACK = ("not_enough_data", "sample_ratio_mismatch")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table, ready to be shown. low to high: of the bar, on a scale to `most`."""

    key: str
    name: str
    standing: str
    share: str
    units: str
    events: str
    value: str
    interval: str
    mean: float
    low: float
    high: float
    lift: str
    lift_interval: str
    p_best: str
    loss: str


def list_line(found: Overview) -> Line:
    """Whether any experiment wants something of somebody."""
    mending, deciding = len(found.needing(Needs.MENDING)), len(found.needing(Needs.DECISION))
    running = len(found.running)
    if mending:
        also = f" {count(deciding, 'other waits', 'others wait')} for a decision." if deciding else ""
        whose = "its" if mending == 1 else "their"
        return Line("", count(mending, "experiment"), f"cannot be read: {whose} units went astray.{also}")
    if deciding:
        return Line(
            "", count(deciding, "experiment"), f"{'waits' if deciding == 1 else 'wait'} for your decision."
        )
    if running:
        verb = "is" if running == 1 else "are"
        return Line("", count(running, "experiment"), f"{verb} running, and nothing is wrong.")
    return Line("No experiment", "is running", "now.")


def first_line(experiment: Experiment, shown: Shown, names: dict[str, str], *, zone: Any) -> Line:
    """The answer, as far as there is one."""
    if experiment.state == State.DRAFT:
        return Line(f"{experiment.name}:", "not started", "yet. Nobody is in it.")
    if experiment.state == State.DECIDED:
        return _decided(experiment)
    if shown.is_broken:
        return Line("Units went astray, so", "nothing may be concluded", "from this experiment.")
    if shown.reading is None and shown.fault:
        return Line(f"{experiment.name}:", "its metric cannot be read", "at the moment.")
    if shown.reading is None:
        return _before(experiment, shown, zone)
    return _verdict(experiment, shown.reading, names)


def still_needed(experiment: Experiment, shown: Shown, *, now: datetime) -> str:
    """How long it takes at the pace so far until enough have come; empty where nothing can be said."""
    more = (shown.reading or shown.watched or {}).get("more_units")
    if not more or experiment.state != State.RUNNING or experiment.started_at is None or not shown.exposed:
        return ""
    pace = shown.exposed / max((now - experiment.started_at).total_seconds(), 1.0)
    return f"At the pace so far {count(more, *UNITS[experiment.unit])} more take {duration(more / pace)}."


def next_turn(experiment: Experiment, *, now: datetime, zone: Any) -> str:
    """What happens by itself, and when."""
    if experiment.due_at is None:
        return ""
    is_sent = experiment.reading == Method.SEND_WINNER
    if experiment.due_at <= now:
        return "New shares are due." if is_sent else "A look is due."
    what = "It gets new shares" if is_sent else "It is looked at"
    return f"{what} on {when(experiment.due_at, zone)}."


def variants(
    experiment: Experiment,
    reading: dict[str, Any] | None,
    shown: Shown,
    names: dict[str, str],
    shares: dict[str, float],
    *,
    workspace: Workspace,
) -> list[Variant]:
    """The rows of the table: figures where there is a reading, else who was exposed."""
    arms = {arm["name"]: arm for arm in (reading or {}).get("arms", [])}
    if reading is not None and reading["verdict"] in HELD_BACK and experiment.reading != Method.SEND_WINNER:
        arms = {key: {**arm, "effect": None} for key, arm in arms.items()}
    tell = _teller(experiment, workspace)
    return [
        _variant(key, name, arms.get(key), shown.by_variant.get(key, 0), shares.get(key, 0.0), tell)
        for key, name in names.items()
    ]


def told(text: str, names: dict[str, str]) -> str:
    """A sentence of the maths, which knows variants by key, with their names instead."""
    keys = "|".join(re.escape(key) for key in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])({keys})(?![\w-])", lambda found: names[found[0]], text) if keys else text


def odds_of(shown: Shown) -> str:
    """How often a fair lot is as uneven as this one."""
    chance = None if shown.sample_ratio is None else shown.sample_ratio.p_value
    if chance is None:
        return ""
    return f"p below {SMALLEST_P:.4f}" if chance < SMALLEST_P else f"p = {chance:.4f}"


def figure_label(experiment: Experiment) -> str:
    """What the variants are judged by."""
    metric = experiment_metrics.known(experiment.metric)
    return experiment.metric if metric is None else metric.label


def shares_of(rows: dict[str, float]) -> str:
    return ", ".join(f"{key} {percent(share, 0)}" for key, share in rows.items())


def _variant(
    key: str, name: str, arm: dict[str, Any] | None, exposed: int, share: float, tell: Callable[..., str]
) -> Variant:
    arm = arm or {"mean": 0.0, "low": 0.0, "high": 0.0}
    effect = arm.get("effect") or {}
    is_read = "units" in arm
    return Variant(
        key=key,
        name=name,
        standing=arm.get("standing", ""),
        share=percent(share, 0),
        units=number(arm.get("units", exposed)),
        events=number(arm.get("events")),
        value=tell(arm["mean"]) if is_read else number(None),
        interval=f"{tell(arm['low'])} to {tell(arm['high'])}" if is_read else "",
        mean=arm["mean"],
        low=arm["low"],
        high=arm["high"],
        lift=_signed(effect.get("relative")),
        lift_interval=_between(effect),
        p_best=percent(arm.get("p_best"), 0),
        loss=tell(arm["expected_loss"], 3) if arm.get("expected_loss") is not None else number(None),
    )


def _teller(experiment: Experiment, workspace: Workspace) -> Callable[..., str]:
    metric = experiment_metrics.known(experiment.metric)
    if metric is not None and metric.is_rate:
        return lambda value, decimals=2: percent(value, decimals)
    if metric is not None and metric.is_money:
        return lambda value, decimals=2: money(value, workspace.currency, exact=True)
    return lambda value, decimals=3: number(value, decimals)


def _decided(experiment: Experiment) -> Line:
    if experiment.winner is None:
        return Line(f"{experiment.name}", "ended without a winner", "and nobody's experience changes.")
    against = ", although the reading does not say so" if experiment.is_overridden else ""
    return Line("", experiment.winner.name, f"goes to everybody{against}.")


def _before(experiment: Experiment, shown: Shown, zone: Any) -> Line:
    one, many = UNITS[experiment.unit]
    if not shown.exposed:
        return Line("Nobody", "has seen it", "yet: exposures appear here as they are logged.")
    came = count(shown.exposed, one, many)
    if experiment.due_at is None:
        return Line(f"{came} came, and", "too little", "is known to say anything.")
    if experiment.due_at <= shown.read_at:
        return Line(f"{came} came; the first reading is", "due now", "and comes by itself.")
    return Line(
        f"{came} came; the first reading is", f"on {when(experiment.due_at, zone)}", "and not before."
    )


def _verdict(experiment: Experiment, reading: dict[str, Any], names: dict[str, str]) -> Line:
    if reading["winner"] is not None:
        return _won(reading, names)
    if reading["verdict"] == "no_difference_found":
        return Line("", "No difference", "was found that would be worth having.")
    leader = max(reading["arms"], key=lambda arm: arm["mean"])
    name = names.get(leader["name"], leader["name"])
    if experiment.reading == Method.SEND_WINNER and leader.get("p_best") is not None:
        return Line(f"{name} is best with a chance of", percent(leader["p_best"], 0), "so far.")
    if reading["verdict"] in HELD_BACK:
        return Line("It is", "too early", "to say which does better.")
    return Line("Nothing is", "proven yet:", f"{name} is ahead, and that may be chance.")


def _won(reading: dict[str, Any], names: dict[str, str]) -> Line:
    arm = next(arm for arm in reading["arms"] if arm["name"] == reading["winner"])
    name, effect = names.get(arm["name"], arm["name"]), arm.get("effect")
    if not effect:
        return Line("", name, "does better than anything that was tried beside it.")
    lift = f" by {_signed(effect['relative'])} ({_between(effect)})" if effect["relative"] is not None else ""
    return Line("", name, f"does better than the control{lift}.")


def _signed(share: float | None) -> str:
    """A relative change, with its sign."""
    if share is None:
        return number(None)
    return f"{'+' if share >= 0 else ''}{percent(share, 1 if abs(share) < FINE else 0)}"


def _between(effect: dict[str, Any]) -> str:
    low, high = effect.get("relative_low"), effect.get("relative_high")
    if low is None or high is None:
        return ""
    return f"{number(low * 100, 1)} to {percent(high)}"
