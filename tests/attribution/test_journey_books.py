"""Journey books: after whatever was tracked, corrected, merged or erased, in whatever order it was counted,
the days say what a count from scratch says; and large workspaces are answered from them.
"""

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.urls import reverse

from apps.accounts import jobs, scoping
from apps.accounts.permissions import system
from apps.attribution import (
    analysis,
    book_building,
    book_days,
    book_keeping,
    channels,
    ingest,
    journey_books,
    loading,
    orders,
    stale_people,
)
from apps.attribution.book_days import BookClosed
from apps.attribution.lenses import Lens
from apps.attribution.maths.models import MODELS
from apps.attribution.maths.packed import pack_tally
from apps.attribution.maths.tally import EMPTY
from apps.attribution.models import (
    AskedQuestion,
    BookDay,
    BookedPeople,
    Conversion,
    ConversionRecord,
    JourneyBook,
    ModelRun,
    Source,
    StalePerson,
    Touchpoint,
)
from apps.attribution.questions import Query
from apps.attribution.records import ConversionIn, Touch
from tests import factories
from tests.attribution.histories import (
    LENSES,
    History,
    built,
    is_what_raw_gives,
    is_what_scratch_gives,
)
from tests.attribution.stories import journey
from tests.conftest import committed
from tests.factories import NOW

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def _settle():
    while journey_books.catch_up():
        pass


@pytest.mark.parametrize("seed", range(6))
def test_after_any_history_the_books_are_what_a_count_from_scratch_gives(workspace, actor, seed):
    history = History(actor, np.random.default_rng(seed))
    for lens in LENSES:
        built(lens)

    for _ in range(80):
        history.go_on()
    _settle()

    assert not StalePerson.objects.exists()
    assert BookDay.objects.exists()
    for lens in LENSES:
        is_what_raw_gives(lens, date(2026, 10, 20), date(2026, 11, 22))
        is_what_scratch_gives(lens)


def test_histories_meet_what_they_are_about(workspace, actor):
    """Else the test above proves little: orders with several records, of each kind, and late sources."""
    history = History(actor, np.random.default_rng(0))
    for _ in range(80):
        history.go_on()

    counted = ConversionRecord.objects.values("conversion").annotate(records=Count("pk"))
    several = counted.filter(records__gt=1).values("conversion")
    assert several.count() >= 4
    kinds = ConversionRecord.objects.filter(conversion__in=several).values_list("kind", flat=True)
    assert set(kinds) == {"conversion", "correction", "refund"}
    assert Source.objects.exclude(creative_id="").exists()
    assert Touchpoint.objects.filter(occurred_at__gt=NOW).exists()


@committed
@pytest.mark.usefixtures("large")
def test_a_source_that_commits_late_changes_no_interval():
    """A campaign counted under one of its sources, then under another with a smaller id, then taken back."""
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        actor = system(workspace.pk)
        channels.ensure_channels({"email": "Email"})
        built()
        taken, go = Event(), Event()

        def slow():
            with transaction.atomic():
                _sell(actor, "early", 20)
                taken.set()
                go.wait(30)

        thread = _in_thread(workspace, slow)
        assert taken.wait(30)
        _sell(actor, "late", 20)
        _settle()
        go.set()
        thread.join()
        _sell(actor, "late", 10, refunds=True)
        _settle()

        late, early = Source.objects.order_by("-id").values_list("creative_id", flat=True)
        assert (late, early) == ("late", "early")
        is_what_raw_gives(LENSES[0], date(2026, 11, 1), date(2026, 11, 22))
        is_what_scratch_gives(LENSES[0])


def _sell(actor, creative, count, *, refunds=False):
    who = [f"{creative}{number}" for number in range(count)]
    if not refunds:
        ingest.track_events(
            actor,
            [
                Touch(
                    event_id=f"t{one}",
                    event_type="click",
                    occurred_at=NOW - DAY,
                    received_at=NOW,
                    channel="email",
                    platform="meta",
                    creative_id=creative,
                    user_id=one,
                )
                for one in who
            ],
            now=NOW,
        )
    orders.track_conversions(
        actor,
        [
            ConversionIn(
                event_id=f"{refunds}{one}",
                order_id=one,
                conversion_type="purchase",
                revenue=Decimal(-50 if refunds else 50 + number),
                occurred_at=NOW,
                received_at=NOW,
                user_id=one,
            )
            for number, one in enumerate(who)
        ],
        now=NOW,
    )


def test_marks_that_come_twice_change_nothing(workspace, actor):
    person = journey(workspace, "email", "social", value="10")
    book = built()
    before = list(BookDay.objects.values_list("day", "revision", "counts"))

    stale_people.mark([person.pk, person.pk])
    _settle()

    assert not StalePerson.objects.exists()
    assert list(BookDay.objects.values_list("day", "revision", "counts")) == before
    assert JourneyBook.objects.get().revision == book.revision


def test_a_day_on_which_nothing_ends_any_more_is_gone(workspace, actor):
    person = journey(workspace, "email")
    built()
    Touchpoint.objects.all().delete()

    stale_people.mark([person.pk])
    _settle()

    assert not BookDay.objects.exists()
    assert not BookedPeople.objects.exists()


def test_a_change_touches_only_its_days(workspace, actor):
    journey(workspace, "email", value="10", end_days=40)
    late = journey(workspace, "email", value="10", end_days=2)
    book = built()
    factories.TouchpointFactory(workspace=workspace, person=late, channel="social", age_days=3)

    stale_people.mark([late.pk])
    _settle()

    revisions = dict(BookDay.objects.values_list("day", "revision"))
    assert revisions[date(2026, 10, 11)] == book.revision
    assert revisions[date(2026, 11, 18)] == book.revision + 1


def test_a_book_that_does_not_add_up_is_due_again(workspace, actor):
    person = journey(workspace, "email", value="10")
    built()
    day = BookDay.objects.get()
    other = journey(workspace, "social")
    BookDay.objects.filter(pk=day.pk).update(counts=_counts_of_another_day(workspace, other))
    Conversion.objects.filter(person=person).update(value=Decimal(20))

    stale_people.mark([person.pk])
    _settle()

    assert JourneyBook.objects.get().state == "due"


def _counts_of_another_day(workspace, person):
    lens = Lens(lookback_days=1.0)
    built(lens)
    book = journey_books.find(lens)
    Conversion.objects.all().delete()
    JourneyBook.objects.filter(pk=book.pk).update(state="due")
    built(lens)
    counts = BookDay.objects.filter(book=book).first().counts
    journey_books.drop([book])
    return bytes(counts)


def test_nobody_waits_where_nobody_keeps_a_book(workspace, actor):
    stale_people.mark([1, 2, 3])

    _settle()

    assert not StalePerson.objects.exists()


def test_a_book_that_is_being_built_hears_when_it_is_done(workspace, actor):
    person = journey(workspace, "email", value="10")
    built()
    JourneyBook.objects.update(state="building")
    factories.TouchpointFactory(workspace=workspace, person=person, channel="social", age_days=1)
    book = JourneyBook.objects.get()

    stale_people.mark([person.pk])
    with _somebody_builds(book):
        _settle()

    assert list(StalePerson.objects.values_list("person_id", "book")) == [(person.pk, book.pk)]
    JourneyBook.objects.update(state="ready")
    _settle()
    is_what_scratch_gives(LENSES[0])
    assert not StalePerson.objects.exists()


@contextmanager
def _somebody_builds(book):
    """Another session has the lock of the book's builder."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(book_building._ALONE, [book.pk])
        yield
    finally:
        other.close()


def test_a_book_whose_builder_died_is_due_and_waits_for_nothing(workspace, actor):
    person = journey(workspace, "email", value="10")
    book = built()
    JourneyBook.objects.update(state="building")
    stale_people.mark([person.pk], book=book)
    stale_people.mark([person.pk])

    _settle()

    assert JourneyBook.objects.get().state == "due"
    assert not StalePerson.objects.exists()


@pytest.mark.parametrize(("field", "there"), [("time_zone", "Asia/Tokyo"), ("currency", "JPY")])
def test_a_clock_that_goes_and_comes_back_leaves_no_book_that_missed_something(
    workspace, actor, field, there
):
    journey(workspace, "email", value="10")
    book, before = built(), getattr(workspace, field)
    setattr(workspace, field, there)
    workspace.save()
    buyer = journey(workspace, "social", value="7")
    stale_people.mark([buyer.pk])
    stale_people.mark([buyer.pk], book=book)
    _settle()

    setattr(workspace, field, before)
    workspace.save()

    assert journey_books.ready(LENSES[0], workspace) is None
    assert not StalePerson.objects.exists()
    built()
    is_what_raw_gives(LENSES[0], date(2026, 11, 1), date(2026, 11, 20))


def test_a_book_is_not_dropped_while_it_is_built_nor_once_somebody_asked(workspace, actor):
    journey(workspace, "email", value="10")
    book = built()
    with _somebody_builds(book):
        journey_books.drop([book])
    assert JourneyBook.objects.exists()

    journey_books.open_(LENSES[0], workspace=workspace, now=NOW + 40 * DAY)
    assert JourneyBook.objects.get().asked_at == NOW + 40 * DAY

    journey_books.drop([book])
    with pytest.raises(BookClosed):
        book_building.build(book, now=NOW)


@committed
def test_a_worker_does_not_wait_for_another_of_the_same_workspace():
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        person = journey(workspace, "email", value="10")
        built()
        stale_people.mark([person.pk])
        with transaction.atomic():
            journey_books.lock()
            thread = _in_thread(workspace, book_keeping.keep_up)
            thread.join(timeout=20)
            assert not thread.is_alive()
        assert StalePerson.objects.exists()

        book_keeping.keep_up()

        assert not StalePerson.objects.exists()


@pytest.mark.parametrize("stretch", [1, 3, 1_000])
def test_a_book_is_the_same_however_it_is_cut_while_it_is_built(workspace, actor, stretch):
    history = History(actor, np.random.default_rng(7))
    for _ in range(25):
        history.touch()
        history.buy()
    book = journey_books.open_(LENSES[3], workspace=workspace, now=NOW)

    book_building.build(book, now=NOW, stretch=stretch)

    is_what_scratch_gives(LENSES[3])


@pytest.mark.parametrize("change", [{"time_zone": "Asia/Tokyo"}, {"currency": "JPY"}])
def test_another_clock_or_currency_needs_another_book(workspace, actor, change):
    journey(workspace, "email", value="10")
    built()
    for name, value in change.items():
        setattr(workspace, name, value)
    workspace.save()

    assert journey_books.ready(LENSES[0], workspace) is None
    built()
    assert journey_books.ready(LENSES[0], workspace) is not None


def test_an_operator_has_books_counted_from_scratch(workspace, client):
    client.force_login(factories.member(workspace, "owner", is_staff=True))
    person = journey(workspace, "email", value="10")
    books = [built(lens) for lens in LENSES[:2]]
    stale_people.mark([person.pk], book=books[0])

    chosen = {"action": "rebuild", "_selected_action": [book.pk for book in books]}
    answer = client.post(reverse("admin:attribution_journeybook_changelist"), chosen, follow=True)

    assert "2 books" in answer.content.decode()
    assert not StalePerson.objects.exists()
    assert set(JourneyBook.objects.values_list("state", flat=True)) == {"due"}
    built()
    is_what_raw_gives(LENSES[0], date(2026, 11, 1), date(2026, 11, 20))


def test_days_are_those_of_the_workspaces_clock():
    zone = ZoneInfo("America/Sao_Paulo")  # clocks sprang forward at midnight in 2018
    moments = [
        datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC),
        datetime(2018, 11, 4, 3, 0, tzinfo=UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(2026, 3, 29, 23, 59, tzinfo=UTC),
    ]
    found = book_days.ordinals(np.array([loading.microseconds(one) for one in moments]), zone)

    assert [date.fromordinal(day) for day in found.tolist()] == [
        one.astimezone(zone).date() for one in moments
    ]


def test_a_period_within_a_day_is_no_span():
    zone = ZoneInfo("Europe/London")
    summer, winter = datetime(2026, 5, 31, 23, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)

    assert book_days.span_of(summer, winter, zone) == book_days.Span(
        first=date(2026, 6, 1), last=date(2026, 11, 19)
    )
    assert book_days.span_of(None, None, zone) == book_days.Span(first=None, last=None)
    assert book_days.span_of(summer + timedelta(minutes=1), None, zone) is None
    assert book_days.span_of(None, winter + timedelta(hours=3), zone) is None


@pytest.fixture
def large(settings):
    """Every workspace is too large to be read whole for an answer."""
    settings.ATTRIBUTION_INLINE_TOUCHES = -1


def _ask(actor, **chosen):
    return analysis.ask(actor, Query(end=MIDNIGHT, **chosen), now=NOW)


def _answered(actor, **chosen):
    answer = _ask(actor, **chosen)
    if answer.job is not None:
        jobs.run(job_id=answer.job.pk)
        ModelRun.objects.update(job=None)
        answer = _ask(actor, **chosen)
    assert answer.result.rows  # which are read when they are asked for
    return answer.result


def _some_journeys(workspace):
    for path in (["a", "b", "a"], ["b"], ["c", "a"], ["direct", "c", "b", "a"], ["a", "direct"]):
        journey(workspace, *path, value="10.01")
    for path in (["a"], ["c", "b"]):
        journey(workspace, *path)
    journey(workspace, value="5", conversion_type="lead")


def test_a_large_workspace_is_answered_from_its_book_as_from_its_rows(workspace, actor, settings):
    _some_journeys(workspace)
    chosen = [{}, {"transform": "frequency"}, {"direct": "dropped_beside_others", "counting": "once"}]
    raw = [_answered(actor, **lens) for lens in chosen]
    ModelRun.objects.all().delete()
    settings.ATTRIBUTION_INLINE_TOUCHES = -1

    for lens, wanted in zip(chosen, raw, strict=True):
        found = _answered(actor, **lens)

        assert found.totals == wanted.totals
        assert {row.model for row in found.rows} == set(MODELS)
        mine, theirs = ({(row.model, row.channel): row for row in one.rows} for one in (found, wanted))
        assert mine.keys() == theirs.keys()
        for key, row in theirs.items():
            assert mine[key].conversions == pytest.approx(row.conversions, abs=1e-9)
            assert abs(mine[key].revenue - row.revenue) <= Decimal("0.01")
        same = set(wanted.figures) - {"touches", "sets", "flow", "paths"}
        assert {name: found.figures[name] for name in same} == {name: wanted.figures[name] for name in same}
        for name in ("sets", "flow", "paths"):
            assert sorted(found.figures[name]) == sorted(wanted.figures[name])
    assert JourneyBook.objects.count() == 3


@pytest.mark.usefixtures("large")
def test_what_was_tracked_a_moment_ago_is_in_the_answer(workspace, actor):
    journey(workspace, "email", value="10")
    assert _answered(actor).totals.revenue == Decimal(10)

    buyer = journey(workspace, "social", value="7")
    stale_people.mark([buyer.pk])

    answer = _ask(actor)
    assert answer.is_current
    assert answer.result.totals.revenue == Decimal(17)


@pytest.mark.usefixtures("large")
def test_much_that_was_tracked_is_left_to_a_worker(workspace, actor, settings):
    settings.ATTRIBUTION_INLINE_PEOPLE = 1
    journey(workspace, "email", value="10")
    _answered(actor)
    buyers = [journey(workspace, "social", value="7") for _ in range(2)]
    stale_people.mark([buyer.pk for buyer in buyers])

    answer = _ask(actor)

    assert not answer.is_current
    assert answer.result.totals.revenue == Decimal(10)
    book_keeping.keep_up()
    answer = _ask(actor)
    assert answer.is_current
    assert answer.result.totals.revenue == Decimal(24)


@pytest.mark.usefixtures("large")
def test_few_people_of_many_rows_are_left_to_a_worker(workspace, actor, settings):
    settings.ATTRIBUTION_INLINE_ROWS = 5
    journey(workspace, "email", value="10")
    _answered(actor)
    till = journey(workspace, *["social"] * 5, value="7")
    stale_people.mark([till.pk])

    answer = _ask(actor)

    assert (answer.is_current, answer.result.totals.revenue) == (False, Decimal(10))
    assert answer.job is not None
    jobs.run(job_id=answer.job.pk)
    answer = _ask(actor)
    assert (answer.is_current, answer.result.totals.revenue) == (True, Decimal(17))


@pytest.mark.usefixtures("large")
def test_a_book_that_is_given_up_while_it_is_asked_does_not_answer(workspace, actor):
    person = journey(workspace, "email", value="10")
    _answered(actor)
    BookDay.objects.update(counts=pack_tally(EMPTY))
    Conversion.objects.filter(person=person).update(is_counted=False)
    stale_people.mark([person.pk])

    answer = _ask(actor)

    assert (answer.is_current, JourneyBook.objects.get().state) == (False, "due")
    jobs.run(job_id=answer.job.pk)
    assert _ask(actor).result.totals.conversions == 0


@committed
@pytest.mark.usefixtures("large")
def test_what_a_question_counts_first_is_committed_before_the_rest_is_computed(settings):
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        actor = system(workspace.pk)
        journey(workspace, "email", value="10")
        jobs.run(job_id=_ask(actor).job.pk)
        ModelRun.objects.update(job=None)
        stale_people.mark([journey(workspace, "social", value="7").pk])
        found = []

        def watch(execute, statement, *rest):
            if 'INSERT INTO "attribution_modelrun"' in statement:
                found.append(_nobody_counts(workspace))
            return execute(statement, *rest)

        with connection.execute_wrapper(watch):
            answer = _ask(actor)

        assert (answer.is_current, answer.result.totals.revenue) == (True, Decimal(17))
        assert found == [True]


def _nobody_counts(workspace):
    """As another session sees it."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(journey_books._TRY_LOCK, [workspace.pk])
            return cursor.fetchone()[0]
    finally:
        other.close()


@pytest.mark.usefixtures("large")
def test_where_paths_are_many_readers_get_what_was_computed_shortly_before(workspace, actor, settings):
    journey(workspace, "email", value="10")
    _answered(actor)
    settings.ATTRIBUTION_INLINE_PATHS = 0
    ModelRun.objects.update(finished_at=NOW)
    buyer = journey(workspace, "social", value="7")
    stale_people.mark([buyer.pk])

    shortly_after = _ask(actor)
    settings.ATTRIBUTION_REUSE_SECONDS = 0
    later = _ask(actor)

    assert (shortly_after.result.totals.revenue, shortly_after.job) == (Decimal(10), None)
    assert later.result.totals.revenue == Decimal(10)
    assert later.job is not None


@pytest.mark.usefixtures("large")
def test_the_same_question_on_the_same_days_is_read(workspace, actor):
    journey(workspace, "email", value="10", end_days=40)
    journey(workspace, "email", value="10")
    first = _answered(actor, start=MIDNIGHT - 30 * DAY)

    other = journey(workspace, "social", value="7", end_days=90)
    stale_people.mark([other.pk])

    assert _ask(actor, start=MIDNIGHT - 30 * DAY).result.run_id == first.run_id


@pytest.mark.usefixtures("large")
def test_another_half_life_is_computed_from_the_rows(workspace, actor):
    journey(workspace, "email", value="10")

    assert _answered(actor, half_life_days=3.0).totals.revenue == Decimal(10)

    assert not JourneyBook.objects.exists()


@pytest.mark.usefixtures("large")
def test_what_was_asked_of_late_is_answered_again_before_anybody_asks(workspace, actor, settings):
    settings.ATTRIBUTION_REUSE_SECONDS = 0
    buyer = journey(workspace, "email", value="10")
    _answered(actor)
    runs = ModelRun.objects.count()
    factories.ConversionFactory(workspace=workspace, person=buyer, value=Decimal(5), occurred_at=NOW)
    stale_people.mark([buyer.pk])

    book_keeping.keep_up()

    assert AskedQuestion.objects.count() == 1
    newest = ModelRun.objects.order_by("-id").first()
    assert (ModelRun.objects.count(), newest.revenue) == (runs + 1, Decimal(15))
    assert _ask(actor).result.run_id == newest.pk


@committed
def test_the_sweep_counts_in_every_workspace_and_drops_what_nobody_asks():
    made = [factories.WorkspaceFactory() for _ in range(2)]
    for workspace in made:
        with scoping.workspace(workspace):
            person = journey(workspace, "email", value="10")
            built(now=NOW)
            journey(workspace, "social", person=person)
            stale_people.mark([person.pk])

    assert book_keeping.sweep() == 2

    for workspace in made:
        with scoping.workspace(workspace):
            assert not StalePerson.objects.exists()
            is_what_scratch_gives(LENSES[0])
            JourneyBook.objects.update(asked_at=NOW - 365 * DAY)
    assert book_keeping.drop_unused() == 2
    for workspace in made:
        with scoping.workspace(workspace):
            assert not JourneyBook.objects.exists()
            assert not BookDay.objects.exists()


def _in_thread(workspace, deed):
    def run():
        try:
            with scoping.workspace(workspace):
                deed()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    return thread


@committed
def test_a_transaction_that_commits_late_is_not_lost():
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        actor, history = system(workspace.pk), History(system(workspace.pk), np.random.default_rng(3))
        history.touch()
        built()
        with transaction.atomic():
            ingest.track_events(actor, history.touches(4, 3.0), now=NOW)
            thread = _in_thread(workspace, _settle)
            thread.join()
        assert StalePerson.objects.exists()

        _settle()

        is_what_scratch_gives(LENSES[0])
        assert sum(day.journeys for day in BookDay.objects.all()) > 0


def test_a_load_leaves_marks_only_where_a_book_would_hear_them(workspace, actor):
    history = History(actor, np.random.default_rng(3))
    history.touch()
    StalePerson.objects.all().delete()

    ingest.store_touchpoints(actor, history.touches(4, 3.0), now=NOW)
    assert not StalePerson.objects.exists()

    built()
    ingest.store_touchpoints(actor, history.touches(4, 3.0), now=NOW)
    assert StalePerson.objects.exists()
    _settle()
    is_what_scratch_gives(LENSES[0])


@committed
def test_a_book_that_is_begun_waits_for_a_load_that_left_no_marks():
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        actor, history = system(workspace.pk), History(system(workspace.pk), np.random.default_rng(3))
        history.touch()
        StalePerson.objects.all().delete()
        with transaction.atomic():
            ingest.store_touchpoints(actor, history.touches(40, 3.0), now=NOW)
            thread = _in_thread(workspace, built)
            thread.join(timeout=1.0)
            assert thread.is_alive()
        thread.join(timeout=30)
        assert not thread.is_alive()

        assert not StalePerson.objects.exists()
        is_what_scratch_gives(LENSES[0])


def _write(actor, seed, name):
    history = History(actor, np.random.default_rng(seed), name=name)
    for _ in range(25):
        history.touch()
        history.buy()


def _count():
    for _ in range(40):
        journey_books.catch_up(most=5)


def _build_again(book):
    for _ in range(3):
        JourneyBook.objects.filter(pk=book.pk).update(state="due")
        book_building.build(book, now=NOW, stretch=3)


@committed
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_while_writers_counters_and_builders_work_at_once(seed):
    workspace = factories.WorkspaceFactory()
    with scoping.workspace(workspace):
        actor = system(workspace.pk)
        lenses = (*LENSES[:2], LENSES[3])
        History(actor, np.random.default_rng(0)).touch()
        *_, third = [built(lens) for lens in lenses]
        deeds = [
            lambda: _write(actor, [seed, 1], "first-"),
            lambda: _write(actor, [seed, 2], "second-"),
            _count,
            _count,
            lambda: _build_again(third),
        ]

        for thread in [_in_thread(workspace, deed) for deed in deeds]:
            thread.join()
        _settle()

        assert not StalePerson.objects.exists()
        for lens in lenses:
            is_what_scratch_gives(lens)
            is_what_raw_gives(lens, date(2026, 10, 20), date(2026, 11, 20))
