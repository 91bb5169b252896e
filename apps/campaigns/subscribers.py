"""What campaigns do on news: a change that an ad platform has taken or refused is settled; a cap that is new
counts what has left before it.
"""

from django.utils import timezone

from apps.accounts.events import subscribe
from apps.accounts.news import WorkspaceSettingsChanged
from apps.campaigns.delivery import limits, looking_back
from apps.campaigns.optimization import execute
from apps.integrations.events import AdChangeSettled


@subscribe(AdChangeSettled)
def settle_change(event: AdChangeSettled) -> None:
    execute.settle(event.call_id, event.state, event.reason, now=timezone.now())


@subscribe(WorkspaceSettingsChanged)
def count_what_left_before(event: WorkspaceSettingsChanged) -> None:
    if limits.SETTING in event.names:
        looking_back.look_back.delay(workspace_id=event.workspace_id)
