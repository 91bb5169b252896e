"""A database of the benchmarks' own, beside the product's: made once, kept, and used as the application's
role.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
ROOT = Path(__file__).parent.parent
NAME = "bench_bellwether"


@contextmanager
def benchmark_database(*, keep: bool) -> Iterator[None]:
    """Migrate it and run the block on it. keep: leave it for the next run."""
    from config import embedded  # noqa: PLC0415 - Django's settings come first

    embedded.ensure(ROOT, services=embedded.missing(os.environ))
    django.setup()
    from django.db import connections  # noqa: PLC0415

    owner, application = connections["owner"], connections["default"]
    owner.settings_dict["TEST"]["NAME"] = NAME
    owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep, serialize=False)
    application.creation.set_as_test_mirror(owner.settings_dict)
    try:
        yield
    finally:
        connections.close_all()
        if not keep:
            owner.creation.destroy_test_db(NAME, verbosity=0)
