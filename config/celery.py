"""The Celery app, its queues, and the timetable that fills django-celery-beat's database schedule."""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, worker_process_shutdown, worker_ready
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("bellwether")
app.config_from_object("django.conf:settings", namespace="CELERY")
HARD_LIMIT_SECONDS = settings.CELERY_TASK_HARD_LIMIT_SECONDS
app.conf.update(
    task_queues=[Queue(name, routing_key=name) for name in settings.CELERY_QUEUES],
    task_default_queue="default",
    task_routes={
        "accounts.events.*": {"queue": "events"},
        "accounts.jobs.*": {"queue": "long"},
        "integrations.outbox.relay_critical": {"queue": "critical"},
        "integrations.monitoring.*": {"queue": "critical"},
        "integrations.modes.*": {"queue": "critical"},
        "integrations.*": {"queue": "calls"},
        # Short, and what keeps the senders going: not behind them.
        "campaigns.delivery.sweep": {"queue": "default"},
        "campaigns.delivery.recover": {"queue": "calls"},
        "campaigns.delivery.snapshot": {"queue": "long"},
        "campaigns.delivery.*": {"queue": "delivery"},
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    result_expires=None,
    task_time_limit=HARD_LIMIT_SECONDS,
    task_soft_time_limit=HARD_LIMIT_SECONDS - 60,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=25,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 2 * HARD_LIMIT_SECONDS,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 25,
        "retry_on_timeout": True,
    },
    beat_scheduler="config.timetable:Timetable",
    beat_schedule={
        "Say that workers are alive": {
            "task": "accounts.health.beat",
            "schedule": 15.0,
            "options": {"expire_seconds": 30},
        },
        "Deliver events that were left over": {
            "task": "accounts.events.sweep",
            "schedule": 30.0,
            "options": {"expire_seconds": 60},
        },
        "Forget events that were settled long ago": {
            "task": "accounts.events.prune",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Seal the audit chain": {
            "task": "accounts.audit.seal_all",
            "schedule": 30.0,
            "options": {"expire_seconds": 60},
        },
        "Pick up jobs whose worker died": {
            "task": "accounts.jobs.sweep",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Take looks at experiments, and give their variants new shares": {
            "task": "attribution.experiments.sweep",
            "schedule": 300.0,
            "options": {"expire_seconds": 300},
        },
        "Hold lift tests against what models say": {
            "task": "attribution.lift_tests.sweep",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Measure how well models foretell, and look for drift": {
            "task": "attribution.accuracy.sweep",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Sum up the books of the doors": {
            "task": "attribution.intake.fold_all",
            "schedule": 600.0,
            "options": {"expire_seconds": 600},
        },
        "Look whether what was stored is still there": {
            "task": "attribution.night_checks.look_everywhere",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Count journeys of what was tracked": {
            "task": "attribution.journey_books.sweep",
            "schedule": 10.0,
            "options": {"expire_seconds": 20},
        },
        "Drop journey books that nobody asks": {
            "task": "attribution.journey_books.drop_unused",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Send calls to services that are due": {
            "task": "integrations.outbox.sweep",
            "schedule": 5.0,
            "options": {"expire_seconds": 10},
        },
        "Read campaigns and their figures from ad platforms": {
            "task": "integrations.ads_pull.sweep",
            "schedule": 300.0,
            "options": {"expire_seconds": 300},
        },
        "Run the optimisation engine where it is due, carry out and measure": {
            "task": "campaigns.optimization.sweep",
            "schedule": 30.0,
            "options": {"expire_seconds": 30},
        },
        "Forget which events of devices were taken long ago": {
            "task": "campaigns.offline.prune_all",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Refresh the wide figures of marketing": {
            "task": "campaigns.bi.refresh",
            "schedule": 900.0,
            "options": {"expire_seconds": 900},
        },
        "Send business reports that are due": {
            "task": "campaigns.reports.sweep",
            "schedule": 600.0,
            "options": {"expire_seconds": 600},
        },
        "Tell attribution of clicks in messages": {
            "task": "campaigns.engagement.sweep",
            "schedule": 20.0,
            "options": {"expire_seconds": 20},
        },
        "Forget sign-ups that nobody confirmed": {
            "task": "campaigns.sign_ups.sweep",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Send campaigns that are due, and take up what workers that died left": {
            "task": "campaigns.delivery.sweep",
            "schedule": 5.0,
            "options": {"expire_seconds": 5},
        },
        "Start campaigns whose time has come": {
            "task": "campaigns.campaigns.start_due",
            "schedule": 15.0,
            "options": {"expire_seconds": 15},
        },
        "Obey switches, sum campaigns up and end their tests": {
            "task": "campaigns.campaigns.sweep",
            "schedule": 15.0,
            "options": {"expire_seconds": 15},
        },
        "Move people along their journeys": {
            "task": "campaigns.journeys.sweep",
            "schedule": 10.0,
            "options": {"expire_seconds": 20},
        },
        "Publish posts that are due on social networks": {
            "task": "integrations.social.sweep",
            "schedule": 30.0,
            "options": {"expire_seconds": 30},
        },
        "Read mentions and figures from social networks": {
            "task": "integrations.social_pull.sweep",
            "schedule": 900.0,
            "options": {"expire_seconds": 900},
        },
        "Read what changed in customer systems": {
            "task": "integrations.sync.sweep",
            "schedule": 300.0,
            "options": {"expire_seconds": 300},
        },
        "Read again what customer systems told of": {
            "task": "integrations.sync.nudged_sweep",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Hold records against customer systems, and against their trail": {
            "task": "integrations.sync.check_all",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Read figures and hold alert rules against them": {
            "task": "integrations.monitoring.health.look_all",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Wake the next circle where nobody took an incident": {
            "task": "integrations.monitoring.incidents.sweep",
            "schedule": 30.0,
            "options": {"expire_seconds": 30},
        },
        "Take up again what services sent": {
            "task": "integrations.inbound.sweep",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Begin and end wedding days and emergencies": {
            "task": "integrations.modes.sweep",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Try every alert channel": {
            "task": "integrations.monitoring.self_test.run_all",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Tell the dead man's switch that rules are looked at": {
            "task": "integrations.monitoring.self_test.ping",
            "schedule": 60.0,
            "options": {"expire_seconds": 60},
        },
        "Forget figures that are too old": {
            "task": "integrations.monitoring.health.prune_all",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Forget calls that were over long ago": {
            "task": "integrations.call_retention.forget_all",
            "schedule": 86400.0,
            "options": {"expire_seconds": 86400},
        },
        "Forget uploads that nobody came back for": {
            "task": "attribution.uploads.forget",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
        "Forget files of people whose reading never ended": {
            "task": "campaigns.list_files.forget",
            "schedule": 3600.0,
            "options": {"expire_seconds": 3600},
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery would replace the handlers; settings.LOGGING already says what is written."""


@worker_ready.connect
def _say_ready(sender: Any, **_: Any) -> None:
    structlog.get_logger(__name__).info("worker.ready")
    app.send_task("accounts.health.beat", expires=30)


@task_postrun.connect
def _write_figures(**_: Any) -> None:
    """A process may have nothing to do for long; what it has counted is not to wait for that."""
    _metrics().flush_if_due()


@worker_process_shutdown.connect
def _write_last_figures(**_: Any) -> None:
    _metrics().flush()


def _metrics() -> Any:
    from apps.integrations import metrics  # noqa: PLC0415 - its models need Django set up

    return metrics
