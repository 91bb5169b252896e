"""Signing in and out, the second factor, forgotten passwords: through the pages, as a browser does it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.urls import reverse

from tests import factories

PASSWORD = "a stone in the shoe"
LOGIN = "/account/login/"


@pytest.fixture
def user(workspace):
    return factories.member(workspace, "owner", email="ada@example.com", password=PASSWORD)


def _enter(client, password=PASSWORD, **more):
    return client.post(LOGIN, {"login": "ada@example.com", "password": password, **more})


def _code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def _switch_on(client) -> str:
    """Activate the second factor and answer its secret."""
    _enter(client)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    text = client.get(reverse("mfa_activate_totp")).content.decode()
    secret = re.search(r'id="authenticator_secret">([A-Z2-7]+)<', text)[1]
    client.post(reverse("mfa_activate_totp"), {"code": _code(secret)})
    return secret


def test_a_user_signs_in_with_any_case_of_their_address(client, user):
    answer = client.post(LOGIN, {"login": "ADA@example.com", "password": PASSWORD})

    assert (answer.status_code, answer.url) == (302, "/")
    assert client.get("/").status_code == 200


def test_signing_in_leads_back_to_where_it_began(client, user):
    form = client.get(f"{LOGIN}?next=/jobs/").content.decode()

    assert re.search(r'name="next"\s+value="/jobs/"', form)
    assert _enter(client, next="/jobs/").url == "/jobs/"
    client.logout()
    assert _enter(client, next="https://elsewhere.example/").url == "/"


def test_password_managers_know_the_fields(client, db):
    form = client.get(LOGIN).content.decode()

    assert 'autocomplete="username"' in form
    assert 'autocomplete="current-password"' in form


def test_a_wrong_password_says_nothing_about_the_account(client, user):
    wrong = _enter(client, "wrong").content.decode()
    unknown = client.post(LOGIN, {"login": "nobody@example.com", "password": "wrong"}).content.decode()

    words = "The email address and/or password you specified are not correct."
    assert words in wrong
    assert words in unknown


def test_guessing_is_slowed_down(client, user):
    for _ in range(5):
        _enter(client, "wrong")

    answer = _enter(client)

    assert "Too many failed login attempts" in answer.content.decode()
    assert client.get("/").status_code == 302


def test_asking_for_links_too_often_answers_429(client, user):
    answers = [client.post("/account/password/reset/", {"email": "ada@example.com"}) for _ in range(21)]

    assert answers[-1].status_code == 429
    assert "That was too often" in answers[-1].content.decode()


def test_nobody_signs_themselves_up(client, db):
    shown = client.get("/account/signup/")
    client.post("/account/signup/", {"email": "x@example.com", "password1": PASSWORD, "password2": PASSWORD})

    assert "Bellwether is by invitation" in shown.content.decode()
    assert not factories.UserFactory._meta.model.objects.filter(email="x@example.com").exists()


def test_the_second_factor_is_asked_for_once_it_is_on(client, user):
    secret = _switch_on(client)
    client.post("/account/logout/")

    half_way = _enter(client)
    assert half_way.url == reverse("mfa_authenticate")
    assert client.get("/").status_code == 302
    assert "Your code, please" in client.get(half_way.url).content.decode()

    with time_machine.travel(
        datetime.now(UTC) + timedelta(seconds=60)
    ):  # the code that switched it on is spent
        client.post(half_way.url, {"code": _code(secret)})
        assert client.get("/").status_code == 200


def test_recovery_codes_are_shown_and_let_in(client, user):
    _switch_on(client)
    page = client.get(reverse("mfa_view_recovery_codes"), follow=True).content.decode()
    codes = re.findall(r"<li>(\d{8})</li>", page)
    client.post("/account/logout/")

    assert len(codes) == 10
    client.post(_enter(client).url, {"code": codes[0]})
    assert client.get("/").status_code == 200


def test_the_second_factor_can_be_switched_off(client, user):
    _switch_on(client)
    assert "is <em>on</em>" in client.get(reverse("mfa_index")).content.decode()

    client.post(reverse("mfa_deactivate_totp"))  # still within the time that the password was given for

    assert "Your second factor is off" in client.get(reverse("mfa_index")).content.decode()


def test_a_forgotten_password_is_replaced_by_mail(client, user):
    client.post("/account/password/reset/", {"email": "ada@example.com"})
    (message,) = mail.outbox
    link = re.search(r"http://testserver(\S+)", message.body)[1]
    form = client.get(link, follow=True)
    new = "another stone in the shoe"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})

    assert message.subject == "Set a new password for Bellwether"
    assert _enter(client, new).url == "/"
    client.logout()
    assert "no longer works" in client.get(link, follow=True).content.decode()


def test_an_address_without_an_account_is_told_by_mail_alone(client, user):
    known = client.post("/account/password/reset/", {"email": "ada@example.com"}, follow=True).content
    unknown = client.post("/account/password/reset/", {"email": "x@example.com"}, follow=True).content

    assert re.sub(rb"csrf\S+", b"", known) == re.sub(rb"csrf\S+", b"", unknown)
    assert "no account with us" in mail.outbox[1].body


def test_signing_out_takes_a_post(client, user):
    _enter(client)
    asked = client.get("/account/logout/")
    assert "Sign out?" in asked.content.decode()
    assert client.get("/").status_code == 200

    client.post("/account/logout/")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "name",
    [
        "account_change_password",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_generate_recovery_codes",
        "mfa_view_recovery_codes",
        "mfa_deactivate_totp",
        "account_reauthenticate",
        "account_logout",
    ],
)
def test_every_page_of_one_s_account_stands_in_our_frame(client, user, name):
    if name in {"mfa_generate_recovery_codes", "mfa_view_recovery_codes", "mfa_deactivate_totp"}:
        _switch_on(client)
    else:
        _enter(client)

    answer = client.get(reverse(name), follow=True)

    assert answer.status_code == 200
    assert "accounts/app.css" in answer.content.decode()
    assert "Bellwether" in answer.content.decode()
