"""Goals: what they count, who may change them, and what every report reads through them."""

from collections import defaultdict
from datetime import timedelta

import pytest

from apps.accounts import scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Person
from apps.attribution import analysis, goals, journey_credit, reports
from apps.attribution.lenses import Lens
from apps.attribution.models import Goal
from apps.attribution.questions import Query
from tests.attribution.stories import journey
from tests.factories import NOW, ConversionFactory, GoalFactory, PersonFactory, member

URL = "/api/v1/attribution/goals"
PAGE = "/attribution/goals/"


def test_a_workspace_without_goals_looks_at_all_conversions(workspace):
    workspace.settings = {"lookback_days": 14}

    found = goals.default(workspace)

    assert (found.key, found.lens) == ("all", Lens(lookback_days=14))
    assert not Goal.objects.exists()


def test_a_goal_is_a_lens(workspace, actor, now):
    made = goals.create(
        actor,
        now=now,
        label=" First subscription ",
        conversion_types=["Subscription", "trial", "trial"],
        lookback_days=60,
        counting="once",
        transform="first",
        trim_touches=7,
        direct="dropped_beside_others",
    )

    assert (made.key, made.label, made.position) == ("first-subscription", "First subscription", 1)
    assert goals.lens_of(workspace, "first-subscription") == Lens(
        conversion_types=("subscription", "trial"),
        lookback_days=60,
        counting="once",
        transform="first",
        direct="dropped_beside_others",
    )
    assert goals.lens_of(workspace, "first-subscription", lookback_days=7, counting=None).lookback_days == 7
    entry = AuditEntry.objects.get(deed="goal.created")
    assert entry.after["conversion_types"] == ["subscription", "trial"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "x" * 81}, "label"),
        ({"label": "All", "key": "all"}, "key"),
        ({"label": "A", "key": "no spaces"}, "key"),
        ({"label": "A", "lookback_days": 0}, "lookback_days"),
        ({"label": "A", "counting": "twice"}, "counting"),
        ({"label": "A", "transform": "trim"}, "trim_touches"),
        ({"label": "A", "direct": "gone"}, "direct"),
        ({"label": "A", "conversion_types": ["x" * 61]}, "conversion_types"),
    ],
)
def test_what_no_goal_can_be(actor, now, given, field):
    with pytest.raises(Invalid) as refusal:
        goals.create(actor, now=now, **given)

    assert field in refusal.value.errors
    assert not Goal.objects.exists()


def test_a_key_is_taken_for_good(actor, now):
    goals.create(actor, now=now, label="Buys")
    goals.archive(actor, "buys", now=now)

    with pytest.raises(goals.GoalKeyTaken):
        goals.create(actor, now=now, label="Buys")


def test_there_is_one_default_and_the_archived_one_is_none(workspace, actor, now):
    goals.create(actor, now=now, label="One", is_default=True)
    goals.create(actor, now=now, label="Two", is_default=True)
    assert goals.default(workspace).key == "two"
    assert not Goal.objects.get(key="one").is_default

    goals.archive(actor, "two", now=now)
    assert goals.default(workspace).key == "all"
    with pytest.raises(NotHere):
        goals.named(workspace, "two")

    goals.restore(actor, "two", now=now)
    assert [goal.key for goal in goals.listed()] == ["one", "two"]
    deeds = AuditEntry.objects.filter(deed__startswith="goal.").order_by("id").values_list("deed", flat=True)
    assert list(deeds) == ["goal.created", "goal.created", "goal.archived", "goal.restored"]


def test_what_stays_as_it_was_is_no_deed(actor, now):
    goals.create(actor, now=now, label="One")
    goals.change(actor, "one", now=now, label="One")

    assert not AuditEntry.objects.filter(deed="goal.changed").exists()


def test_a_goal_of_another_workspace_is_not_there(workspace, other_workspace):
    GoalFactory(workspace=other_workspace, key="theirs", is_default=True)

    assert goals.default(workspace).key == "all"
    with pytest.raises(Invalid) as refusal:
        goals.lens_of(workspace, "theirs")
    assert "goal" in refusal.value.errors


def test_how_much_a_goal_counts(workspace, now):
    person = PersonFactory(workspace=workspace)
    for days, kind in ((100, "purchase"), (20, "purchase"), (10, "trial"), (5, "purchase")):
        ConversionFactory(
            workspace=workspace, person=person, conversion_type=kind, occurred_at=NOW - timedelta(days=days)
        )
    ConversionFactory(workspace=workspace, conversion_type="purchase", occurred_at=NOW - timedelta(days=1))
    ConversionFactory(workspace=workspace, is_counted=False, occurred_at=NOW - timedelta(days=1))

    def counted(**lens):
        return goals.reach(Lens(**lens), now=now).counted

    assert goals.reach(Lens(), now=now).conversions == 4
    assert counted(conversion_types=("purchase",)) == 3
    assert counted(conversion_types=("purchase",), counting="once") == 1
    assert counted(conversion_types=("trial",), counting="once") == 1
    assert counted(counting="once") == 1


# The API


def test_goals_over_the_api(api, workspace):
    body = {"label": "Buys", "conversion_types": ["purchase"], "lookback_days": 7, "is_default": True}
    made = api.post(URL, body, format="json")
    assert made.status_code == 201
    assert made.data["reach"] == {"counted": 0, "conversions": 0, "days": 90}

    changed = api.patch(f"{URL}/buys", {"counting": "once"}, format="json")
    assert (changed.data["counting"], changed.data["lookback_days"]) == ("once", 7)
    listed = api.get(URL).data
    assert [(goal["key"], goal["is_default"]) for goal in listed] == [("buys", True), ("all", False)]

    assert api.delete(f"{URL}/buys").status_code == 204
    assert api.get(f"{URL}/buys").status_code == 404
    assert [(goal["key"], goal["is_default"]) for goal in api.get(URL).data] == [("all", True)]


def test_a_question_through_a_goal(api, workspace, now):
    GoalFactory(workspace=workspace, key="trials", conversion_types=["trial"], lookback_days=7)
    journey(workspace, "email", conversion_type="trial", value="5")
    journey(workspace, "ads", conversion_type="purchase", value="10")

    def ask(**given):
        return api.post("/api/v1/attribution/analyze/batch", {"model_type": "linear", **given}, format="json")

    by_goal = ask(goal="trials").data
    assert by_goal["totals"]["revenue"] == 5
    assert (by_goal["conversion_types"], by_goal["lookback_days"]) == (["trial"], 7)
    assert ask().data["totals"]["revenue"] == 15
    assert ask(conversion_type="purchase").data["conversion_type"] == "purchase"
    assert ask(goal="trials", lookback_days=3).data["lookback_days"] == 3
    assert ask(goal="nothing").json()["errors"]["goal"]
    assert ask(transform="trim").json()["errors"]["trim_touches"]


# Pages


def test_the_page_of_goals(page, workspace):
    ConversionFactory(workspace=workspace, conversion_type="purchase", occurred_at=NOW - timedelta(days=1))
    ConversionFactory(workspace=workspace, conversion_type="trial", occurred_at=NOW - timedelta(days=1))
    form = {
        "label": "Buys",
        "conversion_types": ["purchase"],
        "counting": "once",
        "lookback_days": "14",
        "direct": "kept",
        "transform": "unique",
        "is_default": "on",
    }
    counted = page.post(f"{PAGE}reach/", form)
    assert "1 of 2\xa0conversions" in counted.content.decode()
    assert not Goal.objects.exists()

    assert page.post(f"{PAGE}edit/", form).status_code == 302
    assert "Reports look at <em>Buys</em> first." in page.get(PAGE).content.decode()
    edited = page.post(f"{PAGE}edit/?goal=buys", {**form, "label": "Buyers", "other_types": "Renewal, gift"})
    assert edited.status_code == 302
    with scoping.workspace(workspace):
        goal = Goal.objects.get()
    assert (goal.key, goal.label, goal.conversion_types) == (
        "buys",
        "Buyers",
        ["gift", "purchase", "renewal"],
    )

    assert page.post(PAGE, {"do": "archive", "goal": "buys"}).status_code == 302
    assert "Reports look at <em>All conversions</em> first." in page.get(PAGE).content.decode()


def test_a_form_that_cannot_be_used_says_why(page, workspace):
    form = {"label": "A", "counting": "every", "lookback_days": "0", "direct": "kept", "transform": "trim"}
    answer = page.post(f"{PAGE}edit/", form)

    assert answer.status_code == 400
    assert not Goal.objects.exists()


def test_a_reader_changes_no_goal(client, workspace):
    GoalFactory(workspace=workspace, key="buys")
    client.force_login(member(workspace, "viewer"))

    assert client.get(PAGE).status_code == 200
    assert client.post(PAGE, {"do": "archive", "goal": "buys"}).status_code == 403
    assert client.get(f"{PAGE}edit/").status_code == 403
    with scoping.workspace(workspace):
        assert Goal.objects.get().archived_at is None


def test_reports_show_the_default_goal_first_and_offer_the_others(page, workspace):
    GoalFactory(workspace=workspace, key="trials", conversion_types=["trial"], is_default=True)
    journey(workspace, "email", conversion_type="trial", value="5")
    journey(workspace, "ads", conversion_type="purchase", value="10")

    def revenue(query=""):
        return page.get(f"/attribution/{query}").context["found"].totals.revenue

    assert revenue() == 5
    assert revenue("?goal=all") == 15
    assert revenue("?goal=type:purchase") == 10
    assert revenue("?goal=purchase") == 10
    assert revenue("?goal=no-such") == 5


@pytest.mark.parametrize(
    "lens",
    [
        {},
        {"conversion_types": ("trial",)},
        {"counting": "once"},
        {"lookback_days": 4},
        {"transform": "exposure"},
        {"transform": "first"},
        {"transform": "frequency"},
        {"transform": "trim", "trim_touches": 1},
        {"direct": "dropped_beside_others"},
        {"direct": "dropped_beside_others", "transform": "trim", "trim_touches": 2},
    ],
    ids=str,
)
def test_the_rows_behind_a_number_are_as_many_as_it_says(workspace, actor, now, lens):
    """Each path of the overview leads to as many journeys, worth as much; each channel to those it is in."""
    person = journey(workspace, "email", "email", "direct", "ads", value="40")
    journey(workspace, "direct", conversion_type="trial", value="5", person=person, end_days=3)
    journey(workspace, "ads", "email", "ads", "direct", value="20")
    journey(workspace, "direct", value="7")
    journey(workspace, value="3")
    query = Query(end=now + timedelta(days=1), **lens)

    found = reports.overview(actor, query, model="linear", now=now)

    assert found.paths
    for path in found.paths:
        rows = reports.journeys_behind(query, path=path.keys).rows
        assert (len(rows), sum(row.value for row in rows)) == (path.conversions, path.revenue), path
    everything = reports.journeys_behind(query).rows
    assert (len(everything), sum(row.value for row in everything)) == (
        found.totals.conversions,
        found.totals.revenue,
    )


@pytest.mark.parametrize("model", ["linear", "last_touch", "position_based", "time_decay"])
@pytest.mark.parametrize(
    "lens",
    [
        {},
        {"counting": "once"},
        {"lookback_days": 2},
        {"transform": "exposure"},
        {"transform": "first"},
        {"transform": "frequency"},
        {"transform": "trim", "trim_touches": 2},
        {"direct": "dropped_beside_others"},
        {"direct": "dropped_beside_others", "transform": "exposure"},
    ],
    ids=str,
)
def test_single_journeys_add_up_to_the_channels_number(workspace, actor, now, lens, model):
    person = journey(workspace, "email", "email", "direct", "ads", value="40")
    journey(workspace, "direct", "email", value="5", person=person, end_days=3)
    journey(workspace, "ads", "direct", "ads", "email", "ads", value="20")
    journey(workspace, "direct", value="7")
    journey(workspace, value="3")
    query = Query(models=(model,), **lens)

    whole = analysis.ask(actor, query, now=now).result.rows

    summed = defaultdict(float)
    for row in reports.journeys_behind(query).rows:
        person = Person.objects.get(public_id=row.person_public_id)
        credit = journey_credit.explain(
            actor, person, model_type=model, conversion_id=row.conversion_id, lens=query.lens, now=now
        )
        assert row.touches == len(credit.touchpoints)
        for part in credit.channels:
            summed[part.channel] += part.share
    assert {row.channel: pytest.approx(row.conversions) for row in whole if row.conversions} == dict(summed)


def test_the_latest_conversion_is_the_latest_that_the_goal_counts(workspace, actor, now):
    person = journey(workspace, "email", value="40", end_days=9)
    journey(workspace, "ads", value="5", person=person, end_days=5, conversion_type="trial")
    journey(workspace, "ads", value="7", person=person)

    def value(**lens):
        found = journey_credit.explain(actor, person, model_type="linear", lens=Lens(**lens), now=now)
        return found.value

    assert value() == 7
    assert value(conversion_types=("trial",)) == 5
    assert value(counting="once") == 40


def test_the_first_page_speaks_of_the_default_goal(page, workspace):
    GoalFactory(workspace=workspace, key="trials", conversion_types=["trial"], is_default=True)
    journey(workspace, "email", conversion_type="trial", value="5")
    journey(workspace, "ads", conversion_type="purchase", value="995")

    assert "£995" not in page.get("/").content.decode()
