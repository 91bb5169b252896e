"""Claim: a list of a million people comes in at a steady rate in little memory, goes on after kill -9 with
nobody lost or twice, and rules over all of it are counted while one looks.

    PYTHONPATH=. .venv/bin/python benchmarks/audiences.py [--rows 1000000]

Of the rows half are known by user id, a quarter by nothing (they are made, with their address sealed), and a
quarter are the known ones again by their addresses. Beside it stands the limit, measured in the same run: one
INSERT … SELECT of the same people into the list, which reads no file and finds nobody.
"""

import argparse
import os
import resource
import signal
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._database import benchmark_database, workspace

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PEOPLE = """
    INSERT INTO accounts_person (workspace_id, public_id, external_id, email_index, traits, last_seen_at)
    SELECT %s, gen_random_uuid(), 'u' || n, decode(md5(n::text), 'hex'),
        jsonb_build_object('plan', CASE WHEN n %% 5 = 0 THEN 'gold' ELSE 'free' END, 'age', n %% 90),
        %s::timestamptz - n %% 400 * interval '1 day'
    FROM generate_series(1, %s) AS n
"""
TOUCHES = """
    INSERT INTO attribution_touchpoint
        (workspace_id, person_id, source_id, event_id, event_type, occurred_at, url, referrer)
    SELECT workspace_id, id, %s, 'e' || id || '-' || n, 'click',
        %s::timestamptz - (id + n) %% 90 * interval '1 day', '', ''
    FROM accounts_person CROSS JOIN generate_series(1, 3) AS n WHERE workspace_id = %s AND id %% 2 = 0
"""
LIMIT = """
    INSERT INTO campaigns_audiencemember (workspace_id, audience_id, person_id)
    SELECT workspace_id, %s, person_id FROM campaigns_audiencemember
    WHERE workspace_id = %s AND audience_id = %s
"""
RULES: dict[str, Any] = {
    "a trait": {"field": "trait", "key": "plan", "op": "equals", "value": "gold"},
    "at least 2 touches in 30 days": {"field": "touchpoint", "count": 2, "window": {"last_days": 30}},
    "did not, or a trait, and seen lately": {
        "and": [
            {
                "or": [
                    {"field": "touchpoint", "op": "did_not", "window": {"last_days": 30}},
                    {"field": "trait", "key": "age", "op": "greater", "value": 60},
                ]
            },
            {"field": "person.last_seen", "op": "in_last", "value": 90},
        ]
    },
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    rows = arguments.parse_args().rows
    print(f"A list of {rows:,} rows")
    with benchmark_database(name="bench_audiences", keep=False), tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), rows)


def _measure(folder: Path, rows: int) -> None:
    from django.conf import settings  # noqa: PLC0415 - Django is set up by then
    from django.db import connection  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.campaigns.audiences import keeping  # noqa: PLC0415
    from apps.campaigns.models import AudienceMember  # noqa: PLC0415

    settings.MEDIA_ROOT = str(folder)
    made = workspace(f"list-{time.time_ns()}", now=NOW)
    with scoping.workspace(made):
        _fill(made, rows // 2)
        actor = system(made.pk)
        fair, peer = (keeping.create(actor, name=name, kind="list", now=NOW) for name in ("Fair", "Peer"))
        first = _import(actor, fair, rows, kill=True)
        again = _import(actor, fair, rows, kill=False)
        assert first["added"] == rows * 3 // 4, first
        assert again["added"] == again["made"] == 0, again
        assert AudienceMember.objects.filter(audience=fair).count() == first["added"]
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(LIMIT, [peer.pk, made.pk, fair.pk])
            print(f"  limit: INSERT … SELECT of {cursor.rowcount:,}: {time.perf_counter() - started:.1f} s")
        _count(fair)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  most memory of this process: {peak:,.0f} MB")


def _fill(made: Any, people: int) -> None:
    from django.db import connection  # noqa: PLC0415 - Django is set up by then

    from apps.accounts import personal_fields  # noqa: PLC0415
    from apps.accounts.models import Person  # noqa: PLC0415
    from apps.attribution.models import Channel, Source  # noqa: PLC0415

    channel = Channel.objects.create(workspace=made, key="email", label="E-mail", position=1)
    source = Source.objects.create(workspace=made, channel=channel, platform="mail")
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [made.pk, NOW, people])
        cursor.execute(TOUCHES, [source.pk, NOW, made.pk])
        print(f"  {people:,} people, {cursor.rowcount:,} touches")
    known = list(Person.objects.filter(external_id__in=[f"u{n}" for n in range(1, people // 2 + 1)]))
    for person in known:
        address = f"u{(person.external_id or '')[1:]}@example.com"
        person.email_index = personal_fields.index_of(made.pk, "email", address)
    Person.objects.bulk_update(known, ["email_index"], batch_size=5_000)


def _import(actor: Any, audience: Any, rows: int, *, kill: bool) -> dict[str, int]:
    from apps.accounts.models import Job  # noqa: PLC0415 - Django is set up by then
    from apps.campaigns.audiences import list_files  # noqa: PLC0415
    from apps.campaigns.models import ListFile  # noqa: PLC0415

    file = list_files.bring(
        actor, audience, file_name="fair.csv", chunks=_lines(rows), makes_people=True, now=NOW
    )
    started = time.perf_counter()
    if kill:
        killed_at = _killed(file)
        print(f"  kill -9 with {killed_at:,} rows committed after {time.perf_counter() - started:.1f} s")
    began, already = time.perf_counter(), ListFile.objects.get(pk=file.pk).rows
    list_files.work(Job.objects.get(pk=file.job_id))
    spent, done = time.perf_counter() - began, ListFile.objects.get(pk=file.pk)
    rate = (done.rows - already) / spent
    told = {name: getattr(done, name) for name in list_files.COUNTS}
    print(f"  {done.rows - already:,} rows in {spent:.1f} s: {rate:,.0f} rows a second; in all {told}")
    assert done.rows == rows
    return told


def _killed(file: Any) -> int:
    """A worker of its own reads the file and is killed once it has committed something."""
    from django.db import connections  # noqa: PLC0415 - Django is set up by then

    from apps.accounts.models import Job  # noqa: PLC0415
    from apps.campaigns.audiences import list_files  # noqa: PLC0415
    from apps.campaigns.models import ListFile  # noqa: PLC0415

    connections.close_all()
    child = os.fork()
    if child == 0:
        list_files.work(Job.objects.get(pk=file.job_id))
        os._exit(0)
    while ListFile.objects.get(pk=file.pk).rows < 40_000:
        time.sleep(0.05)
    time.sleep(0.7)  # within a batch
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return int(ListFile.objects.get(pk=file.pk).rows)


def _lines(rows: int) -> Any:
    """Half known by user id, a quarter new, a quarter of those known again by address."""
    yield b"user_id,email\n"
    quarter = rows // 4
    for start in range(1, quarter + 1, 10_000):
        numbers = range(start, min(start + 10_000, quarter + 1))
        yield "".join(
            f"u{2 * n - 1},\nu{2 * n},\n,new{n}@example.com\n,u{n}@example.com\n" for n in numbers
        ).encode()


def _count(fair: Any) -> None:
    from apps.campaigns.audiences import selecting, tree  # noqa: PLC0415 - Django is set up by then

    on_list = {"field": "list", "list": str(fair.public_id)}
    for name, rules in {
        **RULES,
        "on the list": on_list,
        "all of them": {"or": [*RULES.values(), on_list]},
    }.items():
        times = []
        for _ in range(3):
            found = selecting.find(tree.read(rules), now=NOW)
            times.append(found.seconds)
        print(f"  {name:<40}{found.people:>10,} people, {min(times):.2f} s (best of 3)")


if __name__ == "__main__":
    main()
