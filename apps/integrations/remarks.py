"""What upper floors have to say of a connection on its page, in words: each registers who asks."""

from collections.abc import Callable

from apps.integrations.models import Connection

Remark = Callable[[Connection], list[str]]
_remarks: list[Remark] = []


def remarks(remark: Remark) -> Remark:
    """Register somebody who has something to say of a connection."""
    _remarks.append(remark)
    return remark


def on(connection: Connection) -> list[str]:
    """All that is said of it."""
    return [words for remark in _remarks for words in remark(connection)]
