"""Ways in which money might run away: two at once, news that comes late, a yes that no longer covers it."""

import time
from concurrent.futures import ThreadPoolExecutor

import time_machine
from django.db import connections, transaction

from apps.accounts import scoping
from apps.campaigns.models import Change, Recommendation
from apps.campaigns.optimization import carrying_out, decisions
from tests.campaigns.conftest import person, recommend
from tests.conftest import committed
from tests.factories import NOW

State = Recommendation.State
# So long the other one needs at most to come to the lock.
A_MOMENT = 1.5


@committed
def test_a_no_while_the_clock_looks_stays_a_no(account, workspace):
    boss = person(workspace)
    found = decisions.approve(boss, recommend(account.campaigns[0], "46").public_id, now=NOW)

    def clock() -> None:
        try:
            with scoping.workspace(workspace):
                carrying_out.carry_out(now=NOW)
        finally:
            connections.close_all()

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            decisions.reject(boss, found.public_id, reason="Not this one.", now=NOW)
            ran = pool.submit(clock)
            time.sleep(A_MOMENT)
        ran.result()

    seen = decisions.get(found.public_id)
    assert (seen.state, seen.state_reason) == (State.REJECTED, "Not this one.")
    assert not Change.objects.exists()
