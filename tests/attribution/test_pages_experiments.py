"""The pages of experiments and lift tests: their first line, what may be done, what is refused in words."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from apps.attribution import experiments, lift_tests
from apps.attribution.models import Experiment, Exposure, LiftTest, Look, RegionDay
from tests.attribution import crowds
from tests.attribution.stories import journey
from tests.factories import NOW, ChannelFactory, member

LIST, NEW = reverse("attribution:experiments"), reverse("attribution:experiment-new")
LIFTS = reverse("attribution:lift-tests")
DAY = timedelta(days=1)
FIRST_LOOK = NOW + 9 * DAY


@pytest.fixture(autouse=True)
def _after_the_first_look():
    with time_machine.travel(FIRST_LOOK + DAY, tick=False):
        yield


def _text(html):
    text = re.sub(r"<[^>]+>", "", html).replace("&#x27;", "'").replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text).strip()


def _first_line(answer):
    (line,) = re.findall(r"(?s)<h1>(.*?)</h1>", answer.content.decode())
    return _text(line)


def _page_of(key):
    return reverse("attribution:experiment", args=[key])


def _ran(actor, workspace, rates, key="colour", **chosen):
    made = crowds.experiment(actor, key=key, variants=tuple(rates), **chosen)
    crowd = crowds.people(workspace, 2_000)
    crowds.buy_by_variant(workspace, crowd, crowds.show(made, crowd), rates)
    experiments.turn(made, now=FIRST_LOOK)
    return experiments.find(key)


def test_nothing_yet_says_what_will_be_here(page):
    assert _first_line(page.get(LIST)) == "No experiment has been run yet."
    assert NEW in page.get(LIST).content.decode()


def test_the_list_says_first_what_wants_somebody(page, actor, workspace):
    crowds.experiment(actor, key="other")
    assert _first_line(page.get(LIST)) == "1 experiment is running, and nothing is wrong."

    _ran(actor, workspace, {"blue": 0.1, "green": 0.3})
    assert _first_line(page.get(LIST)) == "1 experiment waits for your decision."

    broken = _ran(actor, workspace, {"blue": 0.1, "green": 0.3}, key="broken")
    lost = Exposure.objects.filter(experiment=broken, variant__key="green").values("pk")[:300]
    Exposure.objects.filter(pk__in=lost).delete()
    line = _first_line(page.get(LIST))
    assert line == "1 experiment cannot be read: its units went astray. 1 other waits for a decision."


def test_today_says_that_a_decision_waits(page, actor, workspace):
    crowds.experiment(actor, key="other")
    assert "for your decision" not in _text(page.get("/").content.decode())

    _ran(actor, workspace, {"blue": 0.1, "green": 0.3})

    assert "1 experiment waits for your decision." in _text(page.get("/").content.decode())


def test_a_proven_lift_is_the_first_line_with_its_interval(page, actor, workspace):
    _ran(actor, workspace, {"blue": 0.1, "green": 0.3})

    line = _first_line(page.get(_page_of("colour")))

    assert re.fullmatch(
        r"green does better than the control by \+\d+ % \(\d[\d.]* to \d[\d.]* %\)\.", line
    ), line


def test_before_the_first_look_the_page_names_its_day(page, actor, workspace):
    made = crowds.experiment(actor, outcome_window_days=20.0)
    crowds.show(made, crowds.people(workspace, 300))

    assert _first_line(page.get(_page_of("colour"))) == (
        "300 people came; the first reading is on 12 Dec 2026, 12:00 and not before."
    )


def test_opening_the_page_takes_no_look(page, actor, workspace):
    made = crowds.experiment(actor)
    crowds.show(made, crowds.people(workspace, 300))

    for _ in range(3):
        assert page.get(_page_of("colour")).status_code == 200

    assert Look.objects.filter(experiment=made).count() == 0
    assert experiments.find("colour").due_at == FIRST_LOOK


def test_a_new_experiment_is_kept_started_and_decided(page):
    given = {
        "name": "A question as the subject",
        "variants": "Statement = 80\nQuestion = 20",
        "unit": "person",
        "reading": "prove_lift",
        "metric": "conversion",
        "baseline": "10",
        "minimum_effect": "20",
        "duration_days": "28",
        "planned_looks": "5",
        "outcome_window_days": "14",
        "traffic_share": "100",
    }

    made = page.post(NEW, given)

    assert made.headers["Location"] == _page_of("a-question-as-the-subject")
    kept = Experiment.objects.get()
    assert (kept.state, kept.baseline, kept.minimum_effect) == ("draft", 0.1, 0.2)
    assert experiments.current_shares(kept) == {"statement": 0.8, "question": 0.2}
    page.post(_page_of(kept.key), {"do": "start"})
    assert Experiment.objects.get().state == "running"
    page.post(_page_of(kept.key), {"do": "decide", "winner": "", "reason": "no time"})
    assert (Experiment.objects.get().state, Experiment.objects.get().decision) == ("decided", "no time")


def test_the_form_offers_what_any_experiment_can_be_judged_by_and_a_conversion_first(page):
    field = page.get("/attribution/experiments/new/").context["form"].fields["metric"]

    assert field.initial == "conversion"
    assert {"conversion", "conversions", "revenue"} <= {name for name, _ in field.choices}
    assert "campaign_click" not in {name for name, _ in field.choices}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"variants": "Only one"}, "Give 2 to 10 variants."),
        ({"variants": "Same\nSame"}, "Two variants have the same key."),
        ({"baseline": ""}, "Say how many units are planned"),
        ({"name": "New"}, "This is the name of a page."),
    ],
)
def test_a_plan_that_cannot_be_is_refused_on_the_form(page, wrong, words):
    given = {
        "name": "Colour",
        "variants": "Blue\nGreen",
        "unit": "person",
        "reading": "prove_lift",
        "metric": "conversion",
        "baseline": "10",
        "minimum_effect": "20",
        "duration_days": "28",
        "planned_looks": "5",
        "outcome_window_days": "14",
        "traffic_share": "100",
    }

    answer = page.post(NEW, given | wrong)

    assert answer.status_code == 400
    assert words in _text(answer.content.decode())
    assert Experiment.objects.count() == 0


def test_a_winner_without_proof_is_refused_on_the_page(page, actor, workspace):
    _ran(actor, workspace, {"blue": 0.1, "green": 0.101})

    answer = page.post(_page_of("colour"), {"do": "decide", "winner": "green"})

    assert answer.status_code == 400
    assert "The reading names no winner" in _text(answer.content.decode())
    assert Experiment.objects.get().state == "running"


def test_a_viewer_reads_and_does_nothing(client, actor, workspace):
    crowds.experiment(actor)
    client.force_login(member(workspace, "viewer"))

    assert client.get(_page_of("colour")).status_code == 200
    assert 'name="do"' not in client.get(_page_of("colour")).content.decode()
    assert client.post(_page_of("colour"), {"do": "stop"}).status_code == 403
    assert client.get(NEW).status_code == 403
    assert Experiment.objects.get().state == "running"


# Lift tests


def test_without_a_test_the_page_says_how_to_make_one(page):
    assert _first_line(page.get(LIFTS)) == "No channel's effect has been measured yet."


def test_a_result_is_entered_held_against_the_models_and_retired(page, workspace):
    for _ in range(40):
        journey(workspace, "email", value="10", end_days=3)
    given = {
        "channel": "email",
        "name": "No mail for a week",
        "measure": "conversions",
        "first_day": "2026-11-10",
        "last_day": "2026-11-18",
        "incremental": "10",
        "standard_error": "2",
        "covered_share": "100",
    }

    assert page.post(LIFTS, given).status_code == 302
    made = LiftTest.objects.get()
    lift_tests.compare_with_models(made, now=NOW)

    assert (
        _first_line(page.get(LIFTS)) == "Email: credited with more than it caused as far as tests can tell."
    )
    own = page.get(reverse("attribution:lift-test", args=[made.pk]))
    assert "0.25\N{MULTIPLICATION SIGN}" in _text(own.content.decode())
    page.post(reverse("attribution:lift-test", args=[made.pk]))
    assert LiftTest.objects.get().retired_at is not None
    assert _first_line(page.get(LIFTS)) == "No channel's effect has been measured yet."


def test_a_geo_test_is_entered_as_lines(page, workspace, rng):
    ChannelFactory(workspace=workspace, key="video")
    lines = [
        f"Region {region}, {NOW.date() + (day - 30) * DAY:%Y-%m-%d}, {'yes' if region % 2 else 'no'}, "
        f"{rng.poisson(50 * (1.3 if region % 2 and day >= 20 else 1))}"
        for region in range(20)
        for day in range(30)
    ]
    given = {
        "channel": "video",
        "name": "Video in ten regions",
        "measure": "conversions",
        "first_day": f"{NOW.date() - timedelta(days=10):%Y-%m-%d}",
        "rows": "\n".join(lines),
        "covered_share": "100",
    }

    answer = page.post(LIFTS, given)

    made = LiftTest.objects.get()
    assert answer.status_code == 302
    assert (made.kind, RegionDay.objects.count()) == ("geo", 600)
    # Ten regions of 50 a day, three tenths more on ten days.
    assert abs(made.incremental - 1_500) < 3 * made.standard_error
    assert made.incremental > 3 * made.standard_error


def test_a_line_that_cannot_be_read_is_named(page, workspace):
    ChannelFactory(workspace=workspace, key="video")
    given = {
        "channel": "video",
        "name": "x",
        "measure": "conversions",
        "first_day": "2026-11-10",
        "rows": "Wales, 2026-11-10, yes, 5\nEngland, yesterday, no, 7",
        "covered_share": "100",
    }

    answer = page.post(LIFTS, given)

    assert answer.status_code == 400
    assert "Line 2 is not" in _text(answer.content.decode())
    assert LiftTest.objects.count() == 0
