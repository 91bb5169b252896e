"""Goals: a campaign is sent at half the speed of smtp-source at least, for 150 µs of worker and 10 µs of
PostgreSQL a message.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/campaign_delivery.py --postfix DIR
        [--messages 10000] [--turns 4] [--operators-list]

The limit, in turns with ours: Postfix's own load generator, `smtp-source -d -s 2 -l 12000`, into the same
`smtp-sink`. Ours is the whole path: claim, who may be written to, the words filled in, MIME, SMTP, the
ledger; one sender. A message is of two parts, 12 kB with the envelope, with 12 links. DIR holds Postfix's
programs (Debian: `apt-get download postfix`, `dpkg -x`).

Half the people have said yes, and one in 25 has a wish. One in 33 more is barred: on the workspace's list,
which holds 300 other addresses besides, or by a no, with the wish for a message a week at most.
--operators-list: 300 addresses are on the operator's list too.
"""

import argparse
import os
import resource
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import exact_cpu_of, keep

# As in message_building.py: 12 kB with 12 links, the button's among them, and 12 names.
PARAGRAPH = (
    "Hello {{ first_name | default('there') }}, the fields are green again and the barn is open to couples. "
    "There is cake, the band plays in the yard, and you can [see the rooms number %d]"
    "(https://barn.example/%d). "
)
FILL = "We have kept the old stones, the oak and the light, and we have taken out nothing that people liked. "


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postfix", type=Path, default=Path("/usr/sbin"))
    arguments.add_argument("--messages", type=int, default=10_000)
    arguments.add_argument("--turns", type=int, default=4)
    arguments.add_argument("--operators-list", action="store_true")
    asked = arguments.parse_args()
    source, sink = (_program(asked.postfix, name) for name in ("smtp-source", "smtp-sink"))
    with benchmark_database(name="bench_delivery"), _sink(sink) as port:
        _operators_list(300 if asked.operators_list else 0)
        figures = _turns(source, port, asked.messages, asked.turns)
    keep(f"campaign_delivery-{asked.messages}{'-listed' if asked.operators_list else ''}", **figures)


def _program(place: Path, name: str) -> Path:
    found = next(iter([*place.glob(name), *place.rglob(f"sbin/{name}")]), None)
    if found is None:
        raise SystemExit(f"{name} is not under {place}: install postfix, or unpack its package and name it.")
    return found


class _sink:
    def __init__(self, program: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.command = [str(program), *user, f"127.0.0.1:{self.port}", "200"]
        self.environ = os.environ | _libraries(program)

    def __enter__(self) -> int:
        self.process = subprocess.Popen(self.command, env=self.environ)  # noqa: S603 - as asked for
        time.sleep(0.5)
        assert self.process.poll() is None, "smtp-sink does not run"
        return self.port

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def _libraries(program: Path) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(program.parent.parent / "lib" / "postfix")}


def _source(program: Path, port: int, number: int) -> tuple[float, float]:
    """Messages a second, and CPU seconds a message."""
    command = [str(program), "-d", "-s", "2", "-l", "12000", "-m", str(number), f"127.0.0.1:{port}"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=os.environ | _libraries(program), check=True)  # noqa: S603
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return number / took, cpu / number


def _turns(source: Path, port: int, messages: int, turns: int) -> dict[str, Any]:
    from django.conf import settings  # noqa: PLC0415 - Django is set up by then
    from django.db import connection  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts import scoping  # noqa: PLC0415
    from apps.campaigns import delivery  # noqa: PLC0415
    from apps.campaigns.delivery import working  # noqa: PLC0415

    settings.INTEGRATION_URLS = {"smtp": f"smtp://127.0.0.1:{port}"}
    place = workspace(f"sending-{time.time():.0f}", now=timezone.now())
    limits, ours = [], []
    with scoping.workspace(place):
        place.settings |= {"postal_address": "1 Barn Lane, Bath"}
        place.save(update_fields=["settings"])
        sender = _people(place, messages)
        campaigns = [_campaign(place, sender, number) for number in range(turns + 1)]
        for number, campaign in enumerate(campaigns):
            _snapshot(campaign)
            _analysed()
            if number:  # the first warms up
                limits.append(_source(source, port, messages))
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            server = connection.connection.info.backend_pid
            cpu, theirs, began = time.process_time(), exact_cpu_of(server), time.perf_counter()
            sent = working.deliver(seconds=600)
            took = time.perf_counter() - began
            cpu, theirs = time.process_time() - cpu, exact_cpu_of(server) - theirs
            assert delivery.progress(campaign).sent == messages, delivery.progress(campaign)
            if number:
                ours.append((sent / took, cpu / sent, theirs / sent))
                print(
                    f"  smtp-source {limits[-1][0]:7,.0f}/s {limits[-1][1] * 1e6:5.0f} us;"
                    f" ours {ours[-1][0]:7,.0f}/s {ours[-1][1] * 1e6:5.0f} us of worker,"
                    f" {ours[-1][2] * 1e6:5.1f} us of PostgreSQL;"
                    f" {ours[-1][0] / limits[-1][0]:.2f} of the limit",
                    flush=True,
                )
    middle = len(ours) // 2
    figures = {
        "ratio": sorted(mine[0] / limit[0] for mine, limit in zip(ours, limits, strict=True))[middle],
        "worker_us": sorted(one[1] for one in ours)[middle] * 1e6,
        "postgres_us": sorted(one[2] for one in ours)[middle] * 1e6,
    }
    print("  median: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    return figures


def _analysed() -> None:
    from django.db import connections  # noqa: PLC0415

    with connections["owner"].cursor() as owner:
        owner.execute(
            "ANALYZE campaigns_recipient, campaigns_chunk, campaigns_sendrun, campaigns_frequencywish,"
            " campaigns_addressmark, accounts_person, accounts_consentrecord, integrations_suppression"
        )


def _people(place: Any, number: int) -> Any:
    from apps.accounts import personal_fields  # noqa: PLC0415
    from apps.accounts.models import Person  # noqa: PLC0415
    from tests.integrations.connected import connection_to  # noqa: PLC0415

    rows = []
    for n in range(number + number // 33):
        one = Person(workspace=place, external_id=f"p{n}", traits={"plan": "gold"})
        personal_fields.set_personal(one, {"email": f"p{n}@example.com", "name": f"Ada {n}"})
        rows.append(one)
    Person.objects.bulk_create(rows, batch_size=2_000)
    _words(place, [one for n, one in enumerate(rows) if n % 34 != 33], barred=rows[33::34])
    connection_to(place, "smtp", account="smtp.example.com", secrets={})
    return connection_to(place, "mail", account="hello@studio.example", secrets={})


def _words(place: Any, people: list[Any], *, barred: list[Any]) -> None:
    """What they said, and who is on the workspace's list."""
    from datetime import timedelta  # noqa: PLC0415
    from uuid import uuid4  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from apps.accounts.models import ConsentRecord  # noqa: PLC0415
    from apps.campaigns.models import FrequencyWish  # noqa: PLC0415
    from apps.integrations.models import Suppression  # noqa: PLC0415

    told = {"workspace": place, "source": "form", "occurred_at": timezone.now() - timedelta(days=90)}
    said = [(one, True) for one in people[::2]] + [(one, False) for one in barred[::2]]
    ConsentRecord.objects.bulk_create(
        ConsentRecord(person=one, purpose="news", is_granted=is_granted, wording="Write to me.", **told)
        for one, is_granted in said
    )
    wishes = [(one, "all") for one in people[::25]] + [(one, "weekly") for one in barred[::2]]
    FrequencyWish.objects.bulk_create(
        FrequencyWish(person=one, frequency=frequency, **told) for one, frequency in wishes
    )
    listed = [one.email_index for one in barred[1::2]] + [uuid4().bytes for _ in range(300)]
    Suppression.objects.bulk_create(
        Suppression(
            workspace=place, address_index=one, reason="bounced", told_by="smtp", since=told["occurred_at"]
        )
        for one in listed
    )


def _operators_list(number: int) -> None:
    """So many addresses of nobody here; the first to be sent to are looked up, which is not measured."""
    from uuid import uuid4  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from apps.campaigns.models import EverywhereSuppression  # noqa: PLC0415

    EverywhereSuppression.objects.all().delete()
    EverywhereSuppression.objects.bulk_create(
        EverywhereSuppression(address_index=uuid4().bytes, reason="reported", since=timezone.now())
        for _ in range(number)
    )


def _campaign(place: Any, sender: Any, number: int) -> Any:
    from django.utils import timezone  # noqa: PLC0415

    from apps.campaigns.models import Audience, Campaign, Content, Topic  # noqa: PLC0415

    now = timezone.now()
    topic, _ = Topic.objects.get_or_create(
        workspace=place, key="news", defaults={"name": "News", "basis": "customer"}
    )
    made = Campaign.objects.create(
        workspace=place,
        name=f"News {number}",
        audience=Audience.objects.create(
            workspace=place,
            name=f"All {number}",
            rules={"field": "person.has_email", "value": True},
            changed_at=now,
        ),
        topic=topic,
        sender=sender,
        state="running",
        send_from_hour=0,
        send_until_hour=24,
        changed_at=now,
    )
    Content.objects.create(
        workspace=place,
        campaign=made,
        key="a",
        position=0,
        subject="{{ first_name }}, the barn is open",
        preheader="Cake, music and {{ season }}",
        body="# The barn is open\n\n" + "\n\n".join(PARAGRAPH % (n, n) + FILL for n in range(1, 12)),
        cta_label="Book a visit",
        cta_url="https://barn.example/visit",
        changed_at=now,
    )
    return made


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
