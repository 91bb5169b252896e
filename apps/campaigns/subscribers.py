"""What campaigns do on news: a change that an ad platform has taken or refused is settled."""

from django.utils import timezone

from apps.accounts.events import subscribe
from apps.campaigns.optimization import execute
from apps.integrations.events import AdChangeSettled


@subscribe(AdChangeSettled)
def settle_change(event: AdChangeSettled) -> None:
    execute.settle(event.call_id, event.state, event.reason, now=timezone.now())
