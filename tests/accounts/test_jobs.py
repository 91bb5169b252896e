"""Long work: shown, stopped, taken up again, and never done by two at once."""

import time
from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts import jobs, scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Job
from apps.accounts.permissions import system
from tests.accounts.redis_of_our_own import RedisOfOurOwn
from tests.conftest import api_client, committed
from tests.factories import WorkspaceFactory

LONG_SILENT = Now() - jobs.SILENCE - timedelta(seconds=1)


class Counting:
    """Work of ten batches that notes each; `interrupt` is called before each of them."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.interrupt: Any = lambda job, batch: None

    def __call__(self, job: Job) -> dict[str, Any]:
        for batch in range(job.checkpoint.get("next", 0), 10):
            self.interrupt(job, batch)
            with transaction.atomic():
                jobs.advance(job, done=batch + 1, message=f"batch {batch}", checkpoint={"next": batch + 1})
                self.batches.append(batch)
        return {"batches": 10}


@pytest.fixture
def counting(monkeypatch):
    made = Counting()
    monkeypatch.setitem(jobs._kinds, "tests.count", made)
    return made


def _begin(workspace) -> Job:
    return jobs.begin(system(workspace.pk), "tests.count", title="Count to ten", params={}, total=10)


def _now(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_a_job_shows_its_progress_and_its_result(workspace, counting):
    job = _begin(workspace)
    seen = []
    counting.interrupt = lambda job, batch: seen.append((_now(job).done, _now(job).state))

    jobs.run(job_id=job.pk)

    assert seen[:3] == [(0, "running"), (1, "running"), (2, "running")]
    ended = _now(job)
    assert (ended.state, ended.done, ended.total, ended.result) == ("done", 10, 10, {"batches": 10})
    assert ended.is_over
    assert ended.finished_at is not None


def test_an_unknown_kind_is_a_slip(workspace, actor):
    with pytest.raises(KeyError):
        jobs.begin(actor, "tests.unknown", title="?", params={})
    assert not Job.objects.exists()


def test_a_second_delivery_does_not_run_it_again(workspace, counting):
    job = _begin(workspace)

    jobs.run(job_id=job.pk)
    jobs.run(job_id=job.pk)

    assert counting.batches == list(range(10))


def test_a_queued_job_is_cancelled_at_once(workspace, counting):
    job = _begin(workspace)

    jobs.cancel(job)
    jobs.run(job_id=job.pk)

    assert _now(job).state == "cancelled"
    assert counting.batches == []


def test_a_running_job_stops_after_its_batch(workspace, counting):
    job = _begin(workspace)
    counting.interrupt = lambda job, batch: jobs.cancel(job) if batch == 3 else None

    jobs.run(job_id=job.pk)

    assert _now(job).state == "cancelled"
    assert counting.batches == [0, 1, 2]


def test_a_job_that_has_ended_cannot_be_cancelled(workspace, counting):
    job = _begin(workspace)
    jobs.run(job_id=job.pk)

    jobs.cancel(job)

    assert (_now(job).state, _now(job).is_cancel_asked) == ("done", False)


def test_a_refusal_ends_the_job_with_its_words(workspace, counting):
    def refuse(job: Job, batch: int) -> None:
        raise DomainError("The file holds no rows. Choose another one.")

    job = _begin(workspace)
    counting.interrupt = refuse

    jobs.run(job_id=job.pk)

    assert (_now(job).state, _now(job).message) == ("failed", "The file holds no rows. Choose another one.")


def test_a_fault_ends_the_job_without_its_trace(workspace, counting):
    def break_down(job: Job, batch: int) -> None:
        raise ZeroDivisionError("secret@example.com")

    job = _begin(workspace)
    counting.interrupt = break_down

    with pytest.raises(ZeroDivisionError):
        jobs.run(job_id=job.pk)

    assert _now(job).state == "failed"
    assert "secret" not in _now(job).message


def test_a_silent_job_goes_on_from_its_checkpoint(workspace, counting):
    def die(job: Job, batch: int) -> None:
        if batch == 4 and len(counting.batches) == 4:
            raise KeyboardInterrupt  # what no handler of ours catches: the process is gone

    job = _begin(workspace)
    counting.interrupt = die
    with pytest.raises(KeyboardInterrupt):
        jobs.run(job_id=job.pk)
    counting.interrupt = lambda job, batch: None

    jobs.run(job_id=job.pk)
    assert _now(job).state == "running"  # it was heard of a moment ago: it may still be somebody's

    Job.objects.filter(pk=job.pk).update(beat_at=LONG_SILENT)
    jobs.run(job_id=job.pk)

    assert _now(job).state == "done"
    assert counting.batches == list(range(10))


def test_a_worker_that_was_overtaken_writes_no_more(workspace, counting):
    def be_overtaken(job: Job, batch: int) -> None:
        if batch == 5 and job.attempts == 1:
            Job.objects.filter(pk=job.pk).update(beat_at=LONG_SILENT)
            jobs.run(job_id=job.pk)  # the second worker does the rest while the first one sleeps

    job = _begin(workspace)
    counting.interrupt = be_overtaken

    jobs.run(job_id=job.pk)

    assert counting.batches == list(range(10))
    assert (_now(job).state, _now(job).attempts, _now(job).result) == ("done", 2, {"batches": 10})


def test_a_job_that_kills_its_workers_is_given_up(workspace, counting):
    job = _begin(workspace)
    Job.objects.filter(pk=job.pk).update(state="running", attempts=jobs.MAX_ATTEMPTS, beat_at=LONG_SILENT)

    jobs.run(job_id=job.pk)

    assert _now(job).state == "failed"
    assert "died 5 times" in _now(job).message
    assert counting.batches == []


@committed
def test_work_stopped_by_the_time_limit_goes_on(counting):
    def run_out_of_time(job: Job, batch: int) -> None:
        if batch == 6 and job.attempts == 1:
            raise SoftTimeLimitExceeded

    made = WorkspaceFactory()
    counting.interrupt = run_out_of_time
    with scoping.workspace(made):
        job = _begin(made)

        assert (_now(job).state, _now(job).attempts) == ("done", 2)
    assert counting.batches == list(range(10))


@committed
def test_a_job_starts_when_its_transaction_is_committed(counting):
    made = WorkspaceFactory()
    with scoping.workspace(made):
        with transaction.atomic():
            job = _begin(made)
            assert counting.batches == []

        assert _now(job).state == "done"


@committed
def test_the_sweep_picks_up_what_lost_its_worker_or_its_message(counting):
    made, other = WorkspaceFactory(), WorkspaceFactory()
    for each, state in ((made, "running"), (other, "queued")):
        with scoping.workspace(each), transaction.atomic():
            job = _begin(each)
            transaction.get_connection().run_on_commit.clear()
            Job.objects.filter(pk=job.pk).update(state=state, beat_at=LONG_SILENT)

    assert jobs.sweep() == 2

    for each in (made, other):
        with scoping.workspace(each):
            assert Job.objects.get().state == "done"
    assert jobs.sweep() == 0


def test_the_api_shows_a_job(api, workspace, counting):
    job = _begin(workspace)
    jobs.run(job_id=job.pk)

    shown = api.get(f"/api/v1/jobs/{job.public_id}").json()

    assert shown["id"] == str(job.public_id)
    assert (shown["state"], shown["done"], shown["total"], shown["result"]) == (
        "done",
        10,
        10,
        {"batches": 10},
    )
    assert "params" not in shown
    assert "checkpoint" not in shown


def test_the_api_cancels_a_job(api, workspace, counting):
    job = _begin(workspace)

    answer = api.post(f"/api/v1/jobs/{job.public_id}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_a_key_that_only_reads_cancels_nothing(workspace, counting, now):
    job = _begin(workspace)

    answer = api_client(workspace, ["read"], now).post(f"/api/v1/jobs/{job.public_id}/cancel")

    assert answer.status_code == 403
    assert _now(job).state == "queued"


def test_another_workspaces_job_is_not_there(api, other_workspace, counting):
    with scoping.workspace(other_workspace):
        job = _begin(other_workspace)

    assert api.get(f"/api/v1/jobs/{job.public_id}").status_code == 404
    assert api.post(f"/api/v1/jobs/{job.public_id}/cancel").status_code == 404
    with scoping.workspace(other_workspace):
        assert _now(job).state == "queued"


@pytest.fixture
def own_redis(_clean_redis: None, settings: Any) -> Iterator[RedisOfOurOwn]:
    redis = RedisOfOurOwn()
    redis.start()
    settings.REDIS_URL = redis.url
    yield redis
    redis.stop()


@committed
@pytest.mark.parametrize("harm", ["kill", "freeze"])
def test_a_job_begun_while_the_broker_is_lost_waits_for_the_sweep(counting, own_redis, harm, caplog):
    made = WorkspaceFactory()
    getattr(own_redis, harm)()
    after = []

    with scoping.workspace(made):
        with transaction.atomic():
            job = jobs.begin(system(made.pk), "tests.count", title="Counting", params={})
            transaction.on_commit(lambda: after.append("ran"))
        assert Job.objects.get(pk=job.pk).state == "queued"
        assert after == ["ran"]
        assert "task.not_sent" in caplog.text

        Job.objects.update(beat_at=LONG_SILENT)
        jobs.sweep()
        assert Job.objects.get(pk=job.pk).state == "done"


@committed
def test_a_long_step_is_not_taken_for_a_dead_worker(settings, now):
    made = WorkspaceFactory()
    before = jobs.BEAT_SECONDS
    jobs.BEAT_SECONDS = 0.05

    @jobs.work("test.long_step")
    def long_step(job):
        Job.objects.filter(pk=job.pk).update(beat_at=now - timedelta(hours=1))
        deadline = time.monotonic() + 10
        while Job.objects.get(pk=job.pk).beat_at < now and time.monotonic() < deadline:
            Event().wait(0.02)
        return {"heard": Job.objects.get(pk=job.pk).beat_at > now}

    try:
        with scoping.workspace(made):
            job = jobs.begin(system(made.pk), "test.long_step", title="Long", params={})
            jobs.run(job_id=job.pk)
            job.refresh_from_db()
    finally:
        jobs.BEAT_SECONDS = before

    assert job.result == {"heard": True}
