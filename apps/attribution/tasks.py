"""Where a worker finds what attribution does in jobs; each stands with its verb."""

from apps.attribution import (
    accuracy,
    analysis,
    book_keeping,
    conversion_training,
    dead_letters,
    experiments,
    import_jobs,
    intake,
    lift_tests,
    markov_training,
    night_checks,
    uploads,
)

__all__ = [
    "accuracy",
    "analysis",
    "book_keeping",
    "conversion_training",
    "dead_letters",
    "experiments",
    "import_jobs",
    "intake",
    "lift_tests",
    "markov_training",
    "night_checks",
    "uploads",
]
