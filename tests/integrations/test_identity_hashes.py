"""Identifiers in the normal form of each destination, held against vectors that were computed elsewhere."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.integrations import identity_hashes as hashes

# Input, who it is for, normal form, SHA-256: computed with Meta's own library.
VECTORS = [
    (" Jane.Doe@Example.COM ", hashes.email, "jane.doe@example.com",
     "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"),
    ("+1 (650) 555-1212", hashes.bare_phone(), "16505551212",
     "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ("+1 (650) 555-1212", hashes.phone(), "+16505551212",
     "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8"),
    ("0049 170 1234567", hashes.bare_phone(), "491701234567",
     "8b47a52ed04d068c3a9c5632b98cec18780a9f9f4099d4f8afe233970ce116fe"),
    ("New York", hashes.city, "newyork",
     "350c754ba4d38897693aa077ef43072a859d23f613443133fecbbd90a3512ca5"),
    ("São Paulo", hashes.city, "sãopaulo",
     "3eda1428ae1aece064071f8d40f08fe2bc59ffa66c171a163caf15122ec4d7f0"),
    ("CA", hashes.state, "ca", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
    ("94035-1234", hashes.postal_code, "94035",
     "1794327a4d443904421f5ca1f3d72d0a62ba2f0770d80755ec2220fc0efb052e"),
    ("SW1A 1AA", hashes.postal_code, "sw1a1aa",
     "830e1d4b9838bab1f5c2acdb23e0b502ff13a9832c4632e8d67a1d43d3b7f614"),
    ("US", hashes.country, "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "normalise", "normal", "digest"), VECTORS)
def test_the_vectors(given_, normalise, normal, digest):
    assert normalise(given_) == normal
    assert hashes.hashed(given_, normalise) == digest


@pytest.mark.parametrize(
    ("given_", "region", "normal"),
    [
        # What Meta's own library lets through wrongly.
        ("+44 (0)7911 123456", "", "447911123456"),
        ("07911 123456", "", None),
        ("07911 123456", "GB", "447911123456"),
        ("07911 123456", "gb", "447911123456"),
        ("no number", "GB", None),
        ("12", "GB", None),
        ("+999 123", "", None),
    ],
)
def test_a_number_without_its_country_is_read_in_the_region_or_not_at_all(given_, region, normal):
    assert hashes.bare_phone(region)(given_) == normal


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("Jane.Doe@Gmail.com", "janedoe@gmail.com"),
        ("j.d@googlemail.com", "jd@googlemail.com"),
        ("Jane.Doe@Example.com", "jane.doe@example.com"),
        ("nobody", None),
        ("@example.com", None),
    ],
)
def test_dots_count_for_nothing_in_mailboxes_at_google(given_, normal):
    assert hashes.google_email(given_) == normal


@pytest.mark.parametrize("value", ["", "   ", None, "nobody", "@"])
def test_nothing_has_no_hash(value):
    assert hashes.hashed(value, hashes.email) is None


def test_a_hash_stays_what_it_is():
    digest = hashlib.sha256(b"ada@example.com").hexdigest()

    assert hashes.hashed(digest.upper(), hashes.email) == digest


@given(st.text(), st.sampled_from([hashes.email, hashes.google_email, hashes.name, hashes.postal_code]))
def test_a_normal_form_is_its_own(text, normalise):
    """Whatever comes in, nothing breaks; made normal twice it is as once."""
    normal = normalise(text)
    assert normal is None or normalise(normal) == normal


@given(st.text(max_size=40), st.sampled_from(["", "GB", "US", "DE"]))
def test_a_phone_is_e164_or_nothing(text, region):
    normal = hashes.e164(text, region=region)
    assert normal is None or (normal[0] == "+" and normal[1:].isdigit() and len(normal) <= 16)
    assert normal is None or hashes.e164(normal) == normal
