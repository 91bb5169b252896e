"""Claim: the exact models take less time than the neighbours' simulated or restricted ones.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/models_in_process.py [--journeys 10000]

Everybody gets the same file of aggregated paths, and reading it counts, since each turns paths into numbers
at another place. The neighbours (ChannelAttribution, DP6) live in an environment of their own, made here when
it is missing; where that fails (ChannelAttribution needs a C++ compiler) the benchmark says so and goes on.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from apps.attribution.files.reading import read
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import MODELS, Credit, credit
from benchmarks._measure import Steps, elsewhere, keep
from benchmarks._paths import write_paths

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bellwether" / "peers"
LOCKS = Path(__file__).parent / "peers"
PEERS = ("ChannelAttribution", "DP6")
HEURISTICS = ("first_touch", "last_touch", "linear")
OTHER_RULES = ("last_non_direct", "time_decay", "position_based")
DEMAND = 2.5  # times as fast as their Markov 1 with value alone
ALL = ("read", "heuristics", *OTHER_RULES, "shapley", "markov_1")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--journeys", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    has_peers = _has_peers()
    for journeys in arguments.parse_args().journeys:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder) / "paths.csv", journeys, has_peers=has_peers)


def _measure(path: Path, journeys: int, *, has_peers: bool) -> None:
    warm_up = path.with_name("warm-up.csv")
    elsewhere(write_paths, warm_up, journeys=500)
    print(f"{journeys:,} journeys, {elsewhere(write_paths, path, journeys=journeys):,} paths that differ")
    with contextlib.redirect_stdout(io.StringIO()):
        _ours(warm_up, Steps())
    steps = Steps()
    answers = _ours(path, steps)
    peers = {name: found for name in PEERS if has_peers and (found := _peer(path, name))}
    ratios = {
        name: _compared(name, found["steps"], found["credits"], steps, answers)
        for name, found in peers.items()
    }
    told = {name: found["steps"] for name, found in peers.items()}
    ours = {name: vars(spent) for name, spent in steps.done.items()}
    keep(f"models_in_process-{journeys}", journeys=journeys, ours=ours, peers=told, ratios=ratios)


def _ours(path: Path, steps: Steps) -> dict[str, Credit]:
    """Each model by itself. The rows of such a file are distinct paths: chains take them as they are."""
    with steps.step("read"):
        journeys = read(path).journeys
    timed = _with_times(journeys)
    answers = {}
    with steps.step("heuristics"):
        for model in HEURISTICS:
            answers[model] = credit(journeys, model)
    for model in MODELS:
        if model not in answers:
            with steps.step(model):
                answers[model] = credit(timed, model, merged=journeys)
    return answers


def _with_times(journeys: Journeys) -> Journeys:
    """Paths have no times; time_decay gets some, so that it is measured too."""
    ages = np.random.default_rng(1).exponential(7.0, journeys.n_touches)
    return replace(journeys, age_days=ages)


def _compared(
    name: str,
    theirs: dict[str, dict[str, float]],
    credits: dict[str, dict[str, float]],
    steps: Steps,
    answers: dict[str, Credit],
) -> dict[str, float]:
    """Their CPU over ours for what both do, reading included; and how far their credits are from exact."""
    ratios = {}
    for step in sorted(theirs.keys() & steps.done.keys() - {"read"}):
        here = steps.done["read"].client + steps.done[step].client
        there = theirs["read"]["client"] + theirs[step]["client"]
        ratios[step] = there / here
        peak = max(theirs["read"]["peak_mb"], theirs[step]["peak_mb"])
        told = f"{there:.3f} s CPU, {peak:,.0f} MB; ours {here:.3f} s"
        print(f"  {name}, {step}: {told}: {there / here:.1f} to 1")
    if name == "ChannelAttribution":
        ratios["all"] = _all_together(theirs, steps)
    if shapley := theirs.get("shapley, at most 4 channels"):
        here = steps.done["read"].client + steps.done["shapley"].client
        there = theirs["read"]["client"] + shapley["client"]
        ratios["shapley"] = there / here
        told = f"{there:.3f} s CPU; ours, of all channels: {here:.3f} s"
        print(f"  {name}, Shapley of at most 4 channels: {told}: {there / here:.1f} to 1")
    for model, credited in credits.items():
        exact = dict(zip(answers[model].channels, answers[model].conversions.tolist(), strict=True))
        off = sum(abs(credited[channel] - exact[channel]) for channel in credited) / 2
        print(f"  {name}, {model}: {off / sum(exact.values()):.3%} of the conversions at another channel")
    return ratios


def _all_together(theirs: dict[str, dict[str, float]], steps: Steps) -> float:
    """Their first order chain with value against all of our rules, Shapley and that chain; with reading."""
    ours = [steps.done[step] for step in ALL]
    here, there = sum(step.client for step in ours), theirs["read"]["client"] + theirs["markov_1"]["client"]
    peak, their_peak = max(step.peak_mb for step in ours), theirs["markov_1"]["peak_mb"]
    told = f"{there:.3f} s CPU, {their_peak:,.0f} MB; all of ours {here:.3f} s, {peak:,.0f} MB"
    print(
        f"  Their Markov 1 with value, our rules, Shapley and Markov 1: {told}: {there / here:.1f} to 1"
        f" (demand {DEMAND}), {peak / their_peak:.2f} of their memory (demand below 1)"
    )
    return there / here


def _peer(path: Path, name: str) -> dict:
    """Measured in a process of its own; what it says on the way is not shown unless it fails."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [HOME / "bin" / "python", LOCKS / "measure.py", path, path.with_name("warm-up.csv"), name],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"  {name} was left out: {done.stderr.strip().splitlines()[-1:]}")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def _has_peers() -> bool:
    """Make their environment when there is none. Building ChannelAttribution needs a C++ compiler."""
    stamp = HOME / "installed"
    if stamp.exists():
        return True
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "--quiet", "--python", str(HOME / "bin" / "python"), "--require-hashes"]
    with contextlib.suppress(subprocess.CalledProcessError):
        for command in (
            [*uv, "venv", "--quiet", "--clear", str(HOME)],
            [*install, "--requirement", str(LOCKS / "build.txt")],
            [*install, "--no-build-isolation", "--requirement", str(LOCKS / "requirements.txt")],
        ):
            subprocess.run(command, check=True)  # noqa: S603 - our own command line
        stamp.touch()
        return True
    print("The peers could not be installed (see above): only our own figures follow.")
    return False


if __name__ == "__main__":
    main()
