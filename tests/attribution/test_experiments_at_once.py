"""Many at once: exposures, starts and turns that really commit beside each other."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection

from apps.accounts import people, scoping
from apps.accounts.errors import DomainError
from apps.accounts.models import Person
from apps.accounts.permissions import system
from apps.attribution import experiments
from apps.attribution.experiments import Arm
from apps.attribution.models import Experiment, Exposure, Look
from tests.attribution import crowds
from tests.conftest import ROOT, committed
from tests.factories import NOW, WorkspaceFactory


def _at_once(workspace, deed, times, *, workers=6):
    """What each of the calls answered, or the error's code."""

    def run(number):
        try:
            with scoping.workspace(workspace):
                return deed(number)
        except DomainError as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(times)))


@committed
def test_exposures_from_many_sides_keep_the_first_of_each():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        made = crowds.experiment(system(workspace.pk))
        crowd = crowds.people(workspace, 60)

    def expose(number):
        in_order = crowd if number % 2 else crowd[::-1]
        at = NOW + timedelta(minutes=(7 * number) % 24)
        seen = [experiments.of_person(one, at=at) for one in in_order]
        return experiments.expose(made, seen, now=NOW + timedelta(hours=1)).stored

    stored = _at_once(workspace, expose, 24)

    assert sum(stored) == 60
    with scoping.workspace(workspace):
        rows = list(Exposure.objects.values_list("person_id", "first_exposed_at", "is_mixed"))
    assert sorted(rows) == sorted((one, NOW, False) for one in crowd)


@committed
def test_two_starts_at_once_do_not_share_a_slice():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        drafts = [
            experiments.create(
                system(workspace.pk),
                key=f"e{number}",
                name="E",
                variants=[Arm(key="a", is_control=True), Arm(key="b")],
                now=NOW,
                layer="checkout",
                traffic_share=0.3,
                **crowds.ASKED,
            )
            for number in range(6)
        ]

    def start(number):
        return experiments.start(system(workspace.pk), drafts[number], now=NOW).slice_start

    answers = _at_once(workspace, start, 6)

    assert answers.count("layer_full") == 3
    taken = sorted(one for one in answers if one != "layer_full")
    assert [round(one, 9) for one in taken] == [0.0, 0.3, 0.6]


@committed
def test_a_turn_that_several_workers_take_is_taken_once():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        made = crowds.experiment(system(workspace.pk), reading="send_winner")
        crowd = crowds.people(workspace, 1_000)
        crowds.buy_by_variant(workspace, crowd, crowds.show(made, crowd), {"blue": 0.1, "green": 0.3})

    _at_once(workspace, lambda number: experiments.turn(made, now=NOW + timedelta(days=8)) and 1, 6)

    with scoping.workspace(workspace):
        assert Look.objects.count() == 1
        assert Experiment.objects.get().state == "decided"


@committed
def test_an_exposure_during_a_merge_is_not_left_behind():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        made = crowds.experiment(system(workspace.pk))
        pairs = [crowds.people(workspace, 2) for _ in range(12)]

    def deed(number):
        survivor, absorbed = pairs[number // 2]
        if number % 2:
            experiments.expose(made, [experiments.of_person(absorbed, at=NOW)], now=NOW)
            return "exposed"
        kept, gone = Person.objects.get(pk=survivor), Person.objects.get(pk=absorbed)
        people.merge(system(workspace.pk), kept, gone, reason="the same", now=NOW)
        return "merged"

    answers = _at_once(workspace, deed, 24)

    assert sorted(answers) == ["exposed"] * 12 + ["merged"] * 12
    with scoping.workspace(workspace):
        assert set(Exposure.objects.values_list("person_id", flat=True)) == {pair[0] for pair in pairs}


IN_ANOTHER_PROCESS = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
import django
django.setup()
from datetime import datetime
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from apps.accounts import scoping
from apps.attribution import experiments
people, now = sys.argv[4].split(","), datetime.fromisoformat(sys.argv[3])
with scoping.workspace(int(sys.argv[2])):
    made = experiments.find("colour")
    print("ready", flush=True)
    sys.stdin.readline()
    got = experiments.assign_many(made, people, now=now)
    experiments.expose(made, [experiments.of_person(int(one), at=now) for one in people], now=now)
print(",".join(one.variant for one in got))
"""


def _process(workspace, people):
    """A Python of its own on the same database, which waits for a line before it goes on."""
    given = [connection.settings_dict["NAME"], str(workspace.pk), NOW.isoformat(), ",".join(map(str, people))]
    made = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *given],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert made.stdout.readline() == "ready\n"
    return made


@committed
def test_two_processes_give_a_unit_the_same_variant_and_log_it_once():
    workspace = WorkspaceFactory()
    with scoping.workspace(workspace):
        made = crowds.experiment(system(workspace.pk))
        crowd = crowds.people(workspace, 40)
        here = [one.variant for one in experiments.assign_many(made, [str(one) for one in crowd], now=NOW)]

    others = [_process(workspace, crowd) for _ in range(2)]
    for one in others:
        one.stdin.write("\n")
        one.stdin.flush()
    answers = [one.communicate(timeout=120)[0].strip().split(",") for one in others]
    assert [one.returncode for one in others] == [0, 0]

    assert answers == [here, here]
    with scoping.workspace(workspace):
        rows = Exposure.objects.values_list("person_id", "variant__key", "is_mixed")
        assert sorted(rows) == sorted((one, got, False) for one, got in zip(crowd, here, strict=True))
