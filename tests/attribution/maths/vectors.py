"""The reference vectors, read."""

import csv
import json
from pathlib import Path
from typing import Any

from apps.attribution.maths.journeys import Journeys

FOLDER = Path(__file__).parents[2] / "vectors"


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def journeys_of(rows: list[dict[str, Any]]) -> Journeys:
    """Journeys of [{"path": "A>B", "conversions", "value", "null"}]."""
    return Journeys.of_paths(
        [[name.strip() for name in row["path"].split(">")] for row in rows],
        conversions=[row["conversions"] for row in rows],
        value=[row["value"] for row in rows],
        nulls=[row["null"] for row in rows],
    )


def synthetic() -> Journeys:
    with (FOLDER / "synthetic_10k_paths.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return Journeys.of_paths(
        [row["path"].split(" > ") for row in rows],
        conversions=[float(row["total_conversions"]) for row in rows],
        value=[float(row["total_conversion_value"]) for row in rows],
        nulls=[float(row["total_null"]) for row in rows],
    )
