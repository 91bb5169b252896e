"""Where Celery finds the tasks; each stands with its verb."""

from apps.accounts import audit, events, health, invitations, jobs

__all__ = ["audit", "events", "health", "invitations", "jobs"]
