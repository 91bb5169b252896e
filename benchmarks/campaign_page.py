"""Claim: the page of one campaign takes at most 50 ms of server time at five million engagement events, and a
million people are drawn by lot and written into an experiment in the background.

    PYTHONPATH=. .venv/bin/python benchmarks/campaign_page.py [--events 5000000] [--people 1000000]
"""

import argparse
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from benchmarks._database import benchmark_database, workspace
from benchmarks._measure import Steps, keep

LIMIT_MS = 50.0
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUNS = 30
PEOPLE = """
    INSERT INTO accounts_person (workspace_id, public_id, traits)
    SELECT %s, gen_random_uuid(), '{}' FROM generate_series(1, %s)
"""
RECIPIENTS = """
    INSERT INTO campaigns_recipient
        (workspace_id, campaign_id, person_id, content_id, occurrence, chunk, state, reason, settled_at)
    SELECT %(w)s, %(c)s, p.id, (%(contents)s::bigint[])[1 + p.id %% 2], '', 0,
           CASE WHEN p.id %% 10 = 0 THEN 'held_out' ELSE 'sent' END, '', %(at)s
    FROM accounts_person AS p WHERE p.workspace_id = %(w)s ON CONFLICT DO NOTHING
"""
ENGAGEMENT = """
    INSERT INTO campaigns_engagement (workspace_id, campaign_id, recipient_id, person_id, content_id, kind,
        event_id, link, is_machine, reason, is_first, occurred_at)
    SELECT %(w)s, %(c)s, r.id, r.person_id, r.content_id,
           (ARRAY['delivered', 'opened', 'clicked', 'clicked', 'unsubscribed'])[1 + n %% 5],
           r.id || '-' || n, 1, n %% 3 = 0, '', n < 5,
           %(at)s::timestamptz + (r.id %% 600) * interval '1 hour'
    FROM campaigns_recipient AS r CROSS JOIN generate_series(1, %(each)s) AS n
    WHERE r.workspace_id = %(w)s AND r.campaign_id = %(c)s ON CONFLICT DO NOTHING
"""
COUNTS = """
    INSERT INTO campaigns_engagementcount (workspace_id, campaign_id, content_id, kind, hour, events, people,
        machine)
    SELECT workspace_id, campaign_id, coalesce(content_id, 0), kind, date_trunc('hour', occurred_at, 'UTC'),
           count(*) FILTER (WHERE NOT is_machine), count(*) FILTER (WHERE is_first),
           count(*) FILTER (WHERE is_machine)
    FROM campaigns_engagement WHERE workspace_id = %(w)s AND campaign_id = %(c)s
    GROUP BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--people", type=int, default=1_000_000)
    asked = parser.parse_args()
    with benchmark_database(name="bench_campaign_page", keep=False):
        from apps.accounts import scoping  # noqa: PLC0415 - Django is set up by then

        made = workspace("campaign-page", now=NOW)
        with scoping.workspace(made):
            run(made, people=asked.people, each=max(1, asked.events // asked.people))


def run(made: Any, *, people: int, each: int) -> None:
    import numpy as np  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from apps.accounts.models import Person  # noqa: PLC0415
    from apps.campaigns import arm_figures, splitting  # noqa: PLC0415
    from apps.campaigns.models import SendCount  # noqa: PLC0415
    from tests.factories import member  # noqa: PLC0415

    steps = Steps()
    campaign, contents = _campaign(made, people)
    given = {
        "w": made.pk,
        "c": campaign.pk,
        "contents": [one.pk for one in contents],
        "at": NOW,
        "each": each,
    }
    with connection.cursor() as cursor:
        with steps.step(f"{people:,} people"):
            cursor.execute(PEOPLE, [made.pk, people])
        person_ids = np.array(Person.objects.order_by("pk").values_list("pk", flat=True), dtype=np.int64)
        with steps.step("drawn by lot"):
            arms = splitting.arms(campaign, person_ids, now=NOW)
        with steps.step("logged as shown"):
            splitting.expose(campaign, person_ids, arms, now=NOW)
        with steps.step("recipients"):
            cursor.execute(RECIPIENTS, given)
        with steps.step(f"{people * each:,} events"):
            cursor.execute(ENGAGEMENT, given)
        with steps.step("counted"):
            cursor.execute(COUNTS, given)
        cursor.execute("ANALYZE")
    for state, part in (("sent", 0.9), ("held_out", 0.1)):
        SendCount.objects.create(
            workspace=made, campaign=campaign, state=state, reason="", people=int(people * part)
        )
    with steps.step("summed up by arm"):
        arm_figures.refresh(campaign, now=NOW + timedelta(days=1))
    client = Client(SERVER_NAME="localhost")
    client.force_login(member(made, "owner"))
    address = f"/campaigns/{campaign.public_id}/"
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        answer = client.get(address)
        taken.append(1_000 * (time.perf_counter() - began))
    assert answer.status_code == 200
    page_ms = median(taken[3:])
    print(
        f"page of a campaign at {people * each:,} events: {page_ms:.1f} ms, {page_ms / LIMIT_MS:.2f} of 50 ms"
    )
    keep("campaign_page", page_ms=page_ms, limit_ms=LIMIT_MS, events=people * each, people=people)


def _campaign(made: Any, people: int) -> tuple[Any, list[Any]]:
    from apps.accounts.permissions import system  # noqa: PLC0415
    from apps.campaigns import splitting  # noqa: PLC0415
    from apps.campaigns.models import Campaign, Content  # noqa: PLC0415

    campaign = Campaign.objects.create(
        workspace=made,
        name="Spring",
        state="running",
        launched_at=NOW,
        launched_by="somebody",
        hold_out_share=0.1,
        recipients=people,
        changed_at=NOW,
    )
    contents = [
        Content.objects.create(
            workspace=made,
            campaign=campaign,
            key=key,
            position=place,
            subject=f"Take {key}",
            body="Hello",
            changed_at=NOW,
        )
        for place, key in enumerate("ab")
    ]
    splitting.open_experiments(system(made.pk), campaign, contents, people=people, now=NOW)
    campaign.save()
    return campaign, contents


if __name__ == "__main__":
    main()
