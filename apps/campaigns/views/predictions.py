"""Does it come true what is foretold of variants?"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.doors import chart_page, page
from apps.accounts.figures import interval, number
from apps.campaigns import charts
from apps.campaigns.content import predictions as foretold
from apps.campaigns.content.predictions import Calibration

MOST_ROWS = 100
COLUMNS = ["Campaign and variant", "Foretold, %", "10 to 90 %", "Came, %", "People"]


@chart_page
@require_safe
@page("campaigns:read")
def predictions(request: HttpRequest) -> HttpResponse:
    """What was foretold of approved variants, beside what came of them."""
    now = timezone.now()
    opened, clicked = foretold.calibration(now=now)
    context = {
        "clicked": _shown(clicked),
        "opened": _shown(opened),
        "days": foretold.SETTLES_AFTER.days,
        "least": foretold.LEAST_PEOPLE,
        "most": foretold.MOST_CAMPAIGNS,
        "now": now,
    }
    return render(request, "campaigns/predictions.html", context)


def _shown(found: Calibration) -> dict[str, Any]:
    rows = list(found.rows[:MOST_ROWS])
    return {
        "found": found,
        "rows": rows,
        "figure": charts.foretold(rows) if rows else None,
        "columns": COLUMNS,
        "numbers": [
            [
                f"{one.content.campaign.name}: {one.content.key}",
                number(100 * one.middle, 1),
                interval(100 * one.low, 100 * one.high),
                number(100 * one.came, 1),
                number(one.people),
            ]
            for one in rows
        ],
    }
