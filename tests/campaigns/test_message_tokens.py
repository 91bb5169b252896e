"""The tokens of a message: under which keys, and that none is taken for the other."""

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.errors import NotHere
from apps.campaigns import message_tokens
from apps.campaigns.message_tokens import MESSAGE, WAY_OUT, Keyed, Named

WORKSPACES, RECIPIENTS = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)


@given(st.text(max_size=200), st.binary(max_size=300))
def test_the_mac_is_the_standard_librarys(secret, text):
    key = hmac.digest(secret.encode(errors="surrogatepass"), MESSAGE, "sha256")

    assert Keyed(secret, MESSAGE).mac(text) == hmac.digest(key, text, "sha256")[:12]


@given(WORKSPACES, RECIPIENTS)
def test_each_is_read_as_what_it_is_alone(workspace_id, recipient_id):
    made = message_tokens.both(workspace_id, recipient_id)

    assert len(made.message) == len(made.way_out) == 32
    assert message_tokens.read(made.message) == Named(workspace_id, recipient_id)
    assert message_tokens.read_way_out(made.way_out) == Named(workspace_id, recipient_id)
    for read, token in ((message_tokens.read, made.way_out), (message_tokens.read_way_out, made.message)):
        with pytest.raises(NotHere):
            read(token)


@given(st.integers(0, 191))
def test_one_bit_changed_is_none_of_ours(bit):
    raw = bytearray(base64.urlsafe_b64decode(message_tokens.both(1, 2).way_out))
    raw[bit // 8] ^= 1 << bit % 8

    with pytest.raises(NotHere, match="not one of ours"):
        message_tokens.read_way_out(base64.urlsafe_b64encode(raw).decode())


def test_the_purposes_have_keys_of_their_own():
    assert Keyed("secret", MESSAGE).mac(b"x") != Keyed("secret", WAY_OUT).mac(b"x")
