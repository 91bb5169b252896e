"""The nightly look: rows against the doors' books, journey books against rows, ids beyond a person."""

from datetime import timedelta

import pytest
from django.urls import reverse
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from apps.attribution import intake, night_checks, stale_people
from apps.attribution.maths.assembly import MOST_TOUCHES
from apps.attribution.models import Conversion, NightCheck, Source, Touchpoint
from tests import factories
from tests.attribution.histories import built
from tests.attribution.stories import journey
from tests.factories import NOW

EVENT = {"type": "event", "event_type": "click", "platform": "meta"}


@pytest.fixture
def tracked(workspace, api):
    records = [{**EVENT, "user_id": f"u{number}"} for number in range(4)]
    records.append(
        {"type": "conversion", "user_id": "u0", "conversion_type": "buy", "revenue": 9, "order_id": "o"}
    )
    api.post("/api/v1/attribution/track/batch", {"events": records}, format="json")
    return Touchpoint.objects.latest("received_at").received_at


def _metrics():
    registry = CollectorRegistry()
    registry.register(intake.Intake())
    return generate_latest(registry).decode()


def test_where_nothing_is_missing_nothing_is_said(workspace, tracked, page):
    built()
    check = night_checks.look(now=tracked)

    assert (check.findings, check.crowded) == ([], 0)
    assert "bellwether_night_check_findings 0.0" in _metrics()
    assert "what was stored is there" in page.get(reverse("attribution:data-health")).content.decode()


def test_rows_that_are_gone_are_named_on_the_page_and_in_the_metrics(workspace, tracked, page, caplog):
    Touchpoint.objects.filter(person__external_id="u1").delete()

    check = night_checks.look(now=tracked)

    assert check.findings[0].startswith("1 of the 5 records stored on")
    assert "not there any more" in page.get(reverse("attribution:data-health")).content.decode()
    assert "bellwether_night_check_findings 1.0" in _metrics()
    assert "night_check.differs" in caplog.text
    night_checks.look(now=tracked)
    assert NightCheck.objects.count() == 1


def test_a_book_that_differs_from_its_rows_is_named(workspace):
    journey(workspace, "email", value="10")
    book = built()
    Conversion.objects.update(value=20)

    (finding,) = night_checks.look(now=NOW).findings

    assert f"book {book.pk} holds (conversions, value) (1,1000) and the rows (1,2000)" in finding


def test_what_waits_to_be_counted_is_counted_first(workspace):
    journey(workspace, "email", value="10")
    built()
    stale_people.mark([journey(workspace, "social", value="7").pk])

    assert night_checks.look(now=NOW).findings == []


def test_ids_that_do_more_than_a_person_are_counted(workspace, page):
    factories.TouchpointFactory(workspace=workspace)
    till = factories.PersonFactory(workspace=workspace, external_id="null")
    source = Source.objects.get()
    Touchpoint.objects.bulk_create(
        Touchpoint(
            workspace=workspace,
            person=till,
            source=source,
            event_id=f"e{number}",
            event_type="click",
            occurred_at=NOW - timedelta(minutes=number),
        )
        for number in range(MOST_TOUCHES + 1)
    )

    assert night_checks.look(now=NOW).crowded == 1
    assert "1 id did more" in " ".join(page.get(reverse("attribution:data-health")).content.decode().split())
