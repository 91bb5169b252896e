"""A log of touches and conversions, as somebody would bring it: people, times, channels, campaigns, money."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

SHARES = {
    "organic_search": 0.22,
    "paid_search": 0.18,
    "paid_social": 0.15,
    "email": 0.12,
    "direct": 0.10,
    "referral": 0.08,
    "display": 0.06,
    "affiliate": 0.04,
    "video": 0.03,
    "sms": 0.02,
}
CHANNELS, WEIGHTS = np.array(list(SHARES)), np.array(list(SHARES.values()))
START = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 180


def write_log(path: Path, *, rows: int, seed: int = 1) -> None:
    """About 4 touches a person, shuffled; a fifth of the people convert. Columns as `attribute` documents."""
    table = _columns(rows, np.random.default_rng(seed))
    arrow_csv.write_csv(pa.table(table), path)


def _columns(rows: int, rng: np.random.Generator) -> dict[str, list[str]]:
    people = max(rows // 4, 1)
    is_sale = rng.random(rows) < 0.05
    at = rng.integers(0, DAYS * 86_400, rows)
    start = np.datetime64(START.replace(tzinfo=None), "s")
    channel = CHANNELS[rng.choice(len(CHANNELS), rows, p=WEIGHTS)]
    campaign = rng.integers(0, 20, rows)
    pence = np.round(np.exp(rng.normal(8.3, 0.8, rows))).astype(int)
    return {
        "user_id": [f"customer-{one}" for one in rng.integers(0, people, rows)],
        "occurred_at": [f"{one}Z" for one in np.datetime_as_string(start + at.astype("timedelta64[s]"))],
        "kind": np.where(is_sale, "conversion", "touch").tolist(),
        "channel": np.where(is_sale, "", channel).tolist(),
        "campaign": [
            "" if sale else f"c{one}" for sale, one in zip(is_sale.tolist(), campaign.tolist(), strict=True)
        ],
        "value": [
            f"{one // 100}.{one % 100:02}" if sale else ""
            for sale, one in zip(is_sale.tolist(), pence.tolist(), strict=True)
        ],
    }
