"""Bodies of the routes of campaigns for the tests of every route."""

from typing import Any

_BATCH = {
    "device_id": "tablet",
    "seq_from": 1,
    "sent_at": "2026-11-20T09:00:00Z",
    "events": [
        {
            "id": "0193c1f2-7a2e-7cc1-b0e4-2f5a9d1c7e11",
            "type": "event",
            "original_timestamp": "2026-11-20T08:00:00Z",
            "lamport": 1,
            "payload": {"user_id": "eve", "event_type": "visit", "platform": "fair"},
        }
    ],
}
BODIES: dict[tuple[str, str], Any] = {
    ("put", "marketing-api:bi-schedule"): {"cadence": "weekly", "at_hour": 8, "to": ["eve@example.com"]},
    ("post", "sync-batch"): _BATCH,
    ("post", "marketing-api:sync-batch"): _BATCH,
}
