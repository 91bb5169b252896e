"""What tells two states of a record apart, and a table of many records from another."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from apps.integrations.connectors.crm.system import Remote

BUCKETS = 256
# Of what systems send along, that which changes by itself and says nothing.
VOLATILE = frozenset({"links", "_links", "href", "etag", "modified", "updatedAt", "lastViewed", "viewCount"})


def of_remote(remote: Remote) -> bytes:
    """SHA-256 of what the system says, without what changes by itself."""
    told = [_steady(remote.raw), dict(remote.fields), remote.our_id]
    return hashlib.sha256(msgspec.json.encode(told, order="sorted", enc_hook=str)).digest()


def of_id(external_id: str) -> bytes:
    """What is kept of the id of a record that was erased."""
    return hashlib.sha256(b"erased record\0" + external_id.encode()).digest()


def bucket_of(external_id: str) -> int:
    return zlib.crc32(external_id.encode()) % BUCKETS


def checksums(rows: Iterable[tuple[str, bytes]]) -> list[int]:
    """One number per bucket, the same in whatever order rows come: (external id, digest)."""
    sums = [0] * BUCKETS
    for external_id, digest in rows:
        mixed = hashlib.sha256(external_id.encode() + digest).digest()[:8]
        sums[bucket_of(external_id)] ^= int.from_bytes(mixed, "big")
    return sums


def _steady(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _steady(one) for name, one in value.items() if name not in VOLATILE}
    if isinstance(value, list | tuple):
        return [_steady(one) for one in value]
    return value
