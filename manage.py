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
    "allocate",
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
    names_workspace = any(argument.startswith("--workspace") for argument in arguments)
    needs_nothing = arguments[1:2] == [] or (arguments[1] in NEEDS_NOTHING and not names_workspace)
    if not needs_nothing and not asks_for_help:
        try:
            embedded.ensure(Path(__file__).parent, services=embedded.missing(os.environ))
        except embedded.EmbeddedError as error:
            sys.exit(str(error))
    execute_from_command_line(arguments)


if __name__ == "__main__":
    main(sys.argv)
