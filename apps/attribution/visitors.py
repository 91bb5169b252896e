"""The people behind tracked records."""

from collections.abc import Sequence

from apps.accounts import people, scoping
from apps.attribution.records import ConversionIn, Touch


def resolve(records: Sequence[Touch | ConversionIn]) -> list[int]:
    """Keys of the people behind records, aligned; made where they are missing, and locked.

    Once per transaction (people.resolve_many says why): touches and conversions of a batch go in together.
    Ids count in the order of time, which decides whose a shared device was.
    """
    order = sorted(range(len(records)), key=lambda place: records[place].occurred_at)
    ordered = [records[place] for place in order]
    found = people.resolve_many(
        [(one.user_id, one.anonymous_id) for one in ordered],
        workspace_id=scoping.current_id(),
        seen_at=[one.occurred_at for one in ordered],
    )
    answer = [0] * len(order)
    for place, person in zip(order, found.tolist(), strict=True):
        answer[place] = person
    return answer
