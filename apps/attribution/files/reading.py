"""Journeys out of a file: an event log or aggregated paths."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from apps.attribution.files.event_log import log_journeys
from apps.attribution.files.forms import PATHS
from apps.attribution.files.opening import readable
from apps.attribution.files.path_table import path_journeys
from apps.attribution.files.tables import open_table
from apps.attribution.maths.journeys import Journeys


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What a file held.

    form: its name. journeys: with ages where it had times. repeats: rows left out because their event_id had
    stood before.
    """

    form: str
    journeys: Journeys
    repeats: int = 0


def read(path: Path, *, lookback_days: float | None = 30.0, ignored: Collection[str] = ()) -> Reading:
    """Read a file of either form and make its journeys.

    lookback_days: how far before a conversion a touch still counts, for an event log.
    ignored: names of columns to pass over.
    Raises Refused, naming the place, for anything that cannot be counted.
    """
    with readable():
        table = open_table(path, ignored=ignored)
        if table.form is PATHS:
            found = Reading(form=table.form.name, journeys=path_journeys(table))
        else:
            journeys, repeats = log_journeys(table, lookback_days=lookback_days)
            found = Reading(form=table.form.name, journeys=journeys, repeats=repeats)
    pa.default_memory_pool().release_unused()  # a third of the peak of what follows, for 1M journeys
    return found
