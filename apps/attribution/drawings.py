"""What was made of an answer to show it, kept in this process under all that decided it.

Nothing is ever taken back: another run, name, lift test, role or address has another key, so that what is
found is what would be made anew. Another release is another process.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from django.core.cache import caches

from apps.accounts import scoping

Drawn = TypeVar("Drawn")


def kept(decided_by: Iterable[object], draw: Callable[[], Drawn]) -> Drawn:
    """What was drawn before, or is now. decided_by: values whose repr tells them apart."""
    key = hashlib.sha256(repr((scoping.current_id(), *decided_by)).encode()).hexdigest()
    return cast(Drawn, caches["drawings"].get_or_set(key, draw))
