"""How often a file said the same, whether its rows came in blocks or one by one."""

from collections import Counter

import numpy as np
import pytest

from apps.attribution import said_before
from apps.attribution.said_before import SaidBefore


def _said(said: SaidBefore, marks: list[int]) -> list[int]:
    if len(marks) == 1:
        return [said.one(marks[0])]
    return said.each(np.array(marks, dtype=np.uint64)).tolist()


@pytest.mark.parametrize("most", [1, 50_000])
@pytest.mark.parametrize("seed", range(6))
def test_each_row_hears_how_often_it_was_said(monkeypatch, most, seed):
    monkeypatch.setattr(said_before, "LOOSE", most)
    rng, said, counted = np.random.default_rng(seed), SaidBefore(), Counter()
    for size in (1, 30, 2, 60, 1, 1, 17):
        marks = [mark + (2**64 - 200 if seed % 2 else 0) for mark in rng.integers(0, 200, size).tolist()]
        expected = []
        for mark in marks:
            counted[mark] += 1
            expected.append(counted[mark])

        assert _said(said, marks) == expected


def test_what_was_said_once_takes_eight_bytes():
    said = SaidBefore()
    for start in range(0, 100_000, 1_000):
        assert (said.each(np.arange(start, start + 1_000, dtype=np.uint64)) == 1).all()

    assert sum(kept.nbytes for kept in said._once) == 800_000
    assert len(said._once) < 10
