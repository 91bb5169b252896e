"""What `check --deploy` refuses: keys that would not protect anybody."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from apps.accounts import sealing

BLIND_INDEX_KEY_LENGTH = 32


def sealing_keys(**_: Any) -> list[CheckMessage]:
    """Malformed, short, repeated or made-up keys of SEALING_KEYS and BLIND_INDEX_KEY."""
    found: list[CheckMessage] = [
        Error(fault, id="accounts.E001") for fault in sealing.faults(settings.SEALING_KEYS)
    ]
    return found + [Error(fault, id="accounts.E002") for fault in _index_key_faults(settings.BLIND_INDEX_KEY)]


def _index_key_faults(key: str) -> list[str]:
    if len(key) < BLIND_INDEX_KEY_LENGTH or len(set(key)) < BLIND_INDEX_KEY_LENGTH // 2:
        return [f"BLIND_INDEX_KEY needs {BLIND_INDEX_KEY_LENGTH} random characters or more."]
    if key == settings.SECRET_KEY or any(key in entry for entry in settings.SEALING_KEYS):
        return ["BLIND_INDEX_KEY must be a key of its own, not SECRET_KEY or a sealing key."]
    return []
