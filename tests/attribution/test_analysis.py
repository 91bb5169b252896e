"""Batch analysis: who earned what, to the cent, and answered from the stored run while the data stays as it
is.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.accounts import jobs, scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import Job
from apps.attribution import analysis, stale_people
from apps.attribution.maths.journeys import Journeys
from apps.attribution.maths.models import MODELS, credit
from apps.attribution.models import Channel, Conversion, Credit, ModelRun, Source, Spend, Touchpoint
from apps.attribution.questions import Query
from tests.attribution.stories import journey
from tests.factories import (
    ChannelFactory,
    ConversionFactory,
    PersonFactory,
    SourceFactory,
    TouchpointFactory,
)


def _by_channel(rows, model):
    return {row.channel: row for row in rows if row.model == model}


def _ask(actor, now, **query):
    return analysis.ask(actor, Query(**query), now=now)


def test_linear_splits_each_conversion_equally(workspace, actor, now):
    journey(workspace, "meta", "google", value="99.99")

    result = _ask(actor, now, models=("linear",)).result

    rows = _by_channel(result.rows, "linear")
    assert sorted(row.revenue for row in rows.values()) == [Decimal("49.99"), Decimal("50.00")]
    assert {row.conversions for row in rows.values()} == {0.5}
    assert {row.share for row in rows.values()} == {0.5}
    assert result.totals.revenue == Decimal("99.99")
    assert (result.totals.journeys, result.totals.conversions) == (1, 1)


def test_every_model_agrees_with_the_maths_on_the_same_journeys(workspace, actor, now):
    paths = [["a", "b", "a"], ["b"], ["c", "a"], ["direct", "c", "b", "a"], ["a", "direct"]]
    for path in paths:
        journey(workspace, *path, value="10")
    for path in [["a"], ["c", "b"]]:
        journey(workspace, *path)
    journey(workspace, value="5")

    result = _ask(actor, now).result

    # All touches are a day apart and an hour old at the end, so the ages are known too.
    everything = [*paths, ["a"], ["c", "b"], []]
    plain = Journeys.of_paths(
        everything, conversions=[1] * 5 + [0, 0, 1], value=[1000] * 5 + [0, 0, 500], nulls=[0] * 5 + [1, 1, 0]
    )
    ages = [back + 1 / 24 for path in everything for back in reversed(range(len(path)))]
    journeys = Journeys(
        channels=plain.channels, codes=plain.codes, offsets=plain.offsets,
        conversions=plain.conversions, value=plain.value, nulls=plain.nulls, age_days=ages,
    )  # fmt: skip
    for model in MODELS:
        expected = credit(journeys, model)
        rows = _by_channel(result.rows, model)
        for channel, conversions, share, value in zip(
            expected.channels, expected.conversions, expected.shares, expected.value, strict=True
        ):
            found = rows.get(channel)
            assert (found.conversions if found else 0) == pytest.approx(conversions, abs=1e-9), (
                model,
                channel,
            )
            assert (found.share if found else 0) == pytest.approx(share, abs=1e-9)
            assert abs(float(found.revenue if found else 0) * 100 - value) < 1
        assert sum(row.revenue for row in rows.values()) == Decimal("55.00")


def test_a_conversion_without_a_touch_is_credited_to_no_known_touchpoint(workspace, actor, now):
    journey(workspace, value="10")
    journey(workspace, "email", value="20")

    rows = _by_channel(_ask(actor, now, models=("markov_1",)).result.rows, "markov_1")

    assert rows["none"].revenue == 10
    assert rows["none"].is_none
    assert rows["none"].label == "No known touchpoint"
    assert rows["email"].revenue == 20


def test_a_channel_called_none_is_not_taken_for_no_known_touchpoint(workspace, actor, now):
    journey(workspace, value="10")
    journey(workspace, "none", value="20")

    rows = _ask(actor, now, models=("linear",)).result.rows

    assert {(row.channel, row.is_none): row.revenue for row in rows} == {
        ("none", True): 10,
        ("none", False): 20,
    }


def test_touches_reach_back_before_the_period_as_far_as_the_look_back(workspace, actor, now):
    person = journey(workspace, "email", end_days=5)
    journey(workspace, "video", end_days=40, person=person)
    journey(workspace, "search", value="30", person=person)

    result = _ask(
        actor, now, models=("first_touch",), start=now - timedelta(days=1), end=now + timedelta(days=1)
    )

    assert {row.channel: row.revenue for row in result.result.rows if row.revenue} == {"email": 30}


def test_a_journey_belongs_to_the_period_in_which_it_ended(workspace, actor, now):
    journey(workspace, "email", value="10", end_days=20)
    journey(workspace, "email", end_days=20)
    journey(workspace, "search", end_days=2)
    journey(workspace, "search", value="30")

    result = _ask(actor, now, models=("linear",), start=now - timedelta(days=10)).result

    assert (result.totals.journeys, result.totals.conversions, result.totals.revenue) == (2, 1, 30)


def test_touches_that_led_to_an_earlier_conversion_are_not_a_journey_that_failed(workspace, actor, now):
    journey(workspace, "email", value="10", end_days=12)

    result = _ask(actor, now, models=("linear",), start=now - timedelta(days=12, hours=-1)).result

    assert result.totals.journeys == 0


@pytest.mark.parametrize("model", list(MODELS))
def test_finer_rows_add_up_to_their_channel_to_the_cent(workspace, actor, now, model):
    platforms = [
        ("ads", "meta", "spring"),
        ("ads", "meta", "summer"),
        ("ads", "tiktok", ""),
        ("mail", "email", "x"),
    ]
    sources = [
        SourceFactory(
            workspace=workspace,
            channel=ChannelFactory(workspace=workspace, key=channel),
            platform=platform,
            campaign_id=campaign,
        )
        for channel, platform, campaign in platforms
    ]
    for amount in ("10.01", "33.33", "0.02"):
        person = PersonFactory(workspace=workspace)
        for age, source in enumerate(sources):
            TouchpointFactory(workspace=workspace, person=person, source=source, age_days=age)
        ConversionFactory(workspace=workspace, person=person, value=Decimal(amount))

    result = _ask(actor, now, models=(model,)).result

    for channel in result.rows:
        for group_by in ("platform", "campaign", "creative"):
            inside = result.within(channel=channel.channel, group_by=group_by)
            assert sum(row.revenue for row in inside) == channel.revenue
            assert sum(row.conversions for row in inside) == pytest.approx(channel.conversions)
    for group_by in ("channel", "platform", "campaign", "creative"):
        assert sum(row.revenue for row in result.grouped(group_by)) == Decimal("43.36")
    assert {row.platform for row in result.grouped("platform") if row.revenue} <= {"meta", "tiktok", "email"}


def test_cost_roas_and_cost_per_acquisition(workspace, actor, now):
    journey(workspace, "email", "paid", value="100")
    paid = Source.objects.get(channel__key="paid")
    Spend.objects.create(workspace=workspace, source=paid, day=now.date(), amount=Decimal("20"))

    result = _ask(actor, now, models=("linear",)).result

    rows = _by_channel(result.rows, "linear")
    assert (rows["paid"].cost, rows["paid"].roas, rows["paid"].cpa) == (20, 2.5, 40)
    assert (rows["email"].cost, rows["email"].roas, rows["email"].cpa) == (None, None, None)
    assert result.totals.cost == 20


def test_spend_covers_the_cost_of_touches_on_its_day_and_no_other(workspace, actor, now):
    person = journey(workspace, "paid", "paid", value="100")
    Touchpoint.objects.update(cost=Decimal("3"))
    source = Source.objects.get(channel__key="paid")
    Spend.objects.create(workspace=workspace, source=source, day=now.date(), amount=Decimal("20"))

    result = _ask(actor, now, models=("linear",)).result

    assert person is not None
    assert result.totals.cost == 23


def test_spend_of_a_campaign_covers_touches_with_a_creative(workspace, actor, now):
    channel = ChannelFactory(workspace=workspace, key="paid")
    names = {"workspace": workspace, "channel": channel, "platform": "meta", "campaign_id": "spring"}
    billed = SourceFactory(**names)
    shown = SourceFactory(**names, creative_id="video-1")
    TouchpointFactory(workspace=workspace, source=shown, cost=Decimal("3"))
    Spend.objects.create(workspace=workspace, source=billed, day=now.date(), amount=Decimal("20"))

    assert _ask(actor, now, models=("linear",)).result.totals.cost == 20


def test_the_same_question_on_the_same_data_is_computed_once(workspace, actor, now):
    journey(workspace, "email", value="10")

    first = _ask(actor, now)
    again = _ask(actor, now, models=("linear",), group_by="platform")

    assert ModelRun.objects.count() == 1
    assert again.result.run_id == first.result.run_id
    assert {row.model for row in again.result.rows} == {"linear"}


def _late_touch(workspace, person):
    TouchpointFactory(workspace=workspace, person=person, channel="video", age_days=3)


def _refund(workspace, person):
    Conversion.objects.filter(person=person).update(value=Decimal("4"))


def _full_refund(workspace, person):
    Conversion.objects.filter(person=person).update(is_counted=False)


def _merge(workspace, person):
    Touchpoint.objects.filter(person=person).update(person=PersonFactory(workspace=workspace))


def _erasure(workspace, person):
    Touchpoint.objects.filter(person=person).delete()


def _spend(workspace, person):
    source = Source.objects.first()
    Spend.objects.create(workspace=workspace, source=source, day="2026-11-20", amount=1)


def _other_channel(workspace, person):
    elsewhere = ChannelFactory(workspace=workspace, key="elsewhere")
    Source.objects.filter(channel__key="email").update(channel=elsewhere)


def _other_source(workspace, person):
    Touchpoint.objects.update(source=SourceFactory(workspace=workspace, platform="elsewhere"))


CHANGES = [_late_touch, _refund, _full_refund, _merge, _erasure, _spend, _other_channel, _other_source]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_what_changes_the_answer_changes_the_fingerprint(workspace, actor, now, change):
    person = journey(workspace, "email", "search", value="10")
    before = _ask(actor, now).result

    change(workspace, person)
    after = _ask(actor, now).result

    assert after.run_id != before.run_id


def test_another_workspace_changes_nothing_here(workspace, other_workspace, actor, now):
    journey(workspace, "email", value="10")
    before = _ask(actor, now).result

    with scoping.workspace(other_workspace):
        journey(other_workspace, "email", value="77")

    assert _ask(actor, now).result.run_id == before.run_id


def test_a_renamed_channel_shows_its_new_name_without_a_new_run(workspace, actor, now):
    journey(workspace, "email", value="10")
    before = _ask(actor, now).result

    Channel.objects.update(label="E-mail")

    after = _ask(actor, now).result
    assert after.run_id == before.run_id
    assert {row.label for row in after.rows} == {"E-mail"}


def test_an_empty_workspace_has_an_empty_answer(workspace, actor, now):
    result = _ask(actor, now).result

    assert result.is_empty
    assert result.rows == []
    assert result.totals.revenue == 0


def test_cost_without_a_conversion_is_still_told(workspace, actor, now):
    journey(workspace, "paid")
    Spend.objects.create(workspace=workspace, source=Source.objects.get(), day=now.date(), amount=5)

    rows = _ask(actor, now, models=("linear",)).result.rows

    assert [(row.channel, row.conversions, row.cost, row.cpa, row.roas) for row in rows] == [
        ("paid", 0, 5, None, 0.0)
    ]


def test_a_net_loss_still_adds_up(workspace, actor, now):
    journey(workspace, "a", "b", "c", value="10")
    journey(workspace, "a", "c", value="-0.55")

    result = _ask(actor, now).result

    for model in MODELS:
        assert sum(row.revenue for row in result.rows if row.model == model) == Decimal("9.45")


def test_yen_have_no_decimals(workspace, actor, now):
    workspace.currency = "JPY"
    workspace.save()
    journey(workspace, "a", "b", "c", value="1000")

    rows = _ask(actor, now, models=("linear",)).result.rows

    assert sorted(row.revenue for row in rows) == [333, 333, 334]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"models": ("magic",)}, "model_type"),
        ({"models": ()}, "model_type"),
        ({"group_by": "moon"}, "group_by"),
        ({"lookback_days": 0}, "lookback_days"),
        ({"half_life_days": float("nan")}, "half_life_days"),
    ],
)
def test_a_question_that_cannot_be_asked_names_the_field(wrong, field):
    with pytest.raises(Invalid) as refusal:
        Query(**wrong)

    assert field in refusal.value.errors


def test_a_period_that_ends_before_it_starts_is_refused(now):
    with pytest.raises(Invalid) as refusal:
        Query(start=now, end=now)

    assert "to" in refusal.value.errors


def test_much_work_becomes_a_job_whose_result_then_answers(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    journey(workspace, "a", "b", value="10")

    asked = _ask(actor, now)
    again = _ask(actor, now)
    jobs.run(job_id=asked.job.pk)
    answered = _ask(actor, now)

    assert asked.result is None
    assert again.job == asked.job
    assert ModelRun.objects.get().job_id == asked.job.pk
    assert answered.is_current
    assert answered.result.totals.revenue == 10
    job = Job.objects.get()
    assert (job.state, job.done, job.total) == ("done", len(MODELS) + 1, len(MODELS) + 2)
    assert (
        job.result["summary"]
        == "Credited £10 from 1\N{NO-BREAK SPACE}conversion over 1\N{NO-BREAK SPACE}journey."
    )
    assert analysis.of_job(job).rows == answered.result.rows


def test_a_large_workspace_is_answered_from_its_last_run_for_a_while(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    settings.ATTRIBUTION_INLINE_PATHS = 0
    journey(workspace, "a", "b", value="10")
    jobs.run(job_id=_ask(actor, now).job.pk)
    ModelRun.objects.update(finished_at=now)
    stale_people.mark([journey(workspace, "a", value="5").pk])

    soon = _ask(actor, now + timedelta(seconds=299))
    later = _ask(actor, now + timedelta(seconds=301))

    assert soon.job is None
    assert later.job is not None
    assert not later.is_current
    assert later.result.totals.revenue == 10


def test_a_job_delivered_twice_computes_once(workspace, actor, now, settings):
    settings.ATTRIBUTION_INLINE_TOUCHES = 1
    journey(workspace, "a", "b", value="10")
    job = _ask(actor, now).job

    jobs.run(job_id=job.pk)
    jobs.run(job_id=job.pk)

    assert ModelRun.objects.count() == 1


def test_superseded_answers_that_no_job_gave_are_dropped_after_an_hour(workspace, actor, now):
    person = journey(workspace, "a", value="10")
    _ask(actor, now)
    _late_touch(workspace, person)
    _ask(actor, now + timedelta(minutes=30))
    _late_touch(workspace, person)
    _ask(actor, now + timedelta(minutes=85))

    assert ModelRun.objects.count() == 2
    assert set(Credit.objects.values_list("run_id", flat=True)) == set(
        ModelRun.objects.values_list("pk", flat=True)
    )


def test_superseded_answers_of_jobs_are_dropped_after_a_day(workspace, actor, now):
    person = journey(workspace, "a", value="10")
    job = jobs.begin(actor, analysis.KIND, title="Credit", params={}, total=1)
    for hours in (0, 1, 25):
        _ask(actor, now + timedelta(hours=hours))
        ModelRun.objects.filter(job=None).update(job=job)
        _late_touch(workspace, person)

    assert ModelRun.objects.count() == 2
