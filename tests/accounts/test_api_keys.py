"""Keys: the secret is seen once, and a key does what its scopes say until it is revoked or expires."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import api_keys, scoping
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import ApiKey, AuditEntry
from tests.conftest import api_client
from tests.factories import NOW

URL = "/api/v1/api-keys"


def _issue(actor, **fields):
    return api_keys.issue(actor, **{"name": "shop", "scopes": ["track"], "now": NOW, **fields})


def test_only_the_digest_of_the_secret_is_kept(workspace, actor):
    issued = _issue(actor)

    row = ApiKey.objects.values().get()
    assert issued.secret.startswith("bw_")
    assert bytes(row["digest"]) == api_keys.digest(issued.secret)
    assert issued.secret not in str(row)
    assert row["prefix"] == issued.secret[:10]


def test_the_audit_holds_the_deed_and_not_the_secret(workspace, actor):
    issued = _issue(actor)
    api_keys.revoke(actor, key_id=issued.key.pk, now=NOW)

    entries = AuditEntry.objects.filter(target_kind="apikey").order_by("pk")
    assert [entry.deed for entry in entries] == ["api_key.issued", "api_key.revoked"]
    assert issued.secret not in str([(entry.before, entry.after) for entry in entries])


@pytest.mark.parametrize("scopes", [[], ["everything"], ["track", "root"]])
def test_unknown_scopes_are_refused(workspace, actor, scopes):
    with pytest.raises(Invalid) as refusal:
        _issue(actor, scopes=scopes)
    assert set(refusal.value.errors) == {"scopes"}
    assert not ApiKey.objects.exists()


def test_an_expiry_in_the_past_is_refused(workspace, actor):
    with pytest.raises(Invalid) as refusal:
        _issue(actor, expires_at=NOW)
    assert set(refusal.value.errors) == {"expires_at"}


def test_a_key_is_its_workspaces_actor(workspace, actor):
    issued = _issue(actor, scopes=["write", "read", "read"])

    found = api_keys.authenticate(issued.secret, now=NOW)

    assert (found.kind, found.id, found.workspace_id) == ("api_key", issued.key.pk, workspace.pk)
    assert found.scopes == {"read", "write"}


def test_use_is_noted_once_a_minute(workspace, actor):
    issued = _issue(actor)

    def used_at(seconds: int):
        api_keys.authenticate(issued.secret, now=NOW + timedelta(seconds=seconds))
        return ApiKey.objects.get().last_used_at

    assert used_at(0) == NOW
    assert used_at(59) == NOW
    assert used_at(60) == NOW + timedelta(seconds=60)


def test_what_is_unknown_revoked_or_expired_is_refused(workspace, actor):
    revoked, expiring = _issue(actor), _issue(actor, expires_at=NOW + timedelta(days=1))
    api_keys.revoke(actor, key_id=revoked.key.pk, now=NOW)

    for secret in ("bw_unknown", revoked.secret, "", "ü" * 500):
        with pytest.raises(api_keys.KeyRefused):
            api_keys.authenticate(secret, now=NOW)
    assert api_keys.authenticate(expiring.secret, now=NOW)
    with pytest.raises(api_keys.KeyRefused, match="expired"):
        api_keys.authenticate(expiring.secret, now=NOW + timedelta(days=1))


def test_revoking_again_changes_nothing(workspace, actor):
    issued = _issue(actor)
    api_keys.revoke(actor, key_id=issued.key.pk, now=NOW)
    api_keys.revoke(actor, key_id=issued.key.pk, now=NOW + timedelta(days=1))

    assert ApiKey.objects.get().revoked_at == NOW
    assert AuditEntry.objects.filter(deed="api_key.revoked").count() == 1


def test_another_workspaces_key_cannot_be_revoked(workspace, other_workspace, actor):
    theirs = api_client(other_workspace, ["read"], NOW)
    with scoping.workspace(other_workspace):
        key = ApiKey.objects.get()

    with pytest.raises(NotHere):
        api_keys.revoke(actor, key_id=key.pk, now=NOW)
    assert theirs.get("/api/v1/workspace").status_code == 200


def test_the_api_shows_a_secret_once(api, workspace):
    made = api.post(URL, {"name": "shop", "scopes": ["track", "read"]}, format="json")

    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    listed = api.get(URL).json()["results"]
    assert listed[0]["name"] == "shop"
    assert made.json()["secret"] not in str(listed)
    fresh = APIClient(headers={"Authorization": f"Bearer {made.json()['secret']}"})
    assert fresh.get("/api/v1/workspace").status_code == 200


def test_a_key_works_in_either_header(api):
    secret = api.post(URL, {"name": "shop", "scopes": ["read"]}, format="json").json()["secret"]

    for header in ({"Authorization": f"bearer {secret}"}, {"X-Api-Key": secret}):
        assert APIClient(headers=header).get("/api/v1/workspace").status_code == 200


def test_a_revoked_key_stops_at_once(api, workspace):
    made = api.post(URL, {"name": "shop", "scopes": ["read"]}, format="json").json()
    client = APIClient(headers={"X-Api-Key": made["secret"]})

    answer = api.post(f"{URL}/{made['id']}/revoke")

    assert answer.json()["revoked_at"] is not None
    refused = client.get("/api/v1/workspace")
    assert refused.status_code == 401
    assert refused.json()["code"] == "key_refused"
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_the_api_names_the_fields_at_fault(api):
    past = (timezone.now() - timedelta(days=1)).isoformat()

    empty = api.post(URL, {}, format="json").json()
    wrong = api.post(URL, {"name": "x" * 81, "scopes": ["root"]}, format="json").json()
    late = api.post(URL, {"name": "x", "scopes": ["read"], "expires_at": past}, format="json").json()

    assert set(empty["errors"]) == {"name", "scopes"}
    assert set(wrong["errors"]) == {"name", "scopes.0"}
    assert set(late["errors"]) == {"expires_at"}
    assert ApiKey.objects.count() == 1  # the client's own


@pytest.mark.parametrize("scopes", [["track"], ["read"], ["write"]])
def test_only_admins_make_keys(workspace, now, scopes):
    client = api_client(workspace, scopes, now)

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"name": "x", "scopes": ["admin"]}, format="json").status_code == 403
    assert ApiKey.objects.count() == 1


def test_a_page_takes_no_key(workspace, api):
    """A key is for the API: elsewhere it is as if nobody asked."""
    assert api.get("/staff/").status_code == 302


def test_a_key_made_by_a_key_does_not_outlive_it(workspace, actor, now):
    made = api_keys.issue(actor, name="short", scopes=["admin"], now=now, expires_at=now + timedelta(days=1))
    maker = api_keys.authenticate(made.secret, now=now)

    child = api_keys.issue(maker, name="child", scopes=["admin"], now=now)

    assert child.key.expires_at == now + timedelta(days=1)
