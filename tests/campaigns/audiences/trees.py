"""Random rule trees for hypothesis."""

from typing import Any

from hypothesis import strategies as st

from tests.campaigns.audiences import world

days = st.sampled_from(["2026-05-01", "2026-10-24", "2026-10-25", "2026-10-26", "2026-11-20", "1999-12-31"])
texts = st.sampled_from(
    ["gold", "Gold", "12", "true", "x'; DROP TABLE accounts_person; --", "%s", "%", "old", "Käse", "\\", '"']
)
scalars = st.one_of(texts, st.sampled_from([12, 12.5, -3, True, False, 10**14]))
windows = st.one_of(
    st.none(),
    st.builds(lambda n: {"last_days": n}, st.sampled_from([1, 2, 7, 30, 90])),
    st.builds(lambda a, b: {"from": min(a, b), "until": max(a, b)}, days, days),
    st.builds(lambda a: {"from": a}, days),
    st.builds(lambda a: {"until": a}, days),
)
often = st.one_of(
    st.just({}),
    st.builds(lambda n: {"op": "at_least", "count": n}, st.integers(1, 4)),
    st.builds(
        lambda op, n: {"op": op, "count": n}, st.sampled_from(["at_most", "exactly"]), st.integers(0, 3)
    ),
    st.just({"op": "did_not"}),
)


def _some(values: Any) -> Any:
    return st.one_of(
        st.none(), st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3)
    )


def _dict(**parts: Any) -> Any:
    """An object without the keys that are none."""
    return st.fixed_dictionaries(parts).map(
        lambda made: {key: value for key, value in made.items() if value is not None}
    )


def _with(base: Any, more: Any) -> Any:
    return st.builds(lambda one, other: {**one, **other}, base, more)


moments = _with(
    _dict(field=st.sampled_from(["person.first_seen", "person.last_seen", "person.created"])),
    st.one_of(
        _dict(op=st.sampled_from(["before", "after", "on"]), value=days),
        _dict(op=st.sampled_from(["in_last", "not_for"]), value=st.sampled_from([1, 7, 30])),
        _dict(op=st.sampled_from(["exists", "missing"])),
    ),
)
flags = _dict(
    field=st.sampled_from(["person.has_email", "person.has_phone", "person.is_known"]),
    value=st.sampled_from([None, True, False]),
)
traits = _with(
    _dict(field=st.just("trait"), key=st.sampled_from([*world.KEYS, "nothing"])),
    st.one_of(
        _dict(op=st.sampled_from(["equals", "not_equals", "contains", "not_contains"]), value=scalars),
        _dict(op=st.sampled_from(["in", "not_in"]), value=st.lists(scalars, min_size=1, max_size=3)),
        _dict(op=st.sampled_from(["greater", "less"]), value=st.sampled_from([12, 12.5, -3, 0, 10**14])),
        _dict(op=st.sampled_from(["before", "after"]), value=days),
        _dict(op=st.sampled_from(["exists", "missing"])),
    ),
)
touches = _with(
    _dict(
        field=st.just("touchpoint"),
        channel=_some(world.CHANNELS),
        platform=_some(world.PLATFORMS),
        campaign=_some(world.AD_CAMPAIGNS[1:]),
        event_type=_some(world.TYPES),
        window=windows,
    ),
    often,
)
sales = _with(
    _dict(field=st.just("conversion"), type=_some(world.CONVERSIONS), window=windows),
    st.one_of(
        often,
        _dict(
            op=st.sampled_from(["revenue_at_least", "revenue_at_most"]),
            revenue=st.sampled_from([10, "50.01", 100, 149.99]),
        ),
    ),
)
consents = _dict(
    field=st.just("consent"),
    purpose=st.sampled_from([*world.PURPOSES, "post"]),
    op=st.sampled_from(["granted", "withdrawn", "unknown"]),
)


def conditions(campaigns: list[str], lists: list[str]) -> Any:
    letters = _with(
        _dict(
            field=st.just("engagement"),
            kind=st.sampled_from(["sent", *world.KINDS]),
            campaign=st.sampled_from([None, *campaigns]),
            window=windows,
        ),
        often,
    )
    members = _dict(
        field=st.just("list"), list=st.sampled_from(lists), op=st.sampled_from(["member", "not_member"])
    )
    return st.one_of(moments, flags, traits, touches, sales, letters, members, consents)


def rules(campaigns: list[str], lists: list[str]) -> Any:
    return st.recursive(
        conditions(campaigns, lists),
        lambda inner: st.one_of(
            _dict(**{"and": st.lists(inner, min_size=1, max_size=3)}),
            _dict(**{"or": st.lists(inner, min_size=1, max_size=3)}),
            _dict(**{"not": inner}),
        ),
        max_leaves=6,
    ).filter(lambda tree: depth(tree) <= 6)


def depth(tree: dict[str, Any]) -> int:
    """How many groups are in one another."""
    for key in ("and", "or"):
        if key in tree:
            return 1 + max(map(depth, tree[key]))
    return 1 + depth(tree["not"]) if "not" in tree else 0
