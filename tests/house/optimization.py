"""Objects of the optimisation engine for the tests of every route."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.models import Workspace
from apps.campaigns.models import Kind, Recommendation, Run, SpendCap
from apps.integrations.models import AdCampaign, Connection


def recommendation(state: str, **more: Any) -> Callable[[Workspace], dict[str, Any]]:
    """A change of a budget in that state, with room under the cap."""

    def build(workspace: Workspace) -> dict[str, Any]:
        with scoping.workspace(workspace):
            return {"recommendation_id": _made(workspace, state, **more).public_id}

    return build


def _made(workspace: Workspace, state: str, **more: Any) -> Recommendation:
    now = timezone.now()
    connection = Connection.objects.create(
        workspace=workspace, service="meta_ads", account=uuid4().hex, label="Meta", state_changed_at=now
    )
    is_done = state == "done"
    campaign = AdCampaign.objects.create(
        workspace=workspace,
        connection=connection,
        external_id=uuid4().hex,
        name="Spring",
        status="active",
        currency="GBP",
        budget=Decimal(44 if is_done else 40),
        budget_kind="daily",
        read_at=now,
    )
    SpendCap.objects.get_or_create(
        workspace=workspace, measure="daily_budget", defaults={"amount": Decimal(100_000)}
    )
    run = Run.objects.create(workspace=workspace, cadence="daily", currency="GBP", finished_at=now)
    return Recommendation.objects.create(
        workspace=workspace,
        run=run,
        kind=Kind.BUDGET,
        campaign=campaign,
        state=state,
        title="Raise the budget of Spring",
        before="40",
        after="44",
        currency="GBP",
        amount=Decimal(4),
        confidence=0.95,
        reasons=["It pays."],
        expires_at=now + timedelta(days=7),
        done_at=now if is_done else None,
        changed_at=now,
        **more,
    )


_API = "optimization-api"
# (method, route) to a body that is accepted.
BODIES: dict[tuple[str, str], Any] = {
    ("post", f"{_API}:allocate"): {
        "campaigns": [
            {
                "campaign": "spring",
                "a": 10,
                "k": 0.5,
                "min_budget": 5,
                "max_budget": 90,
                "current_budget": 40,
                "is_locked": False,
            }
        ],
        "total_budget": 40,
        "max_change_percent": 20,
        "moving_cost": 0,
        "groups": [{"name": "meta", "campaigns": ["spring"], "floor": 0, "cap": 100}],
    },
    ("post", f"{_API}:analyze"): None,
    ("post", f"{_API}:bids"): {
        "goal": "target_cpa",
        "target": 40,
        "margin": 1,
        "floor": 0.1,
        "cap": 5,
        "items": [
            {
                "key": "1",
                "conversion_probability": 0.03,
                "value": 80,
                "device": "mobile",
                "hour": "9",
                "placement": "feed",
            }
        ],
        "pace": {
            "spent": 10,
            "planned": 12,
            "value": 40,
            "budget_multiplier": 1,
            "roas_multiplier": 1,
        },
    },
    ("post", f"{_API}:approve"): None,
    ("post", f"{_API}:reject"): {"reason": "Not in May."},
    ("post", f"{_API}:done-by-hand"): None,
    ("post", f"{_API}:execute"): {"dry_run": False},
    ("post", f"{_API}:rollback"): {"dry_run": False},
    ("put", f"{_API}:auto-rules"): {
        "kind": "budget",
        "is_on": True,
        "least_confidence": 0.95,
        "most_amount": "20.00",
    },
    ("put", f"{_API}:caps"): {"measure": "daily_budget", "amount": "500.00"},
    ("patch", f"{_API}:policy"): {
        "is_on": True,
        "daily_at_hour": 6,
        "weekly_on_weekday": 0,
        "counts_revenue_by": "platform",
        "margin": "0.4000",
        "total_daily_budget": "500.00",
        "spends_what_pays": False,
        "target_cost_per_conversion": "40.00",
        "largest_change_percent": 20,
        "cooldown_hours": 72,
        "data_age_hours": 36,
        "acts_from_hour": 7,
        "acts_until_hour": 20,
        "four_eyes_above": "100.00",
        "rests_on_wedding_days": True,
        "report_to": ["ada@example.com"],
    },
    ("post", f"{_API}:stop"): {"reason": "Odd figures."},
    ("post", f"{_API}:restart"): None,
}
