"""Who followed a link: signs and behaviour, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.campaigns.maths.machines import HONEYPOT, Click, Signs, by_behaviour, by_signs

PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/141.0 Safari/537.36"


@pytest.mark.parametrize(
    "name",
    [
        PERSON,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Edg/141.0",
    ],
)
def test_a_browser_may_be_a_persons(name):
    assert by_signs(Signs(user_agent=name)) == ""


@pytest.mark.parametrize(
    ("signs", "reason"),
    [
        (Signs(method="HEAD", user_agent=PERSON), "head"),
        (Signs(user_agent=PERSON, headers={"purpose": "prefetch"}), "prefetch"),
        (Signs(user_agent=PERSON, headers={"sec-purpose": "prefetch;prerender"}), "prefetch"),
        (Signs(user_agent=PERSON, headers={"x-moz": "prefetch"}), "prefetch"),
        (Signs(user_agent="Mozilla/5.0"), "proxy"),
        (
            Signs(user_agent="Mozilla/5.0 (Windows NT 5.1) Firefox/11 (via ggpht.com GoogleImageProxy)"),
            "proxy",
        ),
        (Signs(user_agent="YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy"), "proxy"),
        (Signs(user_agent="Mozilla/4.0 (compatible; ms-office; MSOffice 16)"), "scanner"),
        (Signs(user_agent="Mozilla/5.0 (compatible; Barracuda Sentinel)"), "scanner"),
        (Signs(user_agent="Slackbot-LinkExpanding 1.0"), "scanner"),
        (Signs(user_agent="curl/8.5"), "program"),
        (Signs(user_agent="python-requests/2.32"), "program"),
        (Signs(user_agent=""), "program"),
    ],
)
def test_a_machine_shows_itself(signs, reason):
    assert by_signs(signs) == reason


def _reasons(clicks, links=(1, 2, 3), delivered=None):
    return by_behaviour(clicks, links=links, delivered_seconds=delivered)


def test_one_link_and_another_minutes_later_is_a_person():
    assert _reasons([Click(1, 100.0), Click(2, 160.0)], delivered=0.0) == ["", ""]


def test_every_link_within_seconds_is_a_machine():
    clicks = [Click(1, 100.0), Click(3, 101.0), Click(2, 102.0)]
    assert _reasons(clicks) == ["every link"] * 3


def test_both_of_two_links_at_once_is_every_link():
    assert _reasons([Click(1, 100.0), Click(2, 100.5)], links=(1, 2)) == ["every link"] * 2
    assert _reasons([Click(1, 100.0), Click(2, 100.5)], links=(1, 2, 3)) == ["", ""]


def test_the_only_link_says_nothing():
    assert _reasons([Click(1, 100.0)], links=(1,)) == [""]


def test_sooner_than_anybody_reads():
    assert _reasons([Click(1, 101.0), Click(1, 130.0)], delivered=100.0) == ["too soon", ""]


def test_whoever_follows_the_honeypot_gives_its_neighbours_away():
    clicks = [Click(1, 100.0), Click(HONEYPOT, 110.0), Click(1, 900.0)]
    assert _reasons(clicks) == ["honeypot", "honeypot", ""]


CLICKS = st.lists(st.builds(Click, st.integers(0, 5), st.floats(0, 500)), min_size=1, max_size=12)


@given(CLICKS, st.randoms())
def test_the_order_of_telling_says_nothing(clicks, random):
    order = list(range(len(clicks)))
    random.shuffle(order)
    told = _reasons([clicks[place] for place in order], links=range(1, 6))
    assert [told[order.index(place)] for place in range(len(clicks))] == _reasons(clicks, links=range(1, 6))


@given(CLICKS, st.builds(Click, st.integers(0, 5), st.floats(0, 500)))
def test_more_clicks_never_make_a_machine_a_person(clicks, another):
    before = _reasons(clicks, links=range(1, 6))
    after = _reasons([*clicks, another], links=range(1, 6))
    assert all(late for early, late in zip(before, after, strict=False) if early)
