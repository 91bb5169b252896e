"""How messages get to people: recipients are snapshotted, queued fairly, and sent in journalled batches, so
that after any crash it is known who got what.

A run (SendRun) is a campaign's place in one queue of all. Workers take chunks of it under a lease, and
journal at most fifty messages before these leave. Nothing is lost; what may have gone twice is in the ledger
as uncertain.
"""

from apps.campaigns.delivery.enqueueing import Asked, enqueue_many
from apps.campaigns.delivery.progress import Progress, faults, progress
from apps.campaigns.delivery.running import (
    cancel,
    pause,
    release_waiting,
    resume,
    start,
)

__all__ = [
    "Asked",
    "Progress",
    "cancel",
    "enqueue_many",
    "faults",
    "pause",
    "progress",
    "release_waiting",
    "resume",
    "start",
]
