"""The look keeps its promises: contrast in both themes and size; figures read the same everywhere."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib.staticfiles import finders
from django.template import Context, Template

from apps.accounts import figures

STATIC = Path(__file__).parents[2] / "apps" / "accounts" / "static" / "accounts"
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (STATIC / "tokens.css").read_text()
    )
}
GROUNDS = ("paper", "card")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(front: str, ground: str, theme: int) -> float:
    one, other = _luminance(TOKENS[front][theme]), _luminance(TOKENS[ground][theme])
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


TEXT_PAIRS = [
    *(
        (ink, ground)
        for ink in ("ink", "ink-2", "ink-3", "brand", "bad", "good", "warn")
        for ground in GROUNDS
    ),
    *(("ink", f"{name}-soft") for name in ("brass", "good", "bad", "brand")),
    *((name, f"{name}-soft") for name in ("good", "bad", "warn", "brand")),
    ("brand-ink", "brand"),
    ("paper", "ink"),
    ("card", "bad"),
]
SHAPE_PAIRS = [(f"c{number}", ground) for number in range(1, 15) for ground in GROUNDS] + [
    ("edge", "card"),
    ("brass", "paper"),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), TEXT_PAIRS)
def test_text_can_be_read(front, ground, theme):
    assert _contrast(front, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), SHAPE_PAIRS)
def test_shapes_can_be_seen(front, ground, theme):
    assert _contrast(front, ground, theme) >= 3


def test_the_style_sheets_stay_small():
    sheets = [STATIC / "tokens.css", STATIC / "app.css"]

    assert sum(len(sheet.read_text().splitlines()) for sheet in sheets) < 700
    assert sum(sheet.stat().st_size for sheet in sheets) < 40_000


def test_every_token_that_a_rule_uses_exists():
    text = "".join(sheet.read_text() for sheet in STATIC.glob("*.css"))

    used = set(re.findall(r"var\(--([\w-]+)", text))
    defined = set(re.findall(r"--([\w-]+):", text))

    assert used <= defined


def test_plotly_comes_from_its_wheel_alone():
    assert finders.find("plotly/plotly.min.js")
    assert finders.find("plotly/datasets/iris.csv.gz") is None
    found = [path for finder in finders.get_finders() for path, _ in finder.list(None) if "plotly" in path]
    assert found == ["plotly.min.js"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figures.number(1240), "1,240"),
        (figures.number(-0.04, 1), "0.0"),
        (figures.number(-1240.5, 1), "\u22121,240.5"),
        (figures.number(None), "\u2013"),
        (figures.money(Decimal("447340.50"), "GBP"), "£447,340"),
        (figures.money(Decimal("99.99"), "GBP", exact=True), "£99.99"),
        (figures.money(Decimal("-12"), "EUR"), "\u2212€12"),
        (figures.money(Decimal("1234.5"), "JPY", exact=True), "¥1,234"),
        (figures.money(Decimal("1.5"), "KWD", exact=True), "KWD\xa01.500"),
        (figures.money(None, "GBP"), "\u2013"),
        (figures.percent(0.412), "41.2\xa0%"),
        (figures.times(4.63), "4.6\u00d7"),
        (figures.interval(38.1, 44.6), "38.1\u201344.6"),
        (figures.interval(None, 44.6), "\u2013"),
        (figures.count(1, "key"), "1\xa0key"),
        (figures.count(2_000, "entry", "entries"), "2,000\xa0entries"),
        (figures.when(NOW, ZoneInfo("Asia/Tokyo")), "20 Nov 2026, 21:00"),
    ],
)
def test_figures_read_as_people_write_them(shown, expected):
    assert shown == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "just now"),
        (60, "1\xa0minute ago"),
        (240, "4\xa0minutes ago"),
        (3_600, "1\xa0hour ago"),
        (86_400 * 9, "9\xa0days ago"),
        (-86_400 * 3, "in 3\xa0days"),
    ],
)
def test_moments_read_as_people_say_them(seconds, expected):
    assert figures.ago(NOW - timedelta(seconds=seconds), now=NOW) == expected


def test_a_job_s_pace_says_how_long_is_left():
    began = NOW - timedelta(minutes=1)

    assert figures.time_left(done=250, total=1_000, started_at=began, now=NOW) == "about 3\xa0minutes left"
    assert figures.time_left(done=0, total=1_000, started_at=began, now=NOW) == ""
    assert figures.time_left(done=250, total=None, started_at=began, now=NOW) == ""


def test_a_bar_draws_its_value_and_interval_without_a_style_attribute():
    tag = '{% load show %}{% range_bar 0.412 0.381 0.446 most=0.5 css="c3" label="41.2 percent" %}'

    drawn = Template(tag).render(Context())

    assert 'width="82.4%"' in drawn
    assert 'x="76.2%"' in drawn
    assert 'aria-label="41.2 percent"' in drawn
    assert "style" not in drawn


def test_a_bar_without_an_interval_claims_none():
    drawn = Template('{% load show %}{% range_bar 0.9 most=0.5 label="x" %}').render(Context())

    assert 'width="100.0%"' in drawn
    assert "between" not in drawn
