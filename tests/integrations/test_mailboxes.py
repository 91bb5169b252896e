"""The mailboxes of a trial: what arrived can be read there."""

import httpx2
import pytest

from tests.fakes.resend import KEY
from tests.fakes.town import Town


@pytest.fixture
def town():
    with Town() as standing:
        yield standing


def test_what_arrived_is_read_as_a_page_and_as_text(town):
    letter = {
        "from": "hello@studio.example",
        "to": ["ann@mail.example"],
        "subject": "Cake <& music>",
        "html": "<p>Come and see</p>",
        "text": "Come and see.",
    }
    headers = {"Authorization": f"Bearer {KEY}"}
    key = httpx2.post(f"{town.url}/resend/emails", json=letter, headers=headers).json()["id"]
    at = f"{town.url}/mailboxes"

    listed = httpx2.get(f"{at}/?to=ANN@").text
    assert "Cake &lt;&amp; music&gt;" in listed
    assert f'href="letters/{key}"' in listed
    assert "Nothing has arrived" in httpx2.get(f"{at}/?to=bob").text
    letter = httpx2.get(f"{at}/letters/{key}")
    assert letter.text == "<p>Come and see</p>"
    assert letter.headers["Content-Security-Policy"] == "sandbox"
    assert httpx2.get(f"{at}/letters/{key}/text").text == "Come and see."
    assert httpx2.get(f"{at}/letters/none").status_code == 404
