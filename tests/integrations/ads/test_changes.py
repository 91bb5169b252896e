"""Changes by way of the outbox: said before they are made, made once, and known afterwards, whatever becomes
of the answer.
"""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.models import OutboxEvent
from apps.integrations import ads_pull, outbox
from apps.integrations.connectors.ads import writes
from apps.integrations.connectors.ads.platform import (
    BudgetKind,
    CannotSay,
    Change,
    Dimension,
    Level,
    Segment,
    Status,
    Target,
)
from apps.integrations.events import AdChangeSettled
from apps.integrations.models import AdCampaign, AdCreative, AdGroup, Call
from apps.integrations.money import Money
from apps.integrations.resilience.lanes import Lane
from apps.integrations.resilience.outcomes import Kind
from tests.fakes import google_ads, linkedin, meta, tiktok, x
from tests.fakes.meta import error
from tests.fakes.server import Answer, ResetAfter, ResetBefore
from tests.integrations.connected import connection_to

PLATFORMS = {
    "google_ads": (google_ads.GoogleAds, {"access_token": google_ads.TOKEN}),
    "linkedin_ads": (linkedin.LinkedInAds, {"access_token": linkedin.TOKEN}),
    "meta_ads": (meta.Meta, {"access_token": meta.TOKEN}),
    "tiktok_ads": (tiktok.TikTokAds, {"access_token": tiktok.TOKEN}),
    "x_ads": (x.XAds, x.SECRETS),
}
WITH_PARTS = ["google_ads", "meta_ads"]
WRITES = {
    "google_ads": ("POST", r".*:mutate"),
    "linkedin_ads": ("POST", r".*/adCampaigns/.*"),
    "meta_ads": ("POST", r".*"),
    "tiktok_ads": ("POST", r".*/campaign/update/"),
    "x_ads": ("PUT", r".*"),
}
MOBILE = {"meta_ads": "mobile", "google_ads": "MOBILE"}


@pytest.fixture(params=PLATFORMS)
def there(request, settings):
    with PLATFORMS[request.param][0]() as fake:
        settings.INTEGRATION_URLS = {request.param: fake.url}
        yield fake


@pytest.fixture
def connection(workspace, there):
    return connection_to(workspace, there.name, account="1234567890", secrets=PLATFORMS[there.name][1])


@pytest.fixture(autouse=True)
def account(there):
    if there.name == "meta_ads":
        there.account = "1234567890"


@pytest.fixture
def told():
    """The events that upper floors hear."""
    return lambda: [one.payload for one in OutboxEvent.objects.filter(name=AdChangeSettled.name)]


def campaign_of(there):
    key = there.add("Spring")
    if there.name == "meta_ads":
        there.add_ad(there.add_adset(key, "All", bid_amount=1_000), "Dusk")
    if there.name == "google_ads":
        there.add_ad(there.add_group(key, "All", cpcBidMicros="10000000"), "Dusk")
    return key


def parts_of(there):
    groups = there.adsets if there.name == "meta_ads" else there.groups
    return next(iter(groups)), next(iter(there.ads))


def order(connection, target, change, key="1", **options):
    payload = writes.payload_of_change(target, change, **options)
    return outbox.enqueue(
        connection, writes.CHANGE, payload, dedup_key=key, now=timezone.now(), lane=Lane.TRANSACTIONAL
    )


def relay(*, hours=0):
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        outbox.relay(lane=int(Lane.TRANSACTIONAL))


def written(there):
    return there.asked(*WRITES[there.name])


def pounds(amount):
    return Money(Decimal(amount), "USD")


def budget(amount):
    return Change(budget=pounds(amount), budget_kind=BudgetKind.DAILY)


@pytest.fixture(autouse=True)
def currency(there):
    there.currency = "USD"


def test_an_answer_that_is_lost_is_found_out_and_nothing_is_written_twice(connection, there, told):
    there.misbehave(ResetAfter(), path=_write_path(there))
    target = Target(Level.CAMPAIGN, campaign_of(there))
    call = order(connection, target, budget(30))

    relay()
    assert Call.objects.get(pk=call.pk).state == Call.State.UNKNOWN
    assert told() == []
    relay(hours=1)

    assert Call.objects.get(pk=call.pk).state == Call.State.DONE
    assert len(written(there)) == 1
    assert writes.state_of(connection, target).budget == pounds(30)
    [event] = told()
    assert (event["call_id"], event["connection_id"], event["state"]) == (call.pk, connection.pk, "done")


def test_what_was_seen_not_to_have_been_made_is_made(connection, there, told):
    there.misbehave(ResetBefore(), path=_write_path(there))
    target = Target(Level.CAMPAIGN, campaign_of(there))
    call = order(connection, target, budget(30))

    for hours in (0, 1, 2):
        relay(hours=hours)

    assert Call.objects.get(pk=call.pk).state == Call.State.DONE
    assert len(written(there)) == 2
    assert writes.state_of(connection, target).budget == pounds(30)
    assert [one["state"] for one in told()] == ["done"]


def _write_path(there):
    return {
        "google_ads": "mutate",
        "linkedin_ads": r"adCampaigns/\d+",
        "meta_ads": r"/v[\d.]+/12\d+$",
        "tiktok_ads": "campaign/update",
        "x_ads": r"campaigns/c\d",
    }[there.name]


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
@pytest.mark.parametrize("kind", ["budget", "bid", "group", "creative", "segment"])
def test_a_preview_says_the_bytes_that_are_then_sent(connection, there, kind):
    key = campaign_of(there)
    group, ad = parts_of(there)
    target, change = {
        "budget": (Target(Level.CAMPAIGN, key), budget(30)),
        "bid": (Target(Level.GROUP, group), Change(bid=pounds(12))),
        "group": (Target(Level.GROUP, group), Change(status=Status.PAUSED)),
        "creative": (Target(Level.CREATIVE, ad), Change(status=Status.PAUSED)),
        "segment": (
            Target(Level.CAMPAIGN, key),
            Change(exclude=Segment(Dimension.DEVICE, MOBILE[there.name])),
        ),
    }[kind]
    before = writes.state_of(connection, target)

    found = writes.preview(connection, target, change)

    assert found.is_checked
    assert found.verdict.kind == Kind.OK
    assert writes.state_of(connection, target) == before
    asked = len(written(there))
    order(connection, target, change)
    relay()
    [sent] = written(there)[asked:]
    [planned] = found.requests
    assert (planned.method, planned.path) == (sent.method, urlsplit(sent.target).path)
    assert planned.body.encode() == sent.body
    assert "token" not in repr(found.requests).lower()


@pytest.mark.parametrize("there", ["linkedin_ads", "tiktok_ads", "x_ads"], indirect=True)
def test_a_preview_where_nothing_can_be_checked_says_so(connection, there):
    target = Target(Level.CAMPAIGN, campaign_of(there))

    found = writes.preview(connection, target, budget(30))

    assert not found.is_checked
    assert len(found.requests) == 1
    assert written(there) == []


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_a_preview_of_what_the_platform_refuses_gives_its_reason(connection, there):
    target = Target(Level.CAMPAIGN, "999")

    found = writes.preview(connection, target, Change(status=Status.PAUSED))

    assert found.is_checked
    assert found.verdict.kind == Kind.PERMANENT_DATA
    assert found.verdict.reason


def test_a_refusal_is_told_with_its_reason(connection, there, told):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    change = Change(exclude=Segment(Dimension.HOUR, "3"))
    order(connection, target, change)

    relay()

    [event] = told()
    assert event["state"] == "refused"
    assert len(event["reason"]) > 20
    assert written(there) == []


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_a_segment_is_left_out_and_reached_again(connection, there):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    segment = Segment(Dimension.DEVICE, MOBILE[there.name])

    def is_excluded():
        return writes.state_of(connection, target, segment=segment).is_excluded

    assert is_excluded() is False
    order(connection, target, Change(exclude=segment), "out")
    relay()
    assert is_excluded() is True
    asked = len(written(there))
    order(connection, target, Change(exclude=segment), "out again")
    relay()
    assert len(written(there)) == asked
    order(connection, target, Change(include=segment), "in")
    relay()
    assert is_excluded() is False


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_a_segment_whose_answer_is_lost_is_left_out_once(connection, there, told):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    path = r"/23\d+$" if there.name == "meta_ads" else "mutate"
    there.misbehave(ResetAfter(), path=path)
    order(connection, target, Change(exclude=Segment(Dimension.DEVICE, MOBILE[there.name])))

    relay()
    relay(hours=1)

    assert [one["state"] for one in told()] == ["done"]
    assert len(written(there)) == 1


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_what_somebody_changed_meanwhile_is_left_alone(connection, there, told):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    order(connection, target, budget(40), before=budget(30))

    relay()

    [event] = told()
    assert (event["state"], event["reason"]) == (
        "refused",
        "It was changed since: active, budget 25.50 USD.",
    )
    assert written(there) == []
    order(connection, target, budget(40), "2", before=budget("25.50"))
    relay()
    assert writes.state_of(connection, target).budget == pounds(40)


@pytest.mark.parametrize("there", ["tiktok_ads", "x_ads"], indirect=True)
def test_what_is_never_read_stays_unknown(connection, there, told):
    there.misbehave(ResetAfter(), times=4, path="adgroup|line_items")
    target = Target(Level.GROUP, "8u94t")
    with pytest.raises(CannotSay):
        writes.state_of(connection, target)
    order(connection, target, Change(bid=pounds(3)))

    relay()
    relay(hours=1)

    [event] = told()
    assert event["state"] == "unknown"
    assert len(there.asked(there.seen[-1].method, ".*(adgroup|line_items).*")) == 1


@pytest.mark.parametrize("there", ["meta_ads"], indirect=True)
def test_the_fifth_budget_of_an_hour_waits_for_the_next(connection, there):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    for number in range(5):
        order(connection, target, budget(31 + number), f"{number}")
    other = Target(Level.CAMPAIGN, campaign_of(there))

    relay()
    order(connection, other, budget(50), "of another")
    relay()

    states = list(Call.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["done"] * 4 + ["waiting", "done"]
    waiting = Call.objects.get(state="waiting")
    assert waiting.last_kind == Kind.THROTTLED
    assert waiting.due_at > timezone.now() + timedelta(minutes=59)
    assert writes.state_of(connection, target).budget == pounds(34)
    began = there.now
    there.now = lambda: began() + 2 * 3600
    relay(hours=2)
    assert writes.state_of(connection, target).budget == pounds(35)


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_what_was_changed_is_seen_here_before_the_account_is_read_again(workspace, connection, there):
    key = campaign_of(there)
    group, ad = parts_of(there)
    ads_pull.pull(workspace_id=workspace.pk, connection_id=connection.pk)
    order(connection, Target(Level.CAMPAIGN, key), budget(30), "1")
    order(connection, Target(Level.GROUP, group), Change(bid=pounds(12)), "2")
    order(connection, Target(Level.CREATIVE, ad), Change(status=Status.PAUSED), "3")

    relay()

    assert AdCampaign.objects.get().budget == 30
    assert AdGroup.objects.get().bid == 12
    assert AdCreative.objects.get().status == "paused"


@pytest.mark.parametrize("there", ["meta_ads"], indirect=True)
def test_a_read_that_fails_first_leaves_no_doubt(connection, there):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    there.misbehave(ResetAfter(), times=9, path="adsets$")
    call = order(connection, target, Change(exclude=Segment(Dimension.DEVICE, "mobile")))

    relay()

    assert Call.objects.get(pk=call.pk).state == Call.State.WAITING


@pytest.mark.parametrize("there", ["meta_ads"], indirect=True)
def test_of_several_ad_sets_the_first_that_is_refused_ends_it(connection, there, told):
    key = campaign_of(there)
    there.add_adset(key, "Others")
    last = list(there.adsets)[-1]
    there.misbehave(Answer(error(100, "Not with this objective.")), path=rf"/{last}$")
    order(connection, Target(Level.CAMPAIGN, key), Change(exclude=Segment(Dimension.DEVICE, "mobile")))

    relay()

    [event] = told()
    assert event["state"] == "refused"
    assert event["reason"].startswith("1 of 2 ad sets were changed, then: Meta 100: Not with this objective.")


@pytest.mark.parametrize("there", ["meta_ads"], indirect=True)
@pytest.mark.parametrize(
    ("level", "change"),
    [
        (Level.CAMPAIGN, Change()),
        (Level.GROUP, Change(exclude=Segment(Dimension.AGE, "18-24"))),
        (Level.CREATIVE, Change(status=Status.PAUSED, bid=Money(Decimal(1), "GBP"))),
        (Level.CAMPAIGN, Change(status=Status.PAUSED, exclude=Segment(Dimension.AGE, "18-24"))),
    ],
)
def test_a_change_that_no_target_can_have_is_no_call(there, level, change):
    with pytest.raises(ValueError, match=r"chang|ad has"):
        writes.payload_of_change(Target(level, "1"), change)


@pytest.mark.parametrize("there", WITH_PARTS, indirect=True)
def test_an_amount_in_another_currency_is_not_sent(workspace, connection, there, told):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    ads_pull.pull(workspace_id=workspace.pk, connection_id=connection.pk)
    change = Change(budget=Money(Decimal(30), "JPY"))

    order(connection, target, change)
    relay()

    assert [(one["state"], one["reason"]) for one in told()] == [
        ("refused", "The account is in USD, and the change in JPY.")
    ]
    assert writes.preview(connection, target, change).verdict.kind == Kind.REFUSED_HERE
    assert written(there) == []


def test_an_amount_of_half_a_penny_is_not_sent(connection, there, told):
    target = Target(Level.CAMPAIGN, campaign_of(there))
    order(connection, target, budget("30.005"))

    relay()

    [event] = told()
    assert (event["state"], event["reason"]) == (
        "refused",
        "30.005 USD has more decimal places than can be sent.",
    )
    assert written(there) == []


@pytest.mark.parametrize("there", ["tiktok_ads"], indirect=True)
def test_where_nothing_can_be_compared_a_guarded_change_is_refused(connection, there, told):
    bids = [Change(bid=pounds(amount)) for amount in (3, 4)]
    order(connection, Target(Level.GROUP, "8"), bids[0], before=bids[1])

    relay()

    assert told()[0]["reason"] == (
        "It cannot be seen whether it was changed since: The groups of TikTok are not read."
    )
    assert there.seen == []
