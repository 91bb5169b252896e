"""The timetable in the code reaches the rows that beat reads, and leaves alone what a person changed."""

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.celery import app
from config.timetable import Timetable
from tests.conftest import committed

pytestmark = committed  # beat closes the connection that it finds, to see what others commit

ENTRY = {"task": "accounts.health.beat", "schedule": 15.0, "options": {"expire_seconds": 30}}


@pytest.fixture
def start(transactional_db):
    """Start beat with these entries, as a new release would."""
    before = app.conf.beat_schedule

    def start(**entries):
        app.conf.beat_schedule = {name: {**ENTRY, **entry} for name, entry in entries.items()}
        return Timetable(app=app)

    yield start
    app.conf.beat_schedule = before


def row(name="one"):
    return PeriodicTask.objects.get(name=name)


def test_a_changed_entry_reaches_a_database_that_has_it(start):
    start(one={})

    start(one={"task": "accounts.events.sweep", "schedule": 40.0, "options": {"expire_seconds": 80}})

    assert (row().task, row().interval.every, row().expire_seconds) == ("accounts.events.sweep", 40, 80)


def test_what_a_person_switched_off_stays_off(start):
    start(one={})
    PeriodicTask.objects.update(enabled=False)

    timetable = start(one={"schedule": 40.0})

    assert not row().enabled
    assert row().interval.every == 40
    assert "one" not in timetable.schedule


def test_a_persons_own_interval_stays_theirs_and_the_rest_follows_the_code(start):
    start(one={}, two={})
    own = IntervalSchedule.objects.create(every=90, period="seconds")
    PeriodicTask.objects.filter(name="one").update(interval=own)

    start(one={}, two={})
    assert row().interval.every == 90
    for every in (40.0, 50.0):
        start(one={"schedule": every, "task": "accounts.events.sweep"}, two={"schedule": every})

    assert (row().interval.every, row().task) == (90, "accounts.events.sweep")
    assert row("two").interval.every == 50


def test_an_interval_that_a_person_put_back_follows_the_code_again(start):
    start(one={})
    theirs = row().interval
    PeriodicTask.objects.update(interval=IntervalSchedule.objects.create(every=90, period="seconds"))
    start(one={"schedule": 40.0})
    PeriodicTask.objects.update(interval=IntervalSchedule.objects.get(every=40))

    start(one={"schedule": 15.0})

    assert row().interval == theirs


def test_a_renamed_entry_is_not_run_twice(start):
    start(one={}, two={"task": "accounts.events.sweep"})

    timetable = start(uno={}, two={"task": "accounts.events.sweep"})

    assert set(timetable.schedule) == {"uno", "two"}


def test_a_row_of_a_persons_own_stays(start):
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    PeriodicTask.objects.create(name="mine", task="accounts.events.prune", interval=every)

    start(one={})
    start(two={})

    assert set(PeriodicTask.objects.values_list("name", flat=True)) == {"mine", "two"}


def test_a_row_from_before_there_were_marks_is_brought_up_to_date(start):
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    PeriodicTask.objects.create(name="one", task="old.name", interval=every, enabled=False)

    start(one={})

    assert (row().task, row().interval.every, row().enabled) == ("accounts.health.beat", 15, False)


def test_the_timetable_of_the_house_is_written_once():
    Timetable(app=app)
    before = list(PeriodicTask.objects.order_by("pk").values_list("pk", "name", "date_changed"))

    Timetable(app=app)

    assert [name for _, name, _ in before] == list(app.conf.beat_schedule)
    assert list(PeriodicTask.objects.order_by("pk").values_list("pk", "name", "date_changed")) == before
