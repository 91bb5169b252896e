"""The addresses that messages lead to: which may be, and the number of each in its campaign."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.db import transaction

from apps.campaigns.models import Campaign, Link

LONGEST = 2_000


def is_link(url: str) -> bool:
    """Whether a message may lead there: the web, by name, without a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_open = parts.scheme in {"http", "https"} and "@" not in parts.netloc
    return is_open and bool(host) and url.isprintable() and " " not in url and len(url) <= LONGEST


@transaction.atomic
def numbers(campaign: Campaign, urls: Sequence[str]) -> dict[str, int]:
    """The number of each address in the campaign's messages. A number once given stays: messages that are
    out lead by it. Locks the campaign where some are new.
    """
    known = _known(campaign)
    if all(url in known for url in urls):
        return known
    Campaign.objects.select_for_update().get(pk=campaign.pk)
    known = _known(campaign)
    new = [url for url in urls if url not in known]
    following = max(known.values(), default=0) + 1
    given = {url: following + place for place, url in enumerate(new)}
    Link.objects.bulk_create(
        Link(workspace_id=campaign.workspace_id, campaign=campaign, number=number, url=url)
        for url, number in given.items()
    )
    return known | given


def _known(campaign: Campaign) -> dict[str, int]:
    return dict(Link.objects.filter(campaign=campaign).values_list("url", "number"))
