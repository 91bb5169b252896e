"""Money on the wire: what goes out comes back, in every form and currency, and nothing is rounded unseen."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations.money import Form, Money, NotExact, exponent_of, from_wire, places_of, to_wire

CURRENCIES = ["GBP", "USD", "EUR", "JPY", "KWD", "CLF", "HUF", "CLP", "TND", "ISK"]


@st.composite
def amounts(draw):
    """Any amount that the form can say of the currency, and that a float still tells apart."""
    form, currency = draw(st.sampled_from(list(Form))), draw(st.sampled_from(CURRENCIES))
    places = min(places_of(form, currency), exponent_of(currency))
    whole = draw(st.integers(0, 10**11))
    return Money(Decimal(whole).scaleb(-places), currency), form


@given(amounts())
def test_what_goes_out_comes_back(case):
    money, form = case
    wire = to_wire(money, form)

    assert from_wire(wire, money.currency, form) == money
    # Services answer with text where they took numbers.
    assert from_wire(str(wire), money.currency, form) == money


@given(amounts(), st.integers(1, 9))
def test_what_cannot_be_said_is_refused(case, digit):
    money, form = case
    finer = Money(money.amount + Decimal(digit).scaleb(-places_of(form, money.currency) - 1), money.currency)

    with pytest.raises(NotExact):
        to_wire(finer, form)


@pytest.mark.parametrize(
    ("amount", "currency", "form", "wire"),
    [
        ("25.50", "USD", Form.META_MINOR, 2550),
        ("2550", "JPY", Form.META_MINOR, 2550),
        ("2550", "HUF", Form.META_MINOR, 2550),
        ("25.50", "USD", Form.MICROS, 25_500_000),
        ("2550", "JPY", Form.MICROS, 2_550_000_000),
        ("1.234", "KWD", Form.MICROS, 1_234_000),
        ("1.2345", "CLF", Form.MICROS, 1_234_500),
        ("25.5", "USD", Form.DECIMAL, "25.50"),
        ("2550", "JPY", Form.DECIMAL, "2550"),
        ("1.234", "KWD", Form.DECIMAL, "1.234"),
        ("1.2345", "CLF", Form.DECIMAL, "1.2345"),
        ("25.50", "USD", Form.NUMBER, 25.5),
        ("1.234", "KWD", Form.NUMBER, 1.234),
    ],
)
def test_amounts_as_they_are_documented(amount, currency, form, wire):
    assert to_wire(Money(Decimal(amount), currency), form) == wire


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_no_amount_at_all_is_refused(amount):
    with pytest.raises((NotExact, ArithmeticError)):
        to_wire(Money(Decimal(amount), "GBP"), Form.MICROS)
