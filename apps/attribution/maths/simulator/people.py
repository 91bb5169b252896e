"""Who the suppliers are: what the company can know of them, and what it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_NAMES = (
    "Ada", "Bea", "Cleo", "Dev", "Edie", "Femi", "Gwen", "Hugo", "Iris", "Jools",
    "Kit", "Lena", "Milo", "Nia", "Otis", "Pia", "Quinn", "Rafi", "Suki", "Theo",
)  # fmt: skip
LAST_NAMES = (
    "Testwell", "Samplesby", "Mockford", "Demoworth", "Trialton", "Placeholt", "Fixturely", "Sandboxer",
    "Notreal", "Pretendham", "Dummett-Data", "Lorem-Ipsum", "Exampleton", "Fauxbridge", "Seedling",
    "Stagingham",
)  # fmt: skip
CATEGORIES = (
    "photographer", "videographer", "venue", "planner", "florist", "caterer", "cake", "band",
    "hair_makeup", "stationery", "hire", "celebrant",
)  # fmt: skip
CATEGORY_SHARES = (24, 8, 10, 12, 13, 7, 6, 6, 6, 4, 2, 2)
REGIONS = (
    ("GB", "London"), ("GB", "South East"), ("GB", "South West"), ("GB", "East of England"),
    ("GB", "Midlands"), ("GB", "North West"), ("GB", "Yorkshire"), ("GB", "North East"),
    ("GB", "Scotland"), ("GB", "Wales"), ("GB", "Northern Ireland"), ("IE", "Leinster"),
    ("IE", "Munster"), ("US", "California"), ("US", "New York"), ("AU", "New South Wales"),
)  # fmt: skip
REGION_SHARES = (14, 15, 10, 8, 12, 9, 7, 3, 7, 4, 2, 2, 1, 3, 2, 1)
PRICES_MINOR = np.array([29_000, 59_000, 89_000, 149_000])
# Venues and planners buy seats, sole traders the small plan.
TIER_SHARES = {"venue": (5, 20, 35, 40), "planner": (15, 40, 30, 15), "caterer": (20, 40, 30, 10)}
SOLE_TRADER_TIERS = (45, 38, 13, 4)
DEVICE_KINDS = ("mobile", "desktop", "tablet")
DEVICE_COUNT_SHARES = (0.62, 0.30, 0.08)
SKEWED_CLOCK_SHARE = 0.05
MEAN_JOURNEY_DAYS = 16.0


@dataclass(frozen=True)
class People:
    """The visible side, one row per true person; columns are indices into the word lists above.

    numbers: unique over all chunks of a company. signed_up_at: epoch seconds, inf for never; only from
    then on does the company know the external id, the name and the address.
    """

    tag: str
    numbers: Ints
    first_name: Ints
    last_name: Ints
    category: Ints
    region: Ints
    tier: Ints
    signed_up_at: Floats

    def __len__(self) -> int:
        return len(self.numbers)

    def external_ids(self) -> list[str]:
        return [f"supplier-{self.tag}-{n}" for n in self.numbers.tolist()]

    def names(self) -> list[str]:
        pairs = zip(self.first_name.tolist(), self.last_name.tolist(), strict=True)
        return [f"{FIRST_NAMES[first]} {LAST_NAMES[last]}" for first, last in pairs]

    def emails(self) -> list[str]:
        rows = zip(self.first_name.tolist(), self.last_name.tolist(), self.numbers.tolist(), strict=True)
        return [f"{FIRST_NAMES[f]}.{LAST_NAMES[n]}.{number}@example.com".lower() for f, n, number in rows]


@dataclass(frozen=True)
class Devices:
    """Browsers and phones, grouped by person; the first of a person is the main one.

    identified_at: epoch seconds at which this device became known to be its person's, inf for never:
    its earlier touches are stitched after the fact. skew_seconds: how far its clock is ahead.
    """

    tag: str
    person: Ints
    person_number: Ints
    position: Ints
    kind: Ints
    skew_seconds: Floats
    identified_at: Floats

    def __len__(self) -> int:
        return len(self.person)

    def anonymous_ids(self) -> list[str]:
        rows = zip(repeat(self.tag), self.person_number.tolist(), self.position.tolist(), strict=False)
        return [f"anon-{tag}-{number:x}-{position}" for tag, number, position in rows]


@dataclass(frozen=True)
class Lives:
    """The hidden side: latent intent, when interest begins, and how long it lasts (busy days)."""

    intent: Floats
    begins: Floats
    lasts: Floats


def draw_lives(people: int, *, total_days: float, rng: np.random.Generator) -> Lives:
    """Spread beginnings evenly over the busy days; interest lasts 5 to 60 days, mean about 20."""
    return Lives(
        intent=rng.standard_normal(people),
        begins=rng.random(people) * total_days,
        lasts=np.minimum(5 + rng.exponential(MEAN_JOURNEY_DAYS, people), 60),
    )


def draw_people(numbers: Ints, *, tag: str, signed_up_at: Floats, rng: np.random.Generator) -> People:
    count = len(numbers)
    category = _pick(CATEGORY_SHARES, rng.random(count))
    return People(
        tag=tag,
        numbers=numbers,
        first_name=rng.integers(len(FIRST_NAMES), size=count),
        last_name=rng.integers(len(LAST_NAMES), size=count),
        category=category,
        region=_pick(REGION_SHARES, rng.random(count)),
        tier=_tiers(category, rng.random(count)),
        signed_up_at=signed_up_at,
    )


def _pick(shares: tuple[float, ...], uniform: Floats) -> Ints:
    bounds = np.cumsum(shares) / np.sum(shares)
    return np.minimum(np.searchsorted(bounds, uniform, side="right"), len(shares) - 1)


def _tiers(category: Ints, uniform: Floats) -> Ints:
    shares = np.array([TIER_SHARES.get(name, SOLE_TRADER_TIERS) for name in CATEGORIES], dtype=float)
    bounds = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    tiers: Ints = (uniform[:, None] >= bounds[category, :-1]).sum(axis=1)
    return tiers


def draw_devices(numbers: Ints, *, tag: str, rng: np.random.Generator) -> Devices:
    """Give each person one to three devices, none of them identified yet."""
    counts = 1 + _pick(DEVICE_COUNT_SHARES, rng.random(len(numbers)))
    person = np.repeat(np.arange(len(numbers)), counts)
    position = np.arange(len(person)) - np.repeat(np.cumsum(counts) - counts, counts)
    skewed = rng.random(len(person)) < SKEWED_CLOCK_SHARE
    return Devices(
        tag=tag,
        person=person,
        person_number=numbers[person],
        position=position,
        kind=_pick((0.6, 0.32, 0.08), rng.random(len(person))),
        skew_seconds=np.where(skewed, np.round(rng.normal(0, 3600, len(person))), 0.0),
        identified_at=np.full(len(person), np.inf),
    )
