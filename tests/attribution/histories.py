"""Random histories of a few people, and what their journey books must then say."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from django.db import connection

from apps.accounts import jobs, people, privacy
from apps.accounts.models import Person, Workspace
from apps.attribution import (
    book_building,
    book_days,
    channels,
    ingest,
    journey_books,
    journeys,
    loading,
    orders,
    rule_history,
)
from apps.attribution.book_days import Span
from apps.attribution.lenses import Lens
from apps.attribution.maths.ledger import ledger
from apps.attribution.maths.packed import unpack_booked, unpack_tally
from apps.attribution.maths.tally import COLUMNS, SOURCE_BITS
from apps.attribution.models import (
    BookDay,
    BookedPeople,
    Channel,
    Conversion,
    JourneyBook,
    Source,
    Touchpoint,
)
from apps.attribution.questions import Query
from apps.attribution.records import ConversionIn, Touch
from tests.factories import NOW

LENSES = (
    Lens(),
    Lens(lookback_days=2.0, transform="exposure"),
    Lens(conversion_types=("purchase",), counting="once", direct="dropped_beside_others"),
    Lens(lookback_days=5.0, transform="frequency"),
    Lens(lookback_days=9.0, transform="trim", trim_touches=2, counting="once"),
    Lens(lookback_days=400.0, transform="first"),
    Lens(transform="exposure", direct="dropped_beside_others"),
    Lens(
        lookback_days=2.0,
        transform="frequency",
        direct="dropped_beside_others",
        counting="once",
        conversion_types=("lead",),
    ),
    Lens(lookback_days=0.5, transform="trim", trim_touches=1, direct="dropped_beside_others"),
)
CHANNELS = ("email", "direct", "paid_search", "social", "none")
ZONES = ("America/Sao_Paulo", "Asia/Tokyo")


def built(lens=LENSES[0], *, now=NOW):
    workspace = Workspace.objects.get()
    return book_building.build(journey_books.open_(lens, workspace=workspace, now=now), now=now)


def plain(book):
    """What a book says, in an order of its own: by day, paths, cells and durations; and by person."""
    days, table = {}, loading.sources()
    for day, packed in BookDay.objects.filter(book=book).values_list("day", "counts"):
        tally = unpack_tally(bytes(packed))
        spans = zip(tally.offsets[:-1], tally.offsets[1:], strict=True)
        paths = {
            tuple(tuple(book.steps[step]) for step in tally.codes[a:b].tolist()): (
                int(tally.conversions[place]),
                int(tally.nulls[place]),
                int(tally.minor[place]),
                int(tally.squares.high[place]),
                int(tally.squares.low[place]),
            )
            for place, (a, b) in enumerate(spans)
        }
        days[day] = (paths, _cells(tally, table), tally.durations_us.tolist())
    rows = BookedPeople.objects.filter(book=book).order_by("bucket").values_list("journeys", flat=True)
    kept = unpack_booked(bytes(row) for row in rows)
    return days, sorted(kept.journeys.tolist()), len(kept.touches)


def _cells(tally, table):
    """Amounts by column and source; squares of a group together, at whichever of its sources they lie."""
    groups, order = table.groups(), np.argsort(table.ids)
    place = order[np.searchsorted(table.ids[order], tally.keys & ((1 << SOURCE_BITS) - 1))]
    column = tally.keys >> SOURCE_BITS
    for number, (_, figure) in enumerate(COLUMNS):
        if (level := figure.removesuffix(" value")) in groups:
            place = np.where(column == number, groups[level][place], place)
    keys, spots = np.unique(column << SOURCE_BITS | table.ids[place], return_inverse=True)
    sums = tally.amounts.sums(spots, len(keys))
    found = zip(keys.tolist(), sums.high.tolist(), sums.low.tolist(), strict=True)
    return [cell for cell in found if cell[1:] != (0, 0)]


def is_what_scratch_gives(lens):
    book = journey_books.find(lens)
    assert book is not None
    assert book.state == "ready"
    kept = plain(book)
    totals = list(
        BookDay.objects.filter(book=book).order_by("day").values_list("journeys", "conversions", "value")
    )
    JourneyBook.objects.filter(pk=book.pk).update(state="due")
    rebuilt = built(lens)
    assert kept == plain(rebuilt)
    again = BookDay.objects.filter(book=book).order_by("day").values_list("journeys", "conversions", "value")
    assert totals == list(again)


def is_what_raw_gives(lens, first, last):
    workspace = Workspace.objects.get()
    book = journey_books.find(lens)
    table = loading.sources()
    counted = book_days.read(book, Span(first=first, last=last))
    found = book_days.counts_of(counted.tally, counted.book, table)
    query = Query(
        start=book_days.midnight(first, workspace.zone),
        end=book_days.midnight(last + timedelta(days=1), workspace.zone),
        **vars(lens),
    )
    wanted = journeys.of(query, decimals=2).counts()
    assert (found.n_journeys, found.conversions, found.minor) == (
        wanted.n_journeys,
        wanted.conversions,
        wanted.minor,
    )
    assert found.days_to_convert == pytest.approx(wanted.days_to_convert, abs=1e-9)
    assert np.array_equal(found.touches, wanted.touches)
    for name, credit in wanted.credit.items():
        assert np.array_equal(found.credit[name].conversions, credit.conversions)
        assert np.array_equal(found.credit[name].value, credit.value)
        for level, squares in credit.squares.items():
            assert np.array_equal(found.credit[name].squares[level], squares)
            assert np.array_equal(found.credit[name].value_squares[level], credit.value_squares[level])
    if wanted.conversions:
        for model in ("linear", "markov_1", "markov_2"):
            mine, theirs = (ledger(one, model, levels=table.levels()) for one in (found, wanted))
            assert mine.conversions == pytest.approx(theirs.conversions, abs=1e-9)
            assert mine.minor.sum() == theirs.minor.sum()
            assert abs(mine.minor - theirs.minor).max() <= 1


class History:
    """Random things that happen to a few people. The ids kept back are of sources that commit late."""

    def __init__(self, actor, rng, *, name=""):
        self.actor, self.rng, self.name, self.number = actor, rng, name, 0
        self.orders: list[str] = []
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('attribution_source', 'id'))"
                " FROM generate_series(1, 4)"
            )
            self.kept_back = [number for (number,) in cursor.fetchall()]
        self.deeds: list[Callable[[], None]] = [
            self.touch,
            self.touch,
            self.touch,
            self.late_touches,
            self.buy,
            self.buy,
            self.correct,
            self.correct,
            self.refund,
            self.refund,
            self.replace,
            self.touch_at_an_edge,
            self.touch_in_the_future,
            self.late_source,
            self.other_rules,
            self.apply_rules_to_history,
            self.other_clock,
            self.again,
            self.identify,
            self.merge,
            self.erase,
            self.catch_up,
        ]

    def go_on(self):
        self.deeds[int(self.rng.integers(len(self.deeds)))]()

    def _new(self):
        self.number += 1
        return self.number

    def _at(self, days=20.0):
        """Often the same minute, and often around midnight of the workspace's clock."""
        back = float(self.rng.choice([0.5, 1.0, self.rng.uniform(0, days)]))
        return (NOW - timedelta(days=back)).replace(second=0, microsecond=int(self.rng.integers(0, 3)))

    def _who(self):
        number = int(self.rng.integers(8))
        if self.rng.random() < 0.5:
            return {"user_id": f"u{number}"}
        return {"anonymous_id": f"a{number}"}

    def touches(self, count, days):
        return [
            Touch(
                event_id=f"{self.name}e{self._new()}",
                event_type="click",
                occurred_at=self._at(days),
                received_at=NOW,
                channel="" if self.rng.random() < 0.3 else str(self.rng.choice(CHANNELS)),
                platform=str(self.rng.choice(["meta", "google"])),
                campaign_id=str(self.rng.choice(["", "spring"])),
                **self._who(),
            )
            for _ in range(count)
        ]

    def touch(self):
        ingest.track_events(self.actor, self.touches(3, 20.0), now=NOW)

    def late_touches(self):
        ingest.store_touchpoints(self.actor, self.touches(2, 60.0), now=NOW)

    def touch_at_an_edge(self):
        """At the moment when the window of somebody's conversion opens, or a microsecond beside it."""
        known = list(
            Conversion.objects.exclude(person__external_id=None).select_related("person").order_by("pk")
        )
        if not known:
            return
        sold = known[int(self.rng.integers(len(known)))]
        window = timedelta(days=float(self.rng.choice([0.0, *(lens.lookback_days for lens in LENSES)])))
        at = sold.occurred_at - window + timedelta(microseconds=int(self.rng.integers(-1, 2)))
        self._touch_by(occurred_at=at, user_id=sold.person.external_id, anonymous_id=None)

    def touch_in_the_future(self):
        self._touch_by(occurred_at=NOW + timedelta(hours=float(self.rng.uniform(0, 24))))

    def _touch_by(self, **fields):
        touches = [msgspec.structs.replace(touch, **fields) for touch in self.touches(2, 1.0)]
        ingest.track_events(self.actor, touches, now=NOW)

    def late_source(self):
        channel = Channel.objects.filter(key=str(self.rng.choice(CHANNELS))).first()
        if channel is None or not self.kept_back:
            return
        where = {"platform": "meta", "campaign_id": "spring", "creative_id": f"{self.name}{self._new()}"}
        Source.objects.create(
            workspace_id=self.actor.workspace_id, id=self.kept_back.pop(), channel=channel, **where
        )
        self._touch_by(channel=channel.key, **where)

    def other_rules(self):
        key = str(self.rng.choice(["social", "email", "direct", "zeta"]))
        rules = [{"channel_key": key, "platform": "meta"}, {"channel_key": "aaa", "utm_campaign": "spring"}]
        channels.replace_rules(self.actor, rules, now=NOW)

    def apply_rules_to_history(self):
        if Touchpoint.objects.exists():
            jobs.run(job_id=rule_history.start(self.actor, now=NOW).pk)

    def other_clock(self):
        """Some of what is waiting is counted under it; then it is the old one again, or stays."""
        workspace = Workspace.objects.get()
        before = workspace.time_zone
        for zone in (str(self.rng.choice(ZONES)), str(self.rng.choice([before, *ZONES]))):
            workspace.time_zone = zone
            workspace.save()
            self.touch()
            self.catch_up()
        for book in list(JourneyBook.objects.filter(state="due")):
            book_building.build(book, now=NOW)

    def _convert(self, order, revenue, **fields):
        given = ConversionIn(
            event_id=f"{self.name}e{self._new()}",
            order_id=order,
            conversion_type=str(self.rng.choice(["purchase", "lead"])),
            revenue=Decimal(revenue),
            occurred_at=self._at(),
            received_at=NOW,
            **self._who(),
            **fields,
        )
        orders.track_conversions(self.actor, [given], now=NOW)

    def buy(self):
        order = "" if self.rng.random() < 0.3 else self._new_order()
        self._convert(order, int(self.rng.integers(0, 9_999)))

    def _new_order(self):
        self.orders.append(f"{self.name}o{self._new()}")
        return self.orders[-1]

    def _known_order(self):
        """Now and then one that nobody heard of yet."""
        if self.rng.random() < 0.2 or not self.orders:
            return self._new_order()
        return self.orders[int(self.rng.integers(len(self.orders)))]

    def correct(self):
        self._convert(self._known_order(), int(self.rng.integers(1, 500)))

    def replace(self):
        self._convert(self._known_order(), int(self.rng.integers(0, 900)), replaces=True)

    def refund(self):
        self._convert(self._known_order(), -int(self.rng.integers(1, 500)))

    def again(self):
        """The same event once more, later and by somebody else: a duplicate."""
        touch = msgspec.structs.replace(
            self.touches(1, 9.0)[0], event_id=f"{self.name}e{int(self.rng.integers(1, self.number + 2))}"
        )
        ingest.track_events(self.actor, [touch], now=NOW)

    def identify(self):
        number, device = self.rng.integers(8, size=2)
        people.identify(self.actor, user_id=f"u{number}", anonymous_id=f"a{device}", now=NOW)

    def _somebody(self):
        found = list(Person.objects.filter(merged_into=None, erased_at=None).order_by("pk"))
        return found[int(self.rng.integers(len(found)))] if found else None

    def merge(self):
        survivor, absorbed = self._somebody(), self._somebody()
        if survivor and absorbed:
            people.merge(self.actor, survivor, absorbed, reason="test", now=NOW)

    def erase(self):
        if self.rng.random() < 0.3 and (person := self._somebody()):
            privacy.erase(self.actor, person, reason="test", now=NOW)

    def catch_up(self):
        journey_books.catch_up(most=int(self.rng.integers(1, 30)))
