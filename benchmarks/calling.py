"""Claims: what a call through the whole policy costs beside the bare client, and 10,000 calls a minute.

Those go through the outbox with one fault in ten, and at the end each is over or scheduled.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/calling.py [--calls 10000] [--asks 2000]

The peer, in the same run: httpx2.Client on a connection that stays open, and http.send, which adds the
deadline over the whole. The policy adds bulkhead, pauses, breaker, limits, the retry budget and the figures:
once with its state in this process, once in Redis. The service stands in a process of its own and is not
counted. CPU is that of the workers; the server's is PostgreSQL's.
"""

import argparse
import logging
import multiprocessing
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, keep
from tests.faults.world import World

WORKERS = 8
SERVICE = "bench_drops"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=10_000)
    arguments.add_argument("--asks", type=int, default=2_000)
    asked = arguments.parse_args()
    logging.disable()  # the peer would write a line for each request, and we none
    perfect, faulty = _service(0.0), _service(0.1)
    with benchmark_database(name="bench_calling", keep=False):
        _register()
        overhead = _overhead(perfect, asked.asks)
        soaked = _soak(faulty, asked.calls)
    keep(f"calling-{asked.calls}", overhead=overhead, outbox=soaked)
    for process, _ in (perfect, faulty):
        process.terminate()


def _service(share: float) -> tuple[Any, str]:
    """A service in a process of its own, and where it is."""
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, share), daemon=True)
    process.start()
    return process, str(mine.recv())


def _serve(pipe: Any, share: float) -> None:
    with World(drops=True, share=share) as world:
        pipe.send(world.url)
        time.sleep(86_400)


def _register() -> None:
    from apps.integrations import outbox, services  # noqa: PLC0415 - Django is set up by then
    from apps.integrations.outbox import Handler  # noqa: PLC0415
    from apps.integrations.resilience.policy import Limits  # noqa: PLC0415
    from apps.integrations.services import Family, Service  # noqa: PLC0415
    from tests.faults.soak import send  # noqa: PLC0415

    service = Service(
        key=SERVICE, name=SERVICE, family=Family.CRM, base_url="http://127.0.0.1:9", limits=Limits(at_once=64)
    )
    services.register(service)
    outbox.handles(SERVICE, "parcels.send", Handler(perform=send, repeats_for=timedelta(days=1)))


def _overhead(service: tuple[Any, str], asks: int) -> dict[str, float]:
    """CPU microseconds of one call, each way."""
    import httpx2  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.accounts.redis_link import link  # noqa: PLC0415
    from apps.integrations import http  # noqa: PLC0415
    from apps.integrations.calling import Watch  # noqa: PLC0415
    from apps.integrations.client import Client  # noqa: PLC0415
    from apps.integrations.http import Request  # noqa: PLC0415
    from apps.integrations.models import Connection  # noqa: PLC0415
    from apps.integrations.resilience.memory_store import MemoryStore  # noqa: PLC0415
    from apps.integrations.resilience.policy import Policy  # noqa: PLC0415
    from apps.integrations.resilience.redis_store import RedisStore  # noqa: PLC0415

    place = workspace("calling", now=timezone.now())
    url = f"{service[1]}/parcels/x"
    _point_at(service[1])
    with scoping.workspace(place), httpx2.Client() as bare:
        connection = Connection(workspace=place, service=SERVICE, label="x", state_changed_at=timezone.now())
        stores = {"memory": MemoryStore(), "Redis": RedisStore(link())}
        request = Request(method="GET", url="/parcels/x")

        def through(store: Any) -> Callable[[], Any]:
            client = Client(connection, policy=Policy(shared=store, alone=MemoryStore(), watch=Watch()))
            return lambda: client.ask("x", request, read=lambda response: None)

        ways: dict[str, Callable[[], Any]] = {
            "httpx2.Client": lambda: bare.get(url),
            "http.send": lambda: http.send(Request(method="GET", url=url), timeout_seconds=5),
            **{f"policy, {name}": through(store) for name, store in stores.items()},
        }
        bare.post(url, json={})  # so that it is there
        told = _measured(ways, asks)
    for name, (cpu, wall) in told.items():
        print(
            f"  {name:<20}{cpu * 1e6:8.0f} us CPU {wall * 1e6:8.0f} us wall"
            f" {cpu / told['httpx2.Client'][0]:6.2f} x the bare client",
            flush=True,
        )
    return {name: cpu * 1e6 for name, (cpu, _) in told.items()}


def _measured(ways: dict[str, Callable[[], Any]], asks: int) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds of one call, in turns of a tenth each, so that load falls on all alike."""
    spent = dict.fromkeys(ways, (0.0, 0.0))
    for deed in ways.values():
        for _ in range(20):
            deed()
    turn = max(1, asks // 10)
    for _ in range(10):
        for name, deed in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(turn):
                deed()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            spent[name] = (spent[name][0] + cpu, spent[name][1] + wall)
    return {name: (cpu / turn / 10, wall / turn / 10) for name, (cpu, wall) in spent.items()}


def _point_at(url: str) -> None:
    from django.conf import settings  # noqa: PLC0415

    settings.INTEGRATION_URLS = {SERVICE: url}


def _soak(service: tuple[Any, str], calls: int) -> dict[str, Any]:
    """Enqueue them, have two workers send them, and see where each stands when the first is not due again."""
    from django.db import connections  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.integrations import outbox  # noqa: PLC0415
    from apps.integrations.models import Call, Connection  # noqa: PLC0415
    from apps.integrations.resilience.lanes import Lane  # noqa: PLC0415

    place, steps = workspace("calling", now=timezone.now()), Steps()
    with scoping.workspace(place):
        connection = Connection.objects.create(
            workspace=place, service=SERVICE, label="x", state_changed_at=timezone.now()
        )
        later = timezone.now() + timedelta(days=1)  # so that nothing is sent before all are there
        with steps.step(f"enqueue {calls:,}"):
            for number in range(calls):
                outbox.enqueue(
                    connection,
                    "parcels.send",
                    {"n": number},
                    dedup_key=f"p{number}",
                    now=timezone.now(),
                    due_at=later,
                    lane=Lane.TRANSACTIONAL,
                )
        Call.objects.update(due_at=timezone.now())
        connections.close_all()
        began = time.perf_counter()
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=_work, args=(place.pk, service[1])) for _ in range(WORKERS)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for one in workers:
            one.start()
        for one in workers:
            one.join()
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        states = Counter(Call.objects.values_list("state", flat=True))
        lost = calls - sum(states.values())
        unscheduled = Call.objects.filter(due_at=None).exclude(state__in=Call.TERMINAL).count()
    print(
        f"  {calls:,} calls, one fault in ten, {WORKERS} workers: {calls / wall * 60:,.0f} calls a minute,"
        f" {cpu / calls * 1e3:.2f} ms CPU of the workers a call, {wall:.1f} s; states {dict(states)},"
        f" lost {lost}, neither over nor scheduled {unscheduled}",
        flush=True,
    )
    told = {"calls": calls, "wall": wall, "cpu": cpu, "states": dict(states), "lost": lost}
    return told | {"unscheduled": unscheduled, "load": os.getloadavg()[0]}


def _work(workspace_id: int, url: str) -> None:
    """A worker: relays until nothing is due for the moment."""
    from apps.accounts import scoping  # noqa: PLC0415
    from apps.integrations import calling, outbox  # noqa: PLC0415
    from apps.integrations.resilience.lanes import Lane  # noqa: PLC0415

    _point_at(url)
    calling.reset()
    with scoping.workspace(workspace_id):
        idle = 0
        while idle < 3:
            idle = 0 if outbox.relay(lane=int(Lane.TRANSACTIONAL)) else idle + 1
            if idle:
                time.sleep(0.3)


if __name__ == "__main__":
    main()
