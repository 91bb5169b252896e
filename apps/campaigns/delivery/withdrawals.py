"""Messages to one person that are not meant any more: who asked for them says so right before they leave."""

from collections.abc import Callable, Sequence

# Recipients → why each is not to be sent to; those who are, are not in it.
Ask = Callable[[Sequence[int]], dict[int, str]]
_asked: list[Ask] = []


def asks(ask: Ask) -> Ask:
    """Have the function asked before a triggered message leaves."""
    _asked.append(ask)
    return ask


def of(recipient_ids: Sequence[int]) -> dict[int, str]:
    """The reasons of all who were asked."""
    return {key: reason for ask in _asked for key, reason in ask(recipient_ids).items()}
