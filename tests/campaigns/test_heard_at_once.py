"""Many at once: clicks and settling that really commit beside each other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection
from django.test import Client

from apps.accounts import scoping
from apps.attribution.models import Touchpoint
from apps.campaigns.engagement import Heard, record, settling
from apps.campaigns.models import Engagement, EngagementCount
from tests.campaigns import messages
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"}


def _at_once(deed, times, *, workers=8):
    def run(number):
        try:
            return deed(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(times)))


@committed
def test_a_click_that_arrives_at_all_workers_is_one():
    sent = messages.sent(WorkspaceFactory())

    told = _at_once(lambda _: Client().get(sent.link(1), headers=BROWSER).status_code, 16)

    assert set(told) == {302}
    with scoping.workspace(sent.recipient.workspace_id):
        assert Engagement.objects.get().is_first
        count = EngagementCount.objects.get()
        assert (count.events, count.people) == (1, 1)


@committed
def test_batches_that_cross_have_one_first_each_and_add_up():
    workspace = WorkspaceFactory()
    of = messages.campaign(workspace)
    sent = [
        messages.sent(workspace, campaign_=of, to=messages.person(workspace, f"p{number}@example.com"))
        for number in range(20)
    ]

    def tell(number):
        order = sent if number % 2 else sent[::-1]
        batch = [
            Heard(
                one.recipient.pk,
                "clicked",
                f"{one.recipient.pk}:{number}",
                NOW + timedelta(minutes=number),
                1,
            )
            for one in order
        ]
        with scoping.workspace(workspace):
            return record(batch, now=NOW).stored

    assert sum(_at_once(tell, 16)) == 320
    with scoping.workspace(workspace):
        assert Engagement.objects.filter(is_first=True).count() == 20
        counts = list(EngagementCount.objects.values_list("events", "people"))
        assert tuple(map(sum, zip(*counts, strict=True))) == (320, 20)


@committed
def test_two_workers_that_settle_tell_attribution_once():
    workspace = WorkspaceFactory()
    sent = messages.sent(workspace)
    with scoping.workspace(workspace):
        batch = [
            Heard(sent.recipient.pk, "clicked", f"c:{minute}", NOW + timedelta(minutes=minute), 1)
            for minute in range(10)
        ]
        record(batch, now=NOW)

    def settle(_):
        with scoping.workspace(workspace):
            return settling.settle_some(now=NOW + timedelta(hours=1))

    _at_once(settle, 6, workers=6)
    with scoping.workspace(workspace):
        assert Touchpoint.objects.count() == 10
        assert not Engagement.objects.filter(told_at=None).exists()
