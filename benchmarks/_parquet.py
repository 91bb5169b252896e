"""Touchpoints and conversions in Parquet, a hundred million in half a minute: DuckDB makes them up by itself.

Four touches a person on average, within 20 days of one another, over 180 days, in the order of time as a
stream of events arrives; every fifth person converts. Person ids are scrambled, so that neither files nor
row groups tell them apart.
"""

from pathlib import Path

import duckdb

from benchmarks._logs import SHARES, START

DAY_US = 86_400_000_000
DAYS, SPREAD_DAYS = 180, 20


def write_parquet(home: Path, *, touches: int) -> tuple[str, str]:
    """The patterns of the two folders' files; what is there already is kept."""
    for name, query in (("touchpoints", _touchpoints(touches)), ("conversions", _conversions(touches))):
        if not (home / name).exists():
            home.mkdir(parents=True, exist_ok=True)
            with duckdb.connect(config={"memory_limit": "2GB"}) as database:
                target = f"'{home / name}' (FORMAT parquet, FILE_SIZE_BYTES '200MB', COMPRESSION zstd)"
                database.execute(f"COPY ({query}) TO {target}")
    return f"{home}/touchpoints/*.parquet", f"{home}/conversions/*.parquet"


def _touchpoints(touches: int) -> str:
    people, active = touches // 4, touches // 4 * SPREAD_DAYS // DAYS
    person = f"({people - active}::BIGINT * i) // {touches} + (hash(i) % {active})::BIGINT"
    return f"""
        SELECT {_scrambled(person)} AS user_id, {_moment(f"i * {DAYS * DAY_US // touches}")} AS occurred_at,
               {_channel("hash(i * 7 + 1) % 100")} AS channel, i AS position
        FROM (SELECT range::BIGINT AS i FROM range({touches}))"""  # noqa: S608 - our own SQL


def _conversions(touches: int) -> str:
    people = touches // 4
    opens = f"p * {(DAYS - SPREAD_DAYS) * DAY_US // people}"
    later = f"{SPREAD_DAYS // 4 * DAY_US} + (hash(p * 3 + 1) % {SPREAD_DAYS * DAY_US})::BIGINT"
    return f"""
        SELECT {_scrambled("p")} AS user_id, {_moment(f"{opens} + {later}")} AS occurred_at,
               'purchase' AS conversion_type, (100 + hash(p * 5 + 2) % 20000)::BIGINT / 100 AS value,
               p AS position
        FROM (SELECT range::BIGINT AS p FROM range({people})) WHERE hash(p * 11 + 5) % 5 = 0"""  # noqa: S608


def _scrambled(person: str) -> str:
    return f"(hash({person}) >> 1)::BIGINT"


def _moment(since_us: str) -> str:
    return f"make_timestamp({int(START.timestamp() * 1_000_000)} + {since_us})"


def _channel(percentile: str) -> str:
    """The shares of benchmarks._logs, in whole per cent."""
    below, cases = 0, []
    for name, share in SHARES.items():
        below += round(share * 100)
        cases.append(f"WHEN {percentile} < {below} THEN '{name}'")
    return f"CASE {' '.join(cases)} END"
