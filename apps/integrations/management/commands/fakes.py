import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Run fakes of every outside service on one port, to try the product without accounts there."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9700)

    def handle(self, *, port: int, **_: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("Fakes are for trials: this is production.")
        if not (Path(settings.BASE_DIR) / "tests" / "fakes").is_dir():
            raise CommandError("The fakes live in tests/fakes, which this installation does not have.")
        command = [sys.executable, "-m", "tests.fakes", "--port", str(port)]
        sys.exit(subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode)  # noqa: S603 - ours
