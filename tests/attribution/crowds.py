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


def show(made, people_ids, *, at=NOW, now=None):
    """Expose everybody: each variant to its share of them, in turn, so that no test fails by the luck of a
    lot. Answers the variant of each.
    """
    got = _in_turn(experiments.current_shares(made), len(people_ids))
    seen = [
        experiments.of_person(one, at=at, variant=variant)
        for one, variant in zip(people_ids, got, strict=True)
    ]
    experiments.expose(made, seen, now=now or at)
    return got


def _in_turn(shares, count):
    """Whoever is furthest behind their share is next."""
    given, got = dict.fromkeys(shares, 0), []
    for place in range(count):
        key = max(shares, key=lambda one: shares[one] * (place + 1) - given[one])
        given[key] += 1
        got.append(key)
    return got


def of_each(units, variants, many):
    """So many of each variant, as the lot gave them: of a thousand fair lots one is uneven enough to be
    called broken.
    """
    kept = {}
    for one, got in zip(units, variants, strict=True):
        kept.setdefault(got, []).append(one)
    assert min(map(len, kept.values())) >= many
    return [one for own in kept.values() for one in own[:many]]


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
