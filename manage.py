#!/usr/bin/env python
"""Django's command line, on the project's settings.

Starts the embedded services for the commands that need them.
"""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

from config import embedded

# These answer from files: they need neither database nor Redis.
NEEDS_NOTHING = {
    "attribute",
    "check",
    "collectstatic",
    "help",
    "spectacular",
    "--help",
    "--version",
}


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    asks_for_help = "--help" in arguments or "-h" in arguments
    if len(arguments) > 1 and arguments[1] not in NEEDS_NOTHING and not asks_for_help:
        try:
            embedded.ensure(Path(__file__).parent, services=embedded.missing(os.environ))
        except embedded.EmbeddedError as error:
            sys.exit(str(error))
    execute_from_command_line(arguments)


if __name__ == "__main__":
    main(sys.argv)
