"""The pages on which a studio connects its customer system, with every fake there as a newcomer has it."""

import pytest

from apps.integrations.models import Connection, SyncRecord
from tests.fakes.honeybook import CATCH
from tests.fakes.lightblue import KEY as LIGHT_BLUE_KEY
from tests.fakes.town import Town
from tests.fakes.vsco import KEY as VSCO_KEY

FORMS = {
    "vsco": {"api_key": VSCO_KEY, "access": "write"},
    "honeybook": {"catch_hook": CATCH, "lead_form": "https://www.honeybook.com/widget/studio/cf_id/1"},
    "light_blue": {"api_key": LIGHT_BLUE_KEY},
}
HONEST = {
    "vsco": ["two-way", "both ways"],
    "honeybook": ["bridge", "no public API", "15 minutes", "Nothing can be read back"],
    "light_blue": ["one-way out", "where a person accepts them", "Nothing can be read back"],
}
SAID = {
    "vsco": "It works. Studio North, GBP.",
    "honeybook": "No message has come in yet: test your Zap.",
    "light_blue": "It works. Account confirmed: Studio North",
}
each = pytest.mark.parametrize("service", FORMS)


@pytest.fixture
def town(settings):
    with Town() as one:
        settings.FAKES_URL = one.url
        yield one


@pytest.fixture
def connect(page, town, django_capture_on_commit_callbacks):
    def make(service, **changes):
        with django_capture_on_commit_callbacks(execute=True):
            return page.post(f"/integrations/connect/{service}/", {**FORMS[service], **changes})

    return make


def shown(page, address):
    return page.get(address).content.decode()


@each
def test_the_pages_say_what_it_can_and_cannot_do(page, connect, service):
    asked = shown(page, f"/integrations/connect/{service}/")
    answer = connect(service)
    made = shown(page, answer.headers["Location"])

    assert all(words in asked for words in HONEST[service][1:])
    assert all(words in made for words in HONEST[service])


@each
def test_it_is_connected_and_tried_in_two_steps(page, connect, service):
    address = connect(service).headers["Location"]

    tried = page.post(f"{address}test/", follow=True).content.decode()

    assert SAID[service] in tried
    assert Connection.objects.get().is_usable


@each
def test_no_secret_is_shown_again(page, connect, service):
    address = connect(service).headers["Location"]

    assert not any(
        secret in shown(page, address) for secret in ("vsco-key", "lb-key", "hooks/catch/1234567/abc123")
    )


def test_a_studio_is_read_as_soon_as_it_is_connected(connect):
    connect("vsco")

    assert SyncRecord.objects.filter(entity="job").count() == 32


def test_a_hook_that_is_not_zapiers_is_refused_at_its_field(page, connect):
    answer = connect("honeybook", catch_hook="https://evil.example/hooks/catch/1/a/")

    assert answer.status_code == 400
    assert f"It begins with {CATCH.partition('1234567')[0]}" in answer.content.decode()
    assert not Connection.objects.exists()


def test_the_bridges_page_has_all_that_a_zap_needs(page, connect):
    address = connect("honeybook").headers["Location"]
    words = shown(page, address)

    assert f"/hooks/honeybook/{Connection.objects.get().public_id}/" in words
    assert "project_id, client_name, client_email" in words
    assert "Nothing yet." in words
    assert "utm_source=bellwether" in words


def test_one_studio_is_connected_once(connect):
    connect("light_blue")
    again = connect("light_blue")

    assert again.status_code == 400
    assert "connected already" in again.content.decode()


@each
def test_disconnecting_forgets_the_keys(page, connect, service):
    address = connect(service).headers["Location"]

    page.post(f"{address}disconnect/")

    made = Connection.objects.get()
    assert (made.state, made.credentials_sealed) == ("disconnected", None)
