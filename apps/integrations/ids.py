"""Ids that sort by the time at which they were made (UUID version 7, RFC 9562 section 5.7), and those that
others bring back.
"""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """48 bits of milliseconds, then version, variant and 74 random bits."""
    millis = time.time_ns() // 1_000_000
    number = (millis << 80) | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF000 << 64) | 0x7000 << 64
    return UUID(int=number & ~(0xC000 << 48) | 0x8000 << 48)


def uuid_of(text: str) -> UUID | None:
    """None for what is no UUID."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
