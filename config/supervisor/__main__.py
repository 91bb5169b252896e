"""python -m config.supervisor"""

import asyncio
import os
import sys
from pathlib import Path

import environ

from config.supervisor.plan import plan
from config.supervisor.run import Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    environ.Env.read_env(ROOT / ".env")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    return asyncio.run(Supervisor(plan(ROOT, os.environ)).run())


if __name__ == "__main__":
    sys.exit(main())
