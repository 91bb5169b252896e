"""The questions that journey books were asked of late."""

from datetime import datetime, timedelta

from apps.attribution.models import AskedQuestion, JourneyBook
from apps.attribution.questions import Query

# How often it is noted that a question was asked again.
NOTED = timedelta(minutes=10)
RECENT = timedelta(days=1)


def note(book: JourneyBook, query: Query, *, now: datetime) -> None:
    """Remember the question, with the models that it named last."""
    same = AskedQuestion.objects.filter(book=book, digest=query.digest)
    if same.filter(asked_at__gt=now - NOTED, params__models__contains=list(query.models)).exists():
        return
    AskedQuestion.objects.update_or_create(
        workspace_id=book.workspace_id,
        book=book,
        digest=query.digest,
        defaults={"params": query.as_params(), "asked_at": now},
    )


def recent(book: JourneyBook, *, now: datetime, most: int) -> list[Query]:
    """What was asked within a day, the newest first. Older ones are forgotten."""
    AskedQuestion.objects.filter(book=book, asked_at__lte=now - RECENT).delete()
    asked = AskedQuestion.objects.filter(book=book).order_by("-asked_at", "-id")[:most]
    return [Query.of_params(params) for params in asked.values_list("params", flat=True)]
