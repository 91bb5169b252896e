"""Random journeys for the property tests."""

from hypothesis import strategies as st

from apps.attribution.maths.journeys import Journeys

from .reference import Row

NAMES = ("a", "b", "c", "d", "direct")


def rows(*, channels=NAMES, longest: int = 6, most: int = 12, touched: bool = True, converting: bool = True):
    """Lists of (path, conversions, value, nulls); value only where something converted."""
    paths = st.lists(st.sampled_from(channels), min_size=int(touched), max_size=longest).map(tuple)
    row = st.tuples(paths, st.integers(0, 3), st.integers(0, 500), st.integers(0, 3)).map(
        lambda found: (found[0], found[1], found[2] if found[1] else 0, found[3])
    )
    several = st.lists(row, min_size=1, max_size=most)
    return several.filter(lambda found: any(r[0] and r[1] for r in found)) if converting else several


def journeys_of(found: list[Row], *, channels=NAMES) -> Journeys:
    return Journeys.of_paths(
        [row[0] for row in found],
        conversions=[row[1] for row in found],
        value=[row[2] for row in found],
        nulls=[row[3] for row in found],
        channels=channels,
    )
