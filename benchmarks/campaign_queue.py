"""Claims: a million recipients are enqueued in 12 seconds, and 10,000 campaigns share the senders fairly.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/campaign_queue.py [--people 1000000]
        [--campaigns 10000] [--seconds 15] [--workers 2]

The limit of the first, in the same run: one plain INSERT … SELECT of the same rows into a table of the same
columns that checks no keys and has no index but its primary key. The second has nothing to be held against
but itself: campaigns of weight 1 and of weight 3 take turns, each claim takes a chunk of 500, and printed are
claims a second, the latency of a claim, and how far apart the campaigns are at the end.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, exact_cpu_of, keep

NAME = "bench_delivery"
PEOPLE = """
    INSERT INTO accounts_person (workspace_id, public_id, external_id, email_index, traits)
    SELECT %s, gen_random_uuid(), 'u' || g, decode(md5(g::text), 'hex'), '{}' FROM generate_series(1, %s) AS g
"""
PLAIN = """
    INSERT INTO bench_plain (workspace_id, campaign_id, person_id, content_id, occurrence, chunk, state,
        reason, is_timed, is_counted)
    SELECT workspace_id, 1, id, 1, '', 1, 'to_send', '', false, false FROM accounts_person
    WHERE workspace_id = %s ORDER BY id
"""
RUNS = """
    WITH made AS (
        INSERT INTO campaigns_campaign (workspace_id, public_id, name, kind, state, state_reason, version,
            goal, goal_days, send_from_hour, send_until_hour, is_time_optimised, hold_out_share, test_share,
            test_hours, weight, after_crash, recipients, changed_at, created_by, launched_by,
            winner, winner_reason)
        SELECT %(workspace)s, gen_random_uuid(), 'c' || g, 'broadcast', 'running', '', 1, '', 7, 0, 24, false,
            0, 1, 4, CASE WHEN g %% 10 = 0 THEN 3 ELSE 1 END, 'resend', 0, now(), '', '', '', ''
        FROM generate_series(1, %(campaigns)s) AS g RETURNING id, weight
    ), runs AS (
        INSERT INTO campaigns_sendrun (workspace_id, campaign_id, weight, vtime, is_open, is_paused,
            through_person, is_snapshotted, chunks)
        SELECT %(workspace)s, id, weight, 0, true, false, 0, true, %(chunks)s FROM made
    )
    INSERT INTO campaigns_chunk (workspace_id, campaign_id, number, state, first_person, last_person)
    SELECT %(workspace)s, id, n, 'open', 0, 0 FROM made, generate_series(1, %(chunks)s) AS n
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--campaigns", type=int, default=10_000)
    arguments.add_argument("--seconds", type=float, default=15.0)
    arguments.add_argument("--workers", type=int, default=2)
    asked = arguments.parse_args()
    with benchmark_database(name=NAME):
        enqueued = _enqueue(asked.people)
        shared = _share(asked.campaigns, asked.seconds, asked.workers)
    keep(f"campaign_queue-{asked.people}", enqueued=enqueued, shared=shared)


def _enqueue(number: int) -> dict[str, float]:
    from django.db import connection, connections, transaction  # noqa: PLC0415 - Django is set up by then
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.campaigns.models import Audience, Campaign, Content, Recipient  # noqa: PLC0415

    now, place = timezone.now(), workspace(f"queue-{time.time():.0f}", now=timezone.now())
    with scoping.workspace(place):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PEOPLE, [place.pk, number])
        with connections["owner"].cursor() as owner:
            owner.execute("DROP TABLE IF EXISTS bench_plain")
            owner.execute("CREATE TABLE bench_plain (LIKE campaigns_recipient INCLUDING IDENTITY)")
            owner.execute("ALTER TABLE bench_plain ADD PRIMARY KEY (id)")
            owner.execute("GRANT ALL ON bench_plain TO PUBLIC")
            owner.execute("VACUUM ANALYZE accounts_person")
        audience = Audience.objects.create(
            workspace=place,
            name="All",
            rules={"field": "person.has_email", "value": True},
            changed_at=now,
        )
        campaign = Campaign.objects.create(
            workspace=place, name="All", audience=audience, state="running", changed_at=now
        )
        Content.objects.create(
            workspace=place, campaign=campaign, key="a", position=0, subject="s", body="b", changed_at=now
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        server = connection.connection.info.backend_pid
        steps = Steps(lambda: exact_cpu_of(server))
        with (
            steps.step("limit: plain INSERT ... SELECT"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(PLAIN, [place.pk])
        with steps.step(f"{number:,} recipients enqueued"):
            _snapshot(campaign)
        assert Recipient.objects.filter(campaign=campaign).count() == number
    limit, ours = steps.done["limit: plain INSERT ... SELECT"], steps.done[f"{number:,} recipients enqueued"]
    print(f"  enqueued in {ours.wall:.1f} s ({ours.wall / limit.wall:.2f} x the limit; CPU {ours.cpu:.1f} s)")
    with scoping.workspace(place):
        from apps.campaigns.models import SendRun  # noqa: PLC0415

        SendRun.objects.update(is_open=False)
    return {"seconds": ours.wall, "limit_seconds": limit.wall, "cpu": ours.cpu, "limit_cpu": limit.cpu}


def _share(campaigns: int, seconds: float, workers: int) -> dict[str, float]:
    from django.db import connection, connections, transaction  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.campaigns.models import Chunk, SendRun  # noqa: PLC0415

    place, name = workspace(f"shared-{time.time():.0f}", now=timezone.now()), connection.settings_dict["NAME"]
    with scoping.workspace(place):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(RUNS, {"workspace": place.pk, "campaigns": campaigns, "chunks": 30})
        with connections["owner"].cursor() as owner:
            owner.execute("VACUUM ANALYZE campaigns_sendrun, campaigns_chunk")
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            parts = [pool.submit(_claims, str(name), seconds) for _ in range(workers)]
            took = np.concatenate([part.result() for part in parts])
        weights = dict(SendRun.objects.values_list("campaign_id", "weight"))
        done: dict[int, int] = dict.fromkeys(weights, 0)
        SendRun.objects.update(is_open=False)
        for campaign_id in Chunk.objects.filter(state="done").values_list("campaign_id", flat=True):
            done[campaign_id] += 1
    light = np.array([done[key] for key, weight in weights.items() if weight == 1])
    heavy = np.array([done[key] for key, weight in weights.items() if weight == 3])
    figures = {
        "claims_a_second": len(took) / seconds,
        "p50_ms": float(np.quantile(took, 0.5) * 1e3),
        "p99_ms": float(np.quantile(took, 0.99) * 1e3),
        "least_of_weight_1": int(light.min()),
        "most_of_weight_1": int(light.max()),
        "mean_of_weight_1": float(light.mean()),
        "mean_of_weight_3": float(heavy.mean()),
    }
    print(
        f"  {campaigns:,} campaigns, {workers} senders:"
        f" {figures['claims_a_second']:,.0f} claims of 500 a second,"
        f" p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms\n"
        f"  chunks of campaigns of weight 1: {light.min()} to {light.max()}, mean {light.mean():.2f};"
        f" of weight 3: {heavy.min()} to {heavy.max()}, mean {heavy.mean():.2f}"
        f" ({heavy.mean() / max(light.mean(), 1e-9):.2f} x)"
    )
    return figures


def _claims(name: str, seconds: float) -> Any:
    """One sender that sends nothing: seconds of each claim."""
    import os  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    import django  # noqa: PLC0415

    django.setup()
    from django.db import connections  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import one_trip, scoping  # noqa: PLC0415
    from apps.campaigns.delivery import journal  # noqa: PLC0415
    from apps.campaigns.delivery.queueing import Queue  # noqa: PLC0415

    connections["default"].settings_dict["NAME"] = name
    queue, took, ends_at = Queue(), [], time.monotonic() + seconds
    while time.monotonic() < ends_at:
        began = time.perf_counter()
        claimed = queue.claim(now=timezone.now())
        took.append(time.perf_counter() - began)
        if claimed is None:
            break
        with scoping.workspace(claimed.workspace_id):
            one_trip.fetch_all([journal.end(claimed, state="done")])
    return np.array(took)


def _snapshot(campaign: Any) -> None:
    """As the task does it, but that nothing is sent meanwhile."""
    from django.utils import timezone  # noqa: PLC0415

    from apps.campaigns.delivery import snapshotting  # noqa: PLC0415
    from apps.campaigns.models import SendRun  # noqa: PLC0415

    run = SendRun.objects.create(workspace_id=campaign.workspace_id, campaign=campaign, is_open=False)
    while snapshotting.step(run.pk, now=timezone.now()):
        pass


if __name__ == "__main__":
    main()
