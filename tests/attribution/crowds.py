"""Many people with a known inclination to buy, for the tests of experiments."""

from datetime import timedelta
from decimal import Decimal

from apps.accounts.models import Person
from apps.attribution import experiments
from apps.attribution.experiments import Arm
from apps.attribution.models import Conversion
from tests.attribution import many_rows
from tests.factories import NOW

ASKED = {"minimum_effect": 0.2, "planned_units": 4_000, "outcome_window_days": 7.0, "duration_days": 10.0}


def people(workspace, count):
    """Their keys."""
    return many_rows.insert(Person, workspace_id=workspace.pk, first_seen_at=[NOW] * count)


def experiment(actor, *, key="colour", variants=("blue", "green"), started_at=NOW, **chosen):
    """A running one with equal shares; the first variant is the control."""
    arms = experiments.with_control_first([Arm(key=one) for one in variants])
    made = experiments.create(
        actor, key=key, name=key.capitalize(), variants=arms, now=started_at, **(ASKED | chosen)
    )
    return experiments.start(actor, made, now=started_at)


def show(made, people_ids, *, at=NOW, now=None, by_lot=False):
    """Expose everybody: to each variant in turn, so that no test fails by the luck of a lot, or to what they
    are assigned. Answers the variant of each.
    """
    if by_lot:
        got = [one.variant for one in experiments.assign_many(made, [str(one) for one in people_ids], now=at)]
    else:
        keys = list(experiments.current_shares(made))
        got = [keys[place % len(keys)] for place in range(len(people_ids))]
    seen = [
        experiments.of_person(one, at=at, variant=variant)
        for one, variant in zip(people_ids, got, strict=True)
    ]
    experiments.expose(made, seen, now=now or at)
    return got


def buy(workspace, people_ids, *, at, value="10", kind="purchase"):
    """One order each."""
    many_rows.insert(
        Conversion,
        workspace_id=workspace.pk,
        person_id=list(people_ids),
        conversion_type=kind,
        occurred_at=at,
        value=Decimal(value),
        updated_at=at,
    )


def buy_by_variant(workspace, people_ids, variants, rates, *, at=NOW + timedelta(hours=1)):
    """Exactly the given share of each variant's people orders once."""
    for variant, rate in rates.items():
        own = [one for one, got in zip(people_ids, variants, strict=True) if got == variant]
        buy(workspace, own[: round(rate * len(own))], at=at)
