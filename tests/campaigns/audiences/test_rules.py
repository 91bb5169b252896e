from random import Random

import pytest
from django.db import connection
from hypothesis import given, settings

from apps.accounts.models import Person
from apps.campaigns.audiences import people_sql, selecting, tree
from apps.campaigns.models import Audience, Campaign
from tests.campaigns.audiences import trees, world
from tests.campaigns.audiences.reference import Reference
from tests.factories import NOW


def found_by(rules, now=NOW):
    audience = Audience(name="x", rules=tree.read(rules).as_json())
    sql, params = people_sql(audience, now=now)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [person_id for (person_id,) in cursor.fetchall()]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_query_finds_whom_the_rows_say(workspace, other_workspace, seed):
    world.made(workspace, Random(seed))
    world.made(other_workspace, Random(seed))
    reference = Reference(NOW)
    campaigns = [str(one.public_id) for one in Campaign.objects.all()]
    lists = [str(one.public_id) for one in Audience.objects.filter(kind="list")]

    @settings(max_examples=120)
    @given(trees.rules(campaigns, lists))
    def agrees(rules):
        found = found_by(rules)

        assert sorted(found) == sorted(reference.people_of(rules)), rules
        opposite = set(found_by({"not": rules})) if trees.depth(rules) < 6 else None
        assert opposite is None or opposite == reference.people_of({"not": rules})

    agrees()
    assert Person.objects.count() == world.PEOPLE


@pytest.mark.parametrize("seed", [4])
def test_what_is_kept_asks_the_same(workspace, seed):
    world.made(workspace, Random(seed))
    campaigns = [str(one.public_id) for one in Campaign.objects.all()]
    lists = [str(one.public_id) for one in Audience.objects.filter(kind="list")]

    @settings(max_examples=80)
    @given(trees.rules(campaigns, lists))
    def is_kept(rules):
        node = tree.read(rules)

        assert tree.read(node.as_json()) == node
        told = selecting.sentence(node)
        assert told.startswith("People who ")
        assert told.endswith(".")
        assert "None" not in told

    is_kept()
