"""The overview: its first line, its figures, its empty states, its file."""

import csv
import io
import re
from decimal import Decimal

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Job
from apps.attribution import reports
from apps.attribution.maths.models import MODELS
from apps.attribution.models import Channel, Conversion, Source, Spend
from apps.attribution.questions import Query
from tests import factories
from tests.attribution.stories import journey

OVERVIEW = reverse("attribution:overview")


def _text(answer):
    """What a person reads, on one line."""
    html = re.sub(r"(?s)<script.*?</script>", "", answer.content.decode())
    text = re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text)


def _first_line(answer):
    (line,) = re.findall(r"(?s)<h1>(.*?)</h1>", answer.content.decode())
    text = re.sub(r"<[^>]+>", "", line).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture
def known(workspace):
    """Three orders: 300 after meta, 100 after meta and email, 100 that nothing explains."""
    journey(workspace, "meta", value="300")
    journey(workspace, "meta", "email", value="100")
    journey(workspace, value="100", conversion_type="upgrade")
    journey(workspace, "email")


@pytest.mark.usefixtures("known")
def test_the_first_line_is_the_answer(page):
    answer = page.get(OVERVIEW, {"period": "all", "model": "linear"})

    assert (
        _first_line(answer)
        == "Meta earned 70 % of £500, somewhere between 60 and 80 % depending on the model."
    )


def _reads_credits(page, address, query):
    with CaptureQueriesContext(connection) as asked:
        page.get(address, query)
    return any("attribution_credit" in one["sql"] for one in asked.captured_queries)


@pytest.mark.usefixtures("known")
def test_what_was_drawn_is_drawn_once(page):
    first = page.get(OVERVIEW, {"period": "all"})

    assert not _reads_credits(page, OVERVIEW, {"period": "all"})
    assert _text(page.get(OVERVIEW, {"period": "all"})) == _text(first)
    assert _reads_credits(page, OVERVIEW, {"period": "all", "model": "linear"})


def _new_order(workspace):
    journey(workspace, "email", value="50")


def _erased(workspace):
    Conversion.objects.filter(value=300).delete()


def _renamed_channel(workspace):
    Channel.objects.filter(key="meta").update(label="Facebook")


def _moved_source(workspace):
    other = factories.ChannelFactory(workspace=workspace, key="tv")
    Source.objects.filter(channel__key="meta").update(channel=other)


def _other_currency(workspace):
    type(workspace).objects.update(currency="EUR")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "change",
    [_new_order, _erased, _renamed_channel, _moved_source, _other_currency],
    ids=lambda one: one.__name__,
)
def test_whatever_changes_the_answer_changes_what_was_drawn(page, workspace, change):
    before = _text(page.get(OVERVIEW, {"period": "all", "model": "linear"}))

    change(workspace)

    after = _text(page.get(OVERVIEW, {"period": "all", "model": "linear"}))
    caches["drawings"].clear()
    assert after != before
    assert after == _text(page.get(OVERVIEW, {"period": "all", "model": "linear"}))


@pytest.mark.usefixtures("known")
def test_who_may_not_import_is_not_sent_there(page, client, workspace):
    few = reverse("attribution:import")
    assert few in page.get(OVERVIEW, {"period": "all"}).content.decode().partition('id="report"')[2]

    client.force_login(factories.member(workspace, "viewer"))

    assert few not in client.get(OVERVIEW, {"period": "all"}).content.decode().partition('id="report"')[2]


@pytest.mark.usefixtures("known")
def test_the_lede_says_from_how_much(page):
    text = _text(page.get(OVERVIEW, {"period": "all", "model": "linear", "lookback": "60"}))

    assert "Linear over 4 journeys and 3 conversions in all of the data, look-back 60 days" in text


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("model", MODELS)
def test_every_figure_is_that_of_the_analysis(page, actor, now, model):
    answer = page.get(OVERVIEW, {"period": "all", "model": model})

    expected = reports.overview(actor, Query(), model=model, now=now)
    shown = answer.context["found"]
    assert [(row.key, row.revenue, row.share) for row in shown.rows] == [
        (row.key, row.revenue, row.share) for row in expected.rows
    ]
    assert sum(row.revenue for row in shown.rows) == Decimal(500)
    assert f"£{expected.rows[0].revenue:,.0f}" in _text(answer)


@pytest.mark.usefixtures("known")
def test_the_range_of_the_models_is_told_apart_from_the_interval(page):
    text = _text(page.get(OVERVIEW, {"period": "all"}))

    assert f"the lowest and highest share that any of the {len(MODELS)} gives" in text
    assert "Not enough data yet for intervals." in text
    assert "Not enough data yet to say how sure that is: 3 conversions as of" in text


def test_with_enough_conversions_every_figure_says_between_what_it_lies(workspace, page):
    for place in range(12):
        journey(workspace, "meta", *(["email"] if place % 2 else []), value="100")
        journey(workspace, "email")

    text = _text(page.get(OVERVIEW, {"period": "all", "model": "linear"}))

    assert re.search(
        r"Under Linear, chance alone leaves Meta between \d+ and \d+ % \(95 %, 12 conversions as of", text
    )
    assert "its 95 % interval, what chance alone leaves open" in text
    assert re.search(r"£900 £[\d,]+ to £1,[\d,]+", text)
    assert "Lost without" in text
    assert "The Markov chain chose order" in text
    assert "Which one to believe" in text


def test_a_channels_page_says_how_sure_it_is_under_each_model(workspace, page):
    for place in range(12):
        journey(workspace, *(["meta", "email"], ["email", "meta"])[place % 2], value="100")

    answer = page.get(reverse("attribution:channel", args=["meta"]), {"period": "all", "model": "linear"})

    text = _text(answer)
    assert "chance alone leaves the share between" in text
    assert "12 conversions in all" in text
    assert "What each model says, and how sure it is" in text
    assert len(answer.context["spans"].rows) == len(MODELS) - 1  # too little for the game of rates


def test_the_file_carries_the_intervals(workspace, page):
    for _ in range(12):
        journey(workspace, "meta", value="100")

    answer = page.get(reverse("attribution:export"), {"period": "all"})

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))

    assert float(rows[0]["revenue low of 95 %"]) < 1200 < float(rows[0]["revenue high of 95 %"])
    assert rows[0]["calibrated"] == ""


@pytest.mark.usefixtures("known")
def test_a_goal_counts_its_own_conversions(page):
    answer = page.get(OVERVIEW, {"period": "all", "goal": "upgrade"})

    assert _first_line(answer) == "No touchpoint is known for 100 % of £100 from upgrades in all of the data."


@pytest.mark.usefixtures("known")
def test_comparing_says_who_leads_under_how_many_models(page):
    answer = page.get(OVERVIEW, {"period": "all", "model": "all"})

    assert _first_line(answer) == f"Meta leads under every one of {len(MODELS)} models there are."
    assert answer.content.index(b"The models side by side") < answer.content.index(b"Who earned it</h2>")


@pytest.mark.usefixtures("known")
def test_numbers_lead_to_what_is_behind_them(page):
    html = page.get(OVERVIEW, {"period": "all"}).content.decode()

    assert 'href="/attribution/channel/meta/?period=all"' in html
    assert 'href="/attribution/journeys/?period=all&amp;channel=meta"' in html
    assert 'href="/attribution/journeys/?period=all&amp;path=meta&amp;path=email"' in html


@pytest.mark.usefixtures("known")
def test_each_chart_has_its_numbers_as_a_table(page):
    html = page.get(OVERVIEW, {"period": "all"}).content.decode()

    assert html.count("data-figure=") == html.count("The same numbers as a table") == 5


def test_a_loss_is_called_out_with_how_sure_it_is(page, workspace):
    for _ in range(30):
        journey(workspace, "meta", value="1")
    source = factories.SourceFactory(
        workspace=workspace, channel=factories.ChannelFactory(workspace=workspace, key="meta")
    )
    Spend.objects.create(workspace=workspace, source=source, day=factories.NOW.date(), amount=Decimal(60))

    text = _text(page.get(OVERVIEW, {"period": "all"}))

    assert "Meta returns £0.50 for each £1 spent; no model says more than £0.50." in text


def test_too_few_conversions_are_called_too_few(page, workspace):
    journey(workspace, "meta", value="1")

    assert "1 conversion is too few to tell channels apart." in _text(page.get(OVERVIEW, {"period": "all"}))


def test_an_empty_workspace_is_told_what_to_do_first(page):
    answer = page.get(OVERVIEW)

    assert "Nothing has been tracked yet" in _first_line(answer)
    assert reverse("attribution:first-event").encode() in answer.content
    assert reverse("attribution:import").encode() in answer.content


def test_touches_without_a_conversion_ask_for_one(page, workspace):
    journey(workspace, "meta")

    assert _first_line(page.get(OVERVIEW)) == "Touches are arriving, but nobody has converted yet."


def test_a_filter_that_is_too_tight_is_said_to_be_so(page, workspace):
    journey(workspace, "meta", value="10")

    answer = page.get(OVERVIEW, {"since": "2020-01-01", "until": "2020-01-31"})

    assert _first_line(answer) == "No conversion matches this filter."
    assert "the days from 1 Jan 2020 to 31 Jan 2020" in _text(answer)
    assert b"Show all time and every goal" in answer.content


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "asked",
    [
        {"model": "magic"},
        {"period": "yesterday"},
        {"lookback": "-1"},
        {"since": "soon"},
        {"goal": "'; --"},
        {"since": "2026-02-01", "until": "2026-01-01"},
    ],
)
def test_a_filter_that_cannot_be_used_is_named_and_left_out(page, asked):
    answer = page.get(OVERVIEW, asked)

    assert answer.status_code == 200
    assert b"A part of the filter could not be used" in answer.content


@pytest.mark.usefixtures("known")
def test_an_end_before_the_start_is_left_out_and_says_so(page):
    text = _text(page.get(OVERVIEW, {"since": "2026-02-01", "until": "2026-01-01"}))

    assert "To: This is before the start of the period." in text
    assert "3 conversions in the days from 1 Feb 2026" in text


def test_much_work_shows_its_job_and_the_answer_comes_by_itself(page, workspace, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    journey(workspace, "meta", "email", value="10")

    html = page.get(OVERVIEW, {"period": "all"}).content.decode()

    job = Job.objects.get()
    assert "is being worked out" in html
    assert f'id="job-{job.public_id}"' in html
    assert 'hx-trigger="job-over from:body"' in html


@pytest.mark.usefixtures("known")
def test_the_file_holds_the_rows_of_the_page(page):
    answer = page.get(reverse("attribution:export"), {"period": "all", "model": "linear"})

    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert {line["channel"]: Decimal(line["revenue"]) for line in lines} == {
        "meta": 350,
        "none": 100,
        "email": 50,
    }
    assert {line["revenue first_touch"] for line in lines} == {"400.0000", "100.0000", "0"}


def test_no_cell_of_the_file_is_a_formula(page, workspace):
    channel = factories.ChannelFactory(workspace=workspace, key="sly", label="=1+1")
    factories.SourceFactory(workspace=workspace, channel=channel)
    journey(workspace, "sly", value="10")

    answer = page.get(reverse("attribution:export"), {"period": "all"})

    assert b"'=1+1" in b"".join(answer.streaming_content)


@pytest.mark.usefixtures("known")
def test_today_says_the_same_first_line(page, workspace):
    text = _text(page.get("/"))

    assert "Meta earned" in text
    assert "Who earned it" in text
