"""What a worker has open of a campaign: the rows that say what is sent, from whom and through whom.

Read anew whenever one of them has changed, which each chunk asks in one statement; the next chunk of the same
campaign then costs that and no more.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from apps.accounts import one_trip
from apps.accounts.models import Workspace
from apps.campaigns import flags
from apps.campaigns.delivery import writing
from apps.campaigns.delivery.queueing import Claimed
from apps.campaigns.models import Campaign
from apps.integrations import bulk_mail

KEPT = 64
# Each version of a row has a transaction that wrote it and a place where it stands, and no two versions have
# the same of both at once.
STAMP = """
    WITH mine AS MATERIALIZED (
        SELECT id, topic_id, xmin, ctid FROM campaigns_campaign
        WHERE workspace_id = (SELECT %(workspace)s::bigint) AND id = %(campaign)s
    )
    SELECT (SELECT is_on FROM campaigns_flagchoice
            WHERE workspace_id = (SELECT %(workspace)s::bigint) AND name = %(flag)s),
        (SELECT array_agg(mark ORDER BY mark) FROM (
            SELECT concat_ws(' ', 'campaign', id, xmin, ctid) AS mark FROM mine
            UNION ALL SELECT concat_ws(' ', 'workspace', id, xmin, ctid) FROM accounts_workspace
                WHERE id = (SELECT %(workspace)s::bigint)
            UNION ALL SELECT concat_ws(' ', 'topic', t.id, t.xmin, t.ctid)
                FROM mine JOIN campaigns_topic AS t
                    ON t.workspace_id = (SELECT %(workspace)s::bigint) AND t.id = mine.topic_id
            UNION ALL SELECT concat_ws(' ', 'content', id, xmin, ctid) FROM campaigns_content
                WHERE workspace_id = (SELECT %(workspace)s::bigint) AND campaign_id = %(campaign)s
            UNION ALL SELECT concat_ws(' ', 'connection', id, xmin, ctid) FROM integrations_connection
                WHERE workspace_id = (SELECT %(workspace)s::bigint)
                  AND service = ANY(%(services)s::text[])) AS marks)
"""


@dataclass
class Opened:
    """A campaign, ready to be sent."""

    workspace: Workspace
    campaign: Campaign

    @cached_property
    def sender(self) -> bulk_mail.Sender:
        """Raises mail.NoSender."""
        return bulk_mail.sender(self.campaign.sender)

    @cached_property
    def writer(self) -> writing.Writer:
        """Raises BadTemplate."""
        return writing.writer(self.campaign, self.sender)

    @cached_property
    def doors(self) -> list[bulk_mail.Door]:
        return bulk_mail.doors()


@dataclass
class Openings:
    """Those that one worker has, the last used last."""

    _kept: OrderedDict[int, tuple[list[str], Opened]] = field(default_factory=OrderedDict)

    def of(self, claimed: Claimed) -> tuple[Opened, bool]:
        """As everything stands now, and whether the workspace lets its campaigns be sent."""
        chosen, stamp = _stamp(claimed)
        known = self._kept.pop(claimed.campaign_id, None)
        opened = known[1] if known is not None and known[0] == stamp else _opened(claimed)
        self._kept[claimed.campaign_id] = stamp, opened
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return opened, flags.is_on_with(flags.SENDING, claimed.workspace_id, chosen)


def _stamp(claimed: Claimed) -> tuple[bool | None, list[str]]:
    """The workspace's word on sending, and which versions of the rows there are."""
    params: dict[str, Any] = {
        "workspace": claimed.workspace_id,
        "campaign": claimed.campaign_id,
        "flag": flags.SENDING,
        "services": list(bulk_mail.SERVICES),
    }
    chosen, stamp = one_trip.fetch_one(STAMP, params, is_prepared=True)
    return chosen, stamp


def _opened(claimed: Claimed) -> Opened:
    campaign = Campaign.objects.select_related("topic", "sender").get(pk=claimed.campaign_id)
    return Opened(Workspace.objects.get(), campaign)
