"""What is found by an address alone, for when its owner is erased."""

from collections.abc import Iterable
from contextlib import suppress

from apps.accounts.errors import Invalid
from apps.campaigns.models import AddressMark, SignUp
from apps.campaigns.subscriptions import addresses


def forget(texts: Iterable[str]) -> None:
    """Drop sign-ups and marks of those of the texts that are addresses, in the workspace in scope."""
    indexes = []
    for text in texts:
        with suppress(Invalid):
            indexes.append(addresses.in_workspace(text))
    SignUp.objects.filter(address_index__in=indexes).delete()
    AddressMark.objects.filter(address_index__in=indexes).delete()
