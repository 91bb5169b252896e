"""How often a file has said the same, in eight bytes for what it said once."""

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.uint64]
Flags = NDArray[np.bool_]
# Marks that came one by one are kept as they are, a hundred bytes each, up to so many.
LOOSE = 50_000


class SaidBefore:
    """Marks of rows, each a number below 2**64, and how often each was said."""

    def __init__(self) -> None:
        self._once: list[Marks] = []  # each in order, each at least twice as long as the next
        self._loose: set[int] = set()
        self._often: dict[int, int] = {}

    def each(self, marks: Marks) -> NDArray[np.int64]:
        """They are said now, in this order; answers how often each was by then."""
        distinct, place, counts = np.unique(marks, return_inverse=True, return_counts=True)
        is_said = self._are_said(distinct)
        times = np.ones(len(marks), dtype=np.int64)
        for row in np.flatnonzero((is_said | (counts > 1))[place]).tolist():
            times[row] = self.one(int(marks[row]))
        self._keep(distinct[~is_said & (counts == 1)])
        return times

    def one(self, mark: int) -> int:
        """The same for one."""
        if mark in self._often:
            self._often[mark] += 1
        elif mark in self._loose or self._are_kept(np.array([mark], dtype=np.uint64))[0]:
            self._loose.discard(mark)
            self._often[mark] = 2
        else:
            self._loose.add(mark)
            self._pack()
            return 1
        return self._often[mark]

    def _are_said(self, marks: Marks) -> Flags:
        is_said = self._are_kept(marks)
        if self._loose or self._often:
            others = (mark in self._loose or mark in self._often for mark in marks.tolist())
            is_said |= np.fromiter(others, dtype=bool, count=len(marks))
        return is_said

    def _are_kept(self, marks: Marks) -> Flags:
        found = np.zeros(len(marks), dtype=bool)
        for kept in self._once:
            place = np.minimum(np.searchsorted(kept, marks), len(kept) - 1)
            found |= kept[place] == marks
        return found

    def _pack(self) -> None:
        if len(self._loose) > LOOSE:
            self._keep(np.sort(np.array([*self._loose], dtype=np.uint64)))
            self._loose.clear()

    def _keep(self, ordered: Marks) -> None:
        if not len(ordered):
            return
        self._once.append(ordered)
        while len(self._once) > 1 and len(self._once[-2]) < 2 * len(self._once[-1]):
            merged = np.concatenate([self._once.pop(), self._once.pop()])
            merged.sort(kind="stable")
            self._once.append(merged)
