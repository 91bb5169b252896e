"""What the pages show: the answer, its disagreements, the pictures' rows, and the people behind a number."""

from datetime import date, timedelta
from decimal import Decimal

import plotly.graph_objects as go
import pytest

from apps.accounts import scoping
from apps.accounts.errors import Invalid, NotHere
from apps.attribution import charts, reports
from apps.attribution.maths.assembly import MOST_TOUCHES
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Channel, Conversion, Source, Spend, Touchpoint
from apps.attribution.questions import Query
from tests.attribution.stories import journey
from tests.factories import PersonFactory, SourceFactory, TouchpointFactory


def _overview(actor, now, model="linear", **query):
    return reports.overview(actor, Query(**query), model=model, now=now)


def test_the_channel_that_earned_most_leads(workspace, actor, now):
    journey(workspace, "email", value="10")
    journey(workspace, "search", value="30")

    shown = _overview(actor, now)

    assert shown.state == "ready"
    assert (shown.leader.key, shown.leader.share, shown.leader.revenue) == ("search", 0.75, 30)
    assert shown.models_agree_on_order


def test_the_models_are_held_side_by_side_and_the_widest_gap_is_named(workspace, actor, now):
    for _ in range(3):
        journey(workspace, "video", "email", "search", value="10")
    journey(workspace, "search", value="1")

    shown = _overview(actor, now)

    rows = {row.key: row for row in shown.rows}
    assert rows["video"].by_model["first_touch"] == pytest.approx(30 / 31)
    assert rows["video"].by_model["last_touch"] == 0
    assert (rows["video"].low, rows["video"].high) == (0, pytest.approx(30 / 31))
    assert rows["search"].revenue_by_model["last_touch"] == 31
    assert shown.disagreement.key in {"video", "search"}
    assert not shown.models_agree_on_leader
    assert len(shown.models) == len(MODELS)


def test_return_and_cost_of_one_carry_the_interval_of_what_was_earned(workspace, actor, now):
    for _ in range(40):
        journey(workspace, "email", value="10")
    journey(workspace, "search", value="1")
    source = Source.objects.get(channel__key="email")
    Spend.objects.create(workspace=workspace, source=source, day=now.date(), amount=80)

    rows = {row.key: row for row in _overview(actor, now).rows}

    email = rows["email"]
    assert email.surely is not None
    assert email.roas_ends[0] < email.roas < email.roas_ends[1]
    assert email.cpa_ends[0] < email.cpa < email.cpa_ends[1]
    assert (rows["search"].roas_ends, rows["search"].cpa_ends) == (None, None)


def test_no_known_touchpoint_is_a_row_but_never_the_leader(workspace, actor, now):
    journey(workspace, value="90")
    journey(workspace, "email", value="10")

    shown = _overview(actor, now)

    assert next((row.key, row.is_none, row.token) for row in shown.rows) == ("none", True, "muted")
    assert shown.leader.key == "email"


def test_without_revenue_shares_are_of_conversions(workspace, actor, now):
    journey(workspace, "email", value="0")
    journey(workspace, "email", value="0")
    journey(workspace, "search", value="0")

    shown = _overview(actor, now)

    assert shown.measure == "conversions"
    assert shown.leader.share == pytest.approx(2 / 3)


def test_the_period_before_is_compared(workspace, actor, now):
    journey(workspace, "email", value="10", end_days=3)
    journey(workspace, "email", value="5", end_days=9)
    spend = Source.objects.get()
    for days, amount in ((3, 4), (9, 2)):
        Spend.objects.create(
            workspace=workspace, source=spend, day=(now - timedelta(days=days)).date(), amount=amount
        )

    shown = _overview(actor, now, start=now - timedelta(days=7), end=now)

    before = shown.previous
    assert (before.revenue, before.conversions, before.cost) == (5, 1, 2)
    assert (before.revenue_change, before.conversions_change, before.cost_change) == (1.0, 0.0, 1.0)
    assert _overview(actor, now).previous is None


def test_touches_and_days_to_convert(workspace, actor, now):
    journey(workspace, "a", "b", "c", value="10")
    journey(workspace, "a", value="10")
    journey(workspace, "a", "b", "c", "d", "e", "f", value="10")

    shown = _overview(actor, now)

    touches = {one.label: one.conversions for one in shown.touches.bins if one.conversions}
    days = {one.label: one.conversions for one in shown.days.bins if one.conversions}
    assert touches == {"1": 1, "3": 1, "6\N{EN DASH}7": 1}
    assert (shown.touches.median, shown.touches.mean) == (3, pytest.approx(10 / 3))
    assert days == {"up to 1": 1, "2\N{EN DASH}4": 1, "4\N{EN DASH}7": 1}
    assert shown.days.median == pytest.approx(2 + 1 / 24)


def test_flow_goes_from_first_over_middle_to_last_and_out(workspace, actor, now):
    journey(workspace, "a", "b", "b", "c", value="10")
    journey(workspace, "a", "c")
    journey(workspace, value="10")

    links = _overview(actor, now).links

    found = {(link.stage, link.source.key, link.target.key): link.journeys for link in links}
    assert found == {
        (0, "a", "b"): 1,
        (0, "a", "(nothing between)"): 1,
        (1, "b", "c"): 1,
        (1, "(nothing between)", "c"): 1,
        (2, "c", "(converted)"): 1,
        (2, "c", "(not converted)"): 1,
    }


def test_channels_beyond_the_eighth_are_pooled_in_the_flow(workspace, actor, now):
    for number in range(10):
        for _ in range(2 if number < 8 else 1):
            journey(workspace, f"c{number}", value="1")

    links = _overview(actor, now).links

    sources = {link.source.key: link.journeys for link in links if link.stage == 0}
    assert sources["(others)"] == 2
    assert len(sources) == 9


def test_top_paths_tell_repeats_once_and_count_what_failed(workspace, actor, now):
    journey(workspace, "a", "a", "b", value="10")
    journey(workspace, "a", "b")
    journey(workspace, "c", value="3")

    paths = _overview(actor, now).paths

    assert [(path.keys, path.journeys, path.conversions, path.revenue, path.rate) for path in paths] == [
        (["a", "b"], 2, 1, 10, 0.5),
        (["c"], 1, 1, 3, 1.0),
    ]


def test_days_are_those_of_the_workspace_and_gaps_are_zero(workspace, actor, now):
    workspace.time_zone = "Pacific/Auckland"
    workspace.save()
    journey(workspace, "a", value="10", end_days=3)
    journey(workspace, "a", value="7")

    daily = _overview(actor, now).daily

    assert [(one.day, one.conversions, one.revenue) for one in daily] == [
        (date(2026, 11, 18), 1, 10),
        (date(2026, 11, 19), 0, 0),
        (date(2026, 11, 20), 0, 0),
        (date(2026, 11, 21), 1, 7),
    ]


def test_the_three_kinds_of_emptiness(workspace, actor, now, settings):
    assert _overview(actor, now).state == "no_data"

    journey(workspace, "a", end_days=2)
    assert _overview(actor, now).state == "no_conversions"
    assert _overview(actor, now, end=now - timedelta(days=9)).state == "no_conversions"

    settings.ATTRIBUTION_INLINE_TOUCHES = 0
    computing = _overview(actor, now, lookback_days=5)
    assert (computing.state, computing.rows) == ("computing", [])
    assert computing.answer.job is not None


def test_a_breakdown_adds_up_to_its_channel(workspace, actor, now):
    channel = Channel.objects.create(workspace=workspace, key="ads", label="Ads", position=2)
    person = PersonFactory(workspace=workspace)
    for campaign in ("spring", "summer", "autumn"):
        source = SourceFactory(workspace=workspace, channel=channel, platform="meta", campaign_id=campaign)
        TouchpointFactory(workspace=workspace, person=person, source=source)
    journey(workspace, "email", value="10", person=person)

    shown = _overview(actor, now)
    rows = reports.breakdown(actor, Query(), model="linear", channel="ads", group_by="campaign", now=now)

    assert {row.campaign_id for row in rows} == {"spring", "summer", "autumn"}
    assert sum(row.revenue for row in rows) == next(row.revenue for row in shown.rows if row.key == "ads")


def test_the_journeys_behind_a_channel(workspace, now):
    person = journey(workspace, "a", "b", value="10", order_id="order-1")
    journey(workspace, "c", value="20")
    journey(workspace, "a")

    (row,) = reports.journeys_behind(Query(), channel="a").rows

    assert (row.person_public_id, row.order_id, row.value, row.touches) == (
        person.public_id,
        "order-1",
        10,
        2,
    )
    assert row.days == pytest.approx(1 + 1 / 24)
    assert [name.key for name in row.path] == ["a", "b"]


def test_the_journeys_behind_a_channel_hold_the_touches_that_were_credited(workspace, now):
    person = journey(workspace, "a", *["b"] * 3, value="10")
    last = Touchpoint.objects.filter(source__channel__key="b").latest("occurred_at")
    step = timedelta(minutes=1)
    Touchpoint.objects.bulk_create(
        Touchpoint(
            workspace=workspace,
            person=person,
            source=last.source,
            event_id=f"e{number}",
            event_type="click",
            occurred_at=last.occurred_at - step * number / MOST_TOUCHES,
        )
        for number in range(MOST_TOUCHES - 1)
    )

    (row,) = reports.journeys_behind(Query(), channel="b").rows
    assert (row.touches, [name.key for name in row.path]) == (MOST_TOUCHES, ["b"])
    assert reports.journeys_behind(Query(), channel="a").rows == []


def test_the_journeys_behind_a_path_and_behind_no_touchpoint(workspace, now):
    journey(workspace, "a", "a", "b", value="10")
    journey(workspace, "b", "a", value="20")
    journey(workspace, value="30")

    assert [row.value for row in reports.journeys_behind(Query(), path=["a", "b"]).rows] == [10]
    assert [row.value for row in reports.journeys_behind(Query(), channel="none").rows] == [30]
    assert [row.value for row in reports.journeys_behind(Query(), path=["nowhere"]).rows] == []
    assert len(reports.journeys_behind(Query()).rows) == 3


def test_journeys_come_in_pages_newest_first(workspace, now):
    for age in (3, 1, 2):
        journey(workspace, "a", value=str(age), end_days=age)

    first = reports.journeys_behind(Query(), channel="a", page_size=2)
    second = reports.journeys_behind(Query(), channel="a", page_size=2, before=first.next)

    assert [row.value for row in first.rows] == [1, 2]
    assert [row.value for row in second.rows] == [3]
    assert second.next is None
    with pytest.raises(Invalid):
        reports.journeys_behind(Query(), before="rubbish")


def test_a_person_s_journey_in_order(workspace, now):
    person = journey(workspace, "a", "b", value="10")
    Conversion.objects.create(
        workspace=workspace,
        person=person,
        conversion_type="trial",
        occurred_at=now,
        value=9,
        is_counted=False,
    )

    shown = reports.person_timeline(person.public_id)

    assert [(entry.kind, entry.label) for entry in shown.entries][:3] == [
        ("touch", "A"),
        ("touch", "B"),
        ("conversion", "purchase"),
    ]
    assert (shown.touches, shown.conversions, shown.revenue, shown.is_cut) == (2, 1, 10, False)


def test_a_merged_person_shows_the_survivor(workspace):
    survivor = journey(workspace, "a", value="10")
    absorbed = PersonFactory(workspace=workspace, merged_into=survivor)

    assert reports.person_timeline(absorbed.public_id).person_public_id == survivor.public_id


def test_another_workspace_s_people_and_journeys_are_not_here(workspace, other_workspace, actor, now):
    with scoping.workspace(other_workspace):
        stranger = journey(other_workspace, "a", value="10")

    assert reports.journeys_behind(Query()).rows == []
    with pytest.raises(NotHere):
        reports.person_timeline(stranger.public_id)
    assert _overview(actor, now).state == "no_data"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1"])
def test_no_cell_is_a_formula(text):
    (line,) = reports.csv_lines([[text, Decimal("-1.50"), None]])

    assert line.lstrip('"').startswith("'")
    assert line.endswith(",-1.50,\r\n")


def test_the_file_holds_every_channel_and_model(workspace, actor, now):
    journey(workspace, "a", "b", value="10")

    header, *rows = reports.credit_table(_overview(actor, now))

    assert len(rows) == 2
    assert all(len(row) == len(header) for row in rows)
    assert sum(row[3] for row in rows) == 10


def test_figures_hold_the_rows_and_the_colours_of_their_channels(workspace, actor, now):
    journey(workspace, "a", "b", value="10")
    Channel.objects.filter(key="a").update(position=0, label="<b>A</b>")
    Channel.objects.filter(key="b").update(position=15)

    shown = _overview(actor, now, model="first_touch")

    bars = go.Figure(charts.comparison(shown)).data
    assert {bar.marker.color for bar in bars} == {"var(--c2)", "var(--c1)"}
    assert {bar.name for bar in bars} == {"B", "&lt;b>A&lt;/b>"}
    assert list(go.Figure(charts.sankey(shown.links)).data[0].link.value) == [1, 1, 1]
    assert go.Figure(charts.spread(shown.touches, unit="touches")).data[0].y[1] == 1
    assert list(go.Figure(charts.daily(shown.daily)).data[0].y) == [10.0]
