import os

import pytest

from tests.config.checkout import checkout

__all__ = ["checkout"]


@pytest.fixture
def rounds() -> int:
    """How often to kill: once in the daily run, often in `make faults`."""
    return 20 if os.environ.get("BELLWETHER_FAULTS") == "full" else 1
