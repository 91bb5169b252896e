"""What is foretold from a workspace's own campaigns, held against what came; its page and the API."""

from datetime import timedelta

import numpy as np
import pytest
from django.core.cache import cache

from apps.accounts import scoping
from apps.accounts.models import Person
from apps.campaigns.content import predictions
from apps.campaigns.models import Campaign, Content, EngagementCount, Recipient
from tests.factories import NOW

URL = "/api/v1/marketing/ai-content/predictions"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


@pytest.fixture
def sent(workspace):
    """A campaign that is over, whose variants had these (people, opened, clicked)."""
    everybody = Person.objects.bulk_create(Person(workspace=workspace) for _ in range(400))

    def make(*figures, finished_at=NOW - 4 * DAY, state="done", prediction=None, machine=0):
        campaign = Campaign.objects.create(
            workspace=workspace, name="Past", state=state, changed_at=NOW, finished_at=finished_at
        )
        rest = iter(everybody)
        for place, (people, opened, clicked) in enumerate(figures):
            content = Content.objects.create(
                workspace=workspace, campaign=campaign, key="abc"[place], position=place, subject="Hello",
                body="Words", changed_at=NOW, prediction=prediction or {},
            )  # fmt: skip
            Recipient.objects.bulk_create(
                Recipient(
                    workspace=workspace, campaign=campaign, person=next(rest), content=content, state="sent"
                )
                for _ in range(people)
            )
            for kind, count in (("opened", opened), ("clicked", clicked)):
                EngagementCount.objects.create(
                    workspace=workspace, campaign=campaign, content_id=content.pk, kind=kind, hour=NOW,
                    events=3 * count, people=count, machine=machine,
                )  # fmt: skip
        return campaign

    return make


def told(low, middle, high):
    rates = {"low": low, "middle": middle, "high": high, "is_trustworthy": True}
    return {"click": rates, "open": rates, "is_prior_only": False, "campaigns": 3}


def test_machines_and_repeats_are_not_counted(sent):
    sent((100, 40, 7), machine=60)

    [result] = predictions.results(now=NOW)

    assert (result.people, result.hits) == (100, {"open": 40, "click": 7})


def test_what_is_not_over_or_too_small_says_nothing(sent):
    sent((100, 40, 7), finished_at=NOW - 2 * DAY)
    sent((100, 40, 7), state="running")
    sent((49, 40, 7))

    assert predictions.results(now=NOW) == []


def test_under_three_campaigns_the_prior_speaks(sent, campaign, content_of):
    sent((200, 190, 150))
    sent((200, 190, 150))
    cold = predictions.foretell(campaign, [content_of()], now=NOW)[0]

    assert (cold["is_prior_only"], cold["campaigns"]) == (True, 0)
    assert cold["click"]["middle"] < 0.1
    assert cold["open"]["is_trustworthy"] is False
    sent((200, 190, 150))
    learnt = predictions.foretell(campaign, [content_of("b")], now=NOW)[0]
    assert (learnt["is_prior_only"], learnt["campaigns"]) == (False, 3)
    assert learnt["click"]["middle"] > 0.3
    assert learnt["click"]["low"] < learnt["click"]["middle"] < learnt["click"]["high"]


def test_a_small_audience_makes_it_less_sure(campaign, content_of):
    one = content_of()
    campaign.recipients = 100
    few = predictions.foretell(campaign, [one], now=NOW)[0]["click"]
    campaign.recipients = 1_000_000
    many = predictions.foretell(campaign, [one], now=NOW)[0]["click"]

    assert few["high"] - few["low"] > many["high"] - many["low"]


def test_what_was_foretold_is_scored(sent):
    sent((100, 30, 10), (100, 30, 2), prediction=told(0.05, 0.08, 0.12))
    sent((200, 30, 50), prediction=told(0.05, 0.08, 0.12))
    sent((200, 30, 50))

    _, clicked = predictions.calibration(now=NOW)

    assert (clicked.count, clicked.held, clicked.above, clicked.below) == (3, 1, 1, 1)
    assert clicked.share == pytest.approx(1 / 3)
    assert clicked.error == pytest.approx(np.mean([0.02, 0.06, 0.17]))
    # Wilson (1927) of 1 in 3.
    assert (clicked.share_low, clicked.share_high) == pytest.approx((0.0615, 0.7923), abs=1e-3)


def test_the_page_and_the_api(sent, page, api):
    assert (
        "Nothing that was foretold can be judged yet" in page.get("/campaigns/predictions/").content.decode()
    )
    sent((100, 30, 10), (100, 30, 2), prediction=told(0.05, 0.08, 0.12))

    shown = page.get("/campaigns/predictions/")
    listed = api.get(URL).json()

    assert "<em>1 of 2</em> foretold click rates came true" in " ".join(shown.content.decode().split())
    assert [(one["measure"], one["count"], one["held"]) for one in listed] == [
        ("open", 2, 0),
        ("click", 2, 1),
    ]
    assert {one["variant"]: one["came"] for one in listed[1]["rows"]} == {"a": 0.1, "b": 0.02}


def test_another_workspaces_campaigns_teach_nothing(sent, other_workspace):
    sent((100, 30, 10), prediction=told(0.05, 0.08, 0.12))

    with scoping.workspace(other_workspace):
        assert predictions.results(now=NOW) == []
        assert predictions.calibration(now=NOW)[1].share is None
