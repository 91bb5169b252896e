"""One file through every door: the import, then the API and the overview, say what `attribute` says of it."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from apps.attribution import reports
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Channel, Touchpoint
from apps.attribution.questions import Query
from tests.factories import NOW

from .maths.vectors import FOLDER, load

HEADER = ("user_id", "occurred_at", "kind", "channel", "campaign", "value")
CHANNELS = ("email", "paid_search", "paid_social", "organic_search", "direct", "display")
START = NOW - timedelta(days=120)
PENNY = 0.01 + 1e-9

Event = tuple[str, str, str, str, str, str]
Rows = dict[str, dict[str, dict[str, float]]]


def _event(
    person: str, day: float, kind: str, channel: str = "", campaign: str = "", value: str = ""
) -> Event:
    return person, (START + timedelta(days=day)).isoformat(), kind, channel, campaign, value


def a_log(rng: np.random.Generator) -> list[Event]:
    """People with no, one or several conversions, with and without touches, in no order of time.

    Whole days and few of them: many touches happen at the same moment as another, or as a conversion.
    """
    events = []
    for number in range(120):
        person = f"customer {number}"
        for _ in range(rng.integers(0, 7)):
            kind = str(rng.choice(["touch", "click", "visit", "impression"]))
            campaign = str(rng.choice(["", "spring", "autumn"]))
            events.append(_event(person, int(rng.integers(0, 60)), kind, str(rng.choice(CHANNELS)), campaign))
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            pence = int(rng.integers(1, 30_000))
            events.append(_event(person, int(rng.integers(0, 100)), "conversion", value=f"{pence / 100:.2f}"))
    events += [events[0], _event("sale without value", 3, "purchase")]
    return [events[place] for place in rng.permutation(len(events))]


def synthetic_log() -> list[Event]:
    """The 10,000 journeys of the vectors, one person each; the value of a path split over its conversions."""
    events: list[Event] = []
    with (FOLDER / "synthetic_10k_paths.csv").open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            path, sold = row["path"].split(" > "), int(row["total_conversions"])
            pence, left = divmod(round(float(row["total_conversion_value"]) * 100), sold or 1)
            for copy in range(sold + int(row["total_null"])):
                person = f"{number}-{copy}"
                events += [_event(person, step / 24, "touch", name) for step, name in enumerate(path)]
                if copy < sold:
                    value = f"{(pence + (copy < left)) / 100:.2f}"
                    events.append(_event(person, len(path) / 24, "conversion", value=value))
    return events


def written(path: Path, events: list[Event]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *events])
    return path


def attributed(path: Path) -> Any:
    out = io.StringIO()
    call_command("attribute", str(path), "--format", "json", stdout=out)
    return json.loads(out.getvalue())


def imported(path: Path, slug: str) -> str:
    out = io.StringIO()
    call_command("import_events", str(path), "--workspace", slug, stdout=out)
    return out.getvalue()


def analysed(api: Any) -> Any:
    asked = {"model_type": "all", "group_by": "channel"}
    answer = api.post("/api/v1/attribution/analyze/batch", asked, format="json")
    assert answer.status_code == 200
    return answer.json()


def by_channel(answer: Any) -> Rows:
    found: Rows = {name: {} for name in MODELS}
    for row in answer["rows"]:
        found[row["model"]][row["channel"]] = row
    return found


def check(told: Rows, computed: Rows) -> None:
    """To the last digit where nothing is rounded; money, which is shared out in whole pence, to the penny."""
    for model, channels in computed.items():
        earning = {channel: row for channel, row in channels.items() if row["conversions"]}
        assert told[model].keys() >= earning.keys(), model
        for channel, row in told[model].items():
            known = channels.get(channel, {"conversions": 0, "revenue": 0, "share": 0})
            for name, precision in (("conversions", 1e-9), ("share", 1e-9), ("revenue", PENNY)):
                assert row[name] == pytest.approx(known[name], rel=0, abs=precision), (model, channel, name)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_import_the_api_and_the_overview_say_what_attribute_says(
    workspace, api, actor, now, tmp_path, seed
):
    events = a_log(np.random.default_rng(seed))
    path = written(tmp_path / "log.csv", events)

    assert f"{len(events):,} stored" in imported(path, workspace.slug)
    computed, told = attributed(path), analysed(api)

    assert list(computed["models"]) == list(MODELS)
    check(by_channel(told), computed["models"])
    for name in ("journeys", "conversions", "revenue"):
        assert told["totals"][name] == pytest.approx(computed["totals"][name], abs=1e-6)
    for model in MODELS:
        shown = reports.overview(actor, Query(), model=model, now=now)
        assert shown.totals.conversions == computed["totals"]["conversions"]
        check({model: _shown(shown)}, {model: computed["models"][model]})


def _shown(overview: reports.Overview) -> dict[str, dict[str, float]]:
    """The overview's own share is one of revenue: that of the conversions is worked out beside it."""
    assert overview.totals is not None
    return {
        row.key: {
            "conversions": row.conversions,
            "revenue": float(row.revenue),
            "share": row.conversions / overview.totals.conversions,
        }
        for row in overview.rows
    }


def test_touches_of_one_moment_keep_the_order_of_the_file(workspace, tmp_path):
    """A model that asks which came first would otherwise differ from `attribute`."""
    events = [_event("one", 1, "touch", channel) for channel in CHANNELS]

    imported(written(tmp_path / "log.csv", events), workspace.slug)

    stored = Touchpoint.objects.order_by("occurred_at", "id").values_list("source__channel__key", flat=True)
    assert tuple(stored) == CHANNELS


def test_the_reference_vectors_come_out_of_the_database(workspace, api, tmp_path):
    expected = load("synthetic_10k_expected.json")
    path = written(tmp_path / "log.csv", synthetic_log())

    imported(path, workspace.slug)
    told = by_channel(analysed(api))

    assert set(Channel.objects.values_list("key", flat=True)) >= set(expected["shapley_subset_count"])
    check(told, attributed(path)["models"])
    for model, key in (("first_touch", "first"), ("last_touch", "last"), ("linear", "linear")):
        _check_against(told[model], expected["heuristics"], f"{key}_c", f"{key}_v")
    for order in (1, 2, 3):
        _check_against(told[f"markov_{order}"], expected[f"markov_order{order}"], "conversions", "value")
    _check_against(told["shapley"], expected, "shapley_subset_count", "shapley_subset_value")


def _check_against(rows: dict[str, Any], expected: Any, conversions: str, value: str) -> None:
    for channel, credited in expected[conversions].items():
        assert rows[channel]["conversions"] == pytest.approx(credited, rel=0, abs=1e-9)
        assert rows[channel]["revenue"] == pytest.approx(expected[value][channel], rel=0, abs=PENNY)
