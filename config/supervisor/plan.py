"""What is run, with which settings. The supervisor itself knows nothing of Django."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import embedded
from config.supervisor.program import Program

# One for each web thread and for each that tracking goes aside to; Django's default pool of 4 makes requests
# queue (measured: half the throughput).
WEB_CONNECTIONS = "28"
WORKERS = "2"
# Celery's advice for servers; whoever runs `make run` as root has a reason, as in a container.
NO_ADVICE = "ignore:You're running the worker with superuser privileges"


@dataclass(frozen=True)
class Plan:
    """Steps run once, in order; children are kept running; afterwards runs once beside them."""

    root: Path
    host: str
    port: int
    services: tuple[str, ...]
    steps: tuple[Program, ...]
    children: tuple[Program, ...]
    afterwards: tuple[Program, ...] = ()
    worker: str | None = "worker"  # the child that the watchdog looks after

    @property
    def address(self) -> str:
        return address_of(self.host, self.port)


def address_of(host: str, port: int) -> str:
    """Where a browser on this machine finds it."""
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::', ''} else host}:{port}"  # noqa: S104


def plan(root: Path, environ: Mapping[str, str]) -> Plan:
    """The whole suite on one machine. PORT, HOST, BELLWETHER_DEMO=0 and the service URLs change it."""
    host, port = environ.get("HOST", "127.0.0.1"), int(environ.get("PORT", "8000"))
    fakes_port = environ.get("FAKES", "")
    fakes = {"FAKES_URL": f"http://127.0.0.1:{fakes_port}"} if fakes_port else {}
    surroundings = {"SITE_URL": address_of(host, port), **fakes, **environ}

    def python(name: str, *arguments: str, **extra: str) -> Program:
        return Program(name, [sys.executable, *arguments], root, {**extra, **surroundings})

    manage, celery = str(root / "manage.py"), ("-m", "celery", "--quiet", "-A", "config.celery")
    steps, afterwards = [python("migrate", manage, "migrate", "--verbosity", "0")], []
    if environ.get("BELLWETHER_DEMO", "1") != "0":
        # migrate has made the checks, those of the database too, before it changed anything.
        steps.append(python("demo", manage, "demo", "--if-empty", "--skip-checks"))
        afterwards += [python(name, manage, name) for name in ("demo_ads", "demo_campaigns") if fakes_port]
    listen = ("--host", host, "--port", str(port), "--timeout-graceful-shutdown", "5")
    quiet = ("--no-access-log", "--no-server-header", "--log-level", "warning")
    web = ("-m", "uvicorn", "config.asgi:application", *listen, *quiet)
    alone = ("--concurrency", WORKERS, "--exclude-queues", "delivery", "--without-gossip", "--without-mingle")
    senders = ("--queues", "delivery", "--concurrency", WORKERS, "--without-gossip", "--without-mingle")
    critical = ("--queues", "critical", "--concurrency", "1", "--without-gossip", "--without-mingle")
    children = (
        *([python("fakes", manage, "fakes", "--port", fakes_port)] if fakes_port else []),
        python("web", *web, DATABASE_POOL_SIZE=WEB_CONNECTIONS),
        python("worker", *celery, "worker", *alone, PYTHONWARNINGS=NO_ADVICE),
        # Campaigns are sent for as long as there are any: in nobody's way.
        python(
            "delivery", *celery, "worker", *senders, "--hostname", "delivery@%h", PYTHONWARNINGS=NO_ADVICE
        ),
        # Wedding-day messages and alerts wait behind nothing else.
        python(
            "critical", *celery, "worker", *critical, "--hostname", "critical@%h", PYTHONWARNINGS=NO_ADVICE
        ),
        python("beat", *celery, "beat", "--pidfile="),
    )
    return Plan(
        root, host, port, embedded.missing(environ), tuple(steps), children, afterwards=tuple(afterwards)
    )
