"""The tests of a warehouse run in an environment that has less than that of the others."""

import os
import subprocess
import sys

from tests.config.checkout import REPOSITORY

WITHOUT = """
import sys
sys.modules["hypothesis"] = None
import django
django.setup()
import tests.conftest
import tests.warehouse.conftest
"""


def test_what_every_test_imports_needs_no_hypothesis():
    run = {"cwd": REPOSITORY, "capture_output": True, "text": True, "check": False}
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test", "PYTHONPATH": str(REPOSITORY)}

    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environ, **run)  # noqa: S603 - our own script

    assert done.returncode == 0, done.stderr
