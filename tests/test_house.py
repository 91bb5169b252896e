"""The house rules, asked of all there is: routes, tables, tasks, events, templates; nobody lists them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.db import connection, models, transaction
from django.template import engines
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts import events, scoping, statement_keys
from apps.accounts.models import ApiKey, Membership, Workspace
from apps.accounts.permissions import ALLOWED_ROLES, ALLOWED_SCOPES
from apps.accounts.statement_keys import Key
from apps.accounts.tenancy import APPEND_ONLY, EXEMPT, owned_models
from tests.conftest import api_client
from tests.factories import NOW, MembershipFactory, PersonFactory, UserFactory, member
from tests.house.objects import BODIES, FORMS, parameters_of, somebody
from tests.house.routes import Route, api_routes, routes
from tests.house.rows import row_of
from tests.house.rubbish import JSON, QUERIES, UNREADABLE, spoilt

SCOPES_DOC = Path(settings.BASE_DIR) / "docs" / "reference" / "scopes.md"
# Open to anybody, and why.
PUBLIC = {
    "schema": "the API's description",
    "api-docs": "the API's description",
    "health-live": "for load balancers",
    "health-ready": "for load balancers",
    "unsubscribe": "for recipients: the address holds a signed key",
    "letters:offline-script": "the client of the offline queue: a script that anyone may have",
    "letters:click": "for recipients: the address holds a signed key",
    "letters:open": "for recipients: the address holds a signed key",
    "letters:unsubscribe": "for recipients: the address holds a signed key",
    "letters:preferences": "for recipients: the address holds a signed key",
    "letters:confirm": "for recipients: the address holds a signed key",
    "letters:subscribe": "a form for everybody, with a limit",
    "metrics": "guards itself: by token or by address",
    "accounts:theme": "a cookie that says light or dark",
    "account_login": "the way in",
    "account_logout": "the way out",
    "account_inactive": "says that an account is closed",
    "account_signup": "says that one is invited",
    "account_email_verification_sent": "part of the way in",
    "account_confirm_email": "part of the way in: the address holds a signed key",
    "account_reset_password": "the way back in",
    "account_reset_password_done": "the way back in",
    "account_reset_password_from_key": "the way back in: the address holds a signed key",
    "account_reset_password_from_key_done": "the way back in",
    "mfa_authenticate": "the second step of the way in",
    "admin:login": "sends on to the way in",
    "admin:logout": "the way out",
    "admin:jsi18n": "words of the admin's own scripts",
}
# What recipients are let in to by a key in the address, and the form that they may all fill in.
LETTERS = {
    f"letters:{name}" for name in ("click", "open", "unsubscribe", "preferences", "confirm", "subscribe")
}
# Their parameters are a signed key, not an object's id; or what is sent there is signed; or it is for all.
SIGNED = {
    "unsubscribe",
    "account_confirm_email",
    "account_reset_password_from_key",
    "hooks:hook",
    *LETTERS,
}
# Events that no code of ours waits for: for the webhooks, the activity feed and apps to come.
WEBHOOK_ONLY = {
    "campaigns.auto_rule.demoted": "people are told on the pages, programs by webhook",
    "campaigns.clicks.settled": "for journeys to come",
    "campaigns.person.subscribed": "for journeys to come",
    "campaigns.person.unsubscribed": "for journeys to come",
    "campaigns.campaign.finished": "people are told on the pages, programs by webhook",
    "campaigns.campaign.launched": "people are told on the pages, programs by webhook",
    "campaigns.campaign.state_changed": "people are told on the pages, programs by webhook",
    "campaigns.winner.named": "people are told on the pages, programs by webhook",
    "campaigns.journey.changed": "people are told on the pages, programs by webhook",
    "campaigns.journey.left": "journeys that follow on one, and webhooks: whoever asks for it by its name",
    "campaigns.journey.step_reached": "what a webhook step tells: for programs alone",
    "campaigns.recommendation.settled": "people are told on the pages, programs by webhook",
    "campaigns.run.finished": "people are told by e-mail and on the pages, programs by webhook",
    "integrations.call.settled": "for the floors to come",
    "integrations.connection.restored": "for the floors to come",
    "integrations.connection.stopped": "for the floors to come",
    "integrations.mode.changed": "for the floors to come",
    "integrations.incident.opened": "for the floors to come",
    "integrations.incident.resolved": "for the floors to come",
    "integrations.social_mentions.read": "for the floors to come",
    "integrations.social_post.failed": "for the floors to come",
    "integrations.social_post.published": "for the floors to come",
    "accounts.people.identified": "for the floors to come",
    "accounts.people.merged": "for the floors to come",
    "accounts.person.erased": "for the floors to come: each app's own rows go in the erasure itself",
    "attribution.calibration.changed": "for the floors to come",
    "attribution.drifted": "for the floors to come: learning anew follows by itself",
    "attribution.experiment.decided": "for the floors to come",
    "attribution.experiment.look_taken": "for the floors to come",
    "attribution.experiment.reallocated": "for the floors to come",
    "attribution.experiment.started": "for the floors to come",
    "attribution.experiment.stopped": "for the floors to come",
    "attribution.touchpoints.stored": "for the floors to come",
}
# Their parameter names no object: the same in every workspace.
OF_ALL = {"integrations:connect": "the key of a service"}
# A foreign object gets another refusal than 404 there, and why.
SAID_OTHERWISE = {"accounts:workspace-enter": "a stale link of a switcher: the list again, with a message"}
API_KEY_IN_SHAPE = {"detail", "code", "errors"}
OUR_MODELS = sorted(owned_models(), key=lambda model: model._meta.label)

with_parameters = [
    route
    for route in routes()
    if route.parameters and not route.is_admin and route.name not in SIGNED and route.name not in OF_ALL
]
GUARDED = [route for route in routes() if route.name not in PUBLIC]


@pytest.fixture
def _no_limits(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 10_000_000)


def _place(route: Route) -> str:
    """The first words of its address."""
    return "/".join(route.path.split("/")[: 3 if route.is_api else 2])


def _asked(client: Any, method: str, address: str, body: Any = None, form: Any = None) -> Any:
    if method == "get":
        return client.get(address)
    if form is not None:
        return client.post(address, form)
    return client.generic(method.upper(), address, json.dumps({} if body is None else body), **JSON)


def _assert_shaped(answer: Any, what: Any) -> None:
    assert answer.status_code < 500, (what, answer.status_code, answer.content[:500])
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"].startswith("application/json"), what
        assert set(json.loads(answer.content)) == API_KEY_IN_SHAPE, what


# Routes


def test_the_urlconf_is_read_at_all():
    found = {route.name for route in routes()}
    assert {"accounts:today", "accounts-api:workspace", "admin:index", "health-live"} <= found
    assert len(found) > 80


def test_an_api_route_says_what_it_needs():
    assert api_routes()
    for route in api_routes():
        assert hasattr(route.view_class, "permission_classes"), f"{route.name} is not REST framework's"
        assert getattr(route.view_class, "rate_family", "general") in settings.RATE_LIMITS, route.name
        for method in route.methods:
            assert _needed(route, method) in {*ALLOWED_SCOPES, *ALLOWED_ROLES}, (route.name, method)
        assert not route.path.endswith("/"), route.name


def test_every_public_route_is_there():
    assert set(PUBLIC) <= {route.name for route in routes()}


@pytest.mark.parametrize("place", sorted({_place(route) for route in GUARDED}))
def test_nobody_gets_in(place, client, workspace):
    there = [route for route in GUARDED if _place(route) == place]
    addresses = [(route, _address_of(route, workspace)) for route in there]
    before = _changes()

    for route, address in addresses:
        for method in route.methods:
            answer = _asked(APIClient() if route.is_api else client, method, address)
            assert _is_refused(route, answer), (method, address, answer.status_code, answer.headers)
    assert _changes() == before


def _is_refused(route: Route, answer: Any) -> bool:
    if route.is_api:
        _assert_shaped(answer, route.name)
        return bool(answer.status_code == 401)
    goes_to = answer.headers.get("Location", "")
    is_sent_to_sign_in = answer.status_code == 302 and (
        "/login/" in goes_to or goes_to.startswith("/profile/")
    )
    return is_sent_to_sign_in or answer.status_code in {401, 403, 405}


def _address_of(route: Route, workspace: Workspace) -> str:
    if not route.is_admin:
        return route.address(**parameters_of(route, workspace))
    return "/" + re.sub(r"<[^>]+>", "1", route.path).replace("^", "").replace("$", "").split("(?P")[0]


def _changes() -> int:
    """How much was written down: a request that is refused leaves no deed."""
    with scoping.across_workspaces("house.check"):
        return Membership.objects.count() + ApiKey.objects.count() + Workspace.objects.count()


@pytest.mark.parametrize("route", with_parameters, ids=lambda route: route.name)
def test_another_workspaces_object_is_not_there(route, workspace, other_workspace, page, api):
    theirs = route.address(**parameters_of(route, other_workspace))
    mine = route.address(**parameters_of(route, workspace))
    client = api if route.is_api else page
    assert theirs != mine

    form = None if route.is_api else FORMS.get(route.name, {})
    without_body = set()
    for method in route.methods:
        body = BODIES.get((method, route.known_as))
        status = _asked(client, method, theirs, body, form).status_code
        if route.name not in SAID_OTHERWISE:
            assert status in ({404} if route.is_api else {404, 405}), (method, status)
        without_body.add(status if body is None else _asked(client, method, theirs, form=form).status_code)
    assert route.name in SAID_OTHERWISE or 404 in without_body
    answers = [_asked(client, method, mine, form=form).status_code for method in route.methods]
    assert set(answers) - {404, 405}, answers


@pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model._meta.label)
def test_another_workspaces_row_is_not_in_the_back_office(model, client, workspace, other_workspace):
    client.force_login(member(workspace, "owner", is_staff=True, is_superuser=True))
    theirs = row_of(model, other_workspace)
    shown = {"change": 302, "delete": {302, 403}, "history": {302, 403}}

    for page_name in shown:
        answer = client.get(reverse(f"admin:{_admin_name(model)}_{page_name}", args=[theirs.pk]))
        assert answer.status_code in {302, 403, 404}, page_name
        assert str(theirs) not in answer.content.decode()
    with scoping.across_workspaces("house.check"):
        assert model._base_manager.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_every_page_of_the_back_office_opens(model, client, workspace, monkeypatch):
    staff = member(workspace, "owner", is_staff=True, is_superuser=True)
    client.force_login(staff)
    row = row_of(model, workspace) if model in OUR_MODELS else model._default_manager.first()
    pages = [reverse(f"admin:{_admin_name(model)}_changelist")]
    if row is not None:
        pages += [
            reverse(f"admin:{_admin_name(model)}_{one}", args=[row.pk]) for one in ("change", "history")
        ]

    assert client.get(pages[0]).status_code == 200
    # The list of all models beside each page is the same on all: it took half the time of drawing one.
    monkeypatch.setattr(admin.site, "enable_nav_sidebar", False)
    for address in [*pages[1:], f"{pages[0]}?q=x", f"{pages[0]}?q=7", f"{pages[0]}?o=1&p=99"]:
        answer = client.get(address)
        assert answer.status_code in {200, 302}, (address, answer.status_code)


def _admin_name(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


def test_no_page_is_excused_from_the_csrf_check():
    excused = [
        route.name
        for route in routes()
        if getattr(route.view, "csrf_exempt", False)
        and not route.is_api
        and route.name not in {"schema", "api-docs", "hooks:hook", "unsubscribe"}  # proof is in the request
        and route.name not in LETTERS  # or in the address, or asked for by e-mail
    ]
    assert excused == []


# Who may what: the written table


def _needed(route: Route, method: str) -> str:
    needed = route.view_class.action_needed
    return str(needed[method.upper()] if isinstance(needed, dict) else needed)


def _written(heading: str) -> dict[tuple[str, str], dict[str, str]]:
    """A table of docs/reference/scopes.md: (method, path) → the cells by column."""
    part = SCOPES_DOC.read_text().split(f"## {heading}")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    head, _, *body = rows
    return {(row[0].lower(), row[1]): dict(zip(head, row, strict=True)) for row in body}


def _asked_for() -> dict[tuple[str, str], Route]:
    return {
        (method, "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)): route
        for route in api_routes()
        for method in route.methods
    }


def test_the_table_holds_every_route_and_no_other():
    assert set(_written("Keys, by scope")) == set(_asked_for())
    assert set(_written("People, by role")) == set(_asked_for())


def test_the_table_says_which_limit_counts():
    for asked, row in _written("Keys, by scope").items():
        assert row["Limit"] == getattr(_asked_for()[asked].view_class, "rate_family", "general"), asked


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("scope", ApiKey.Scope.values)
def test_every_scope_opens_what_the_table_says(scope, workspace):
    client = api_client(workspace, [scope], NOW)
    _compare(client, _written("Keys, by scope"), scope, workspace)


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("role", Membership.Role.values)
def test_every_role_opens_what_the_table_says(role, workspace):
    person = PersonFactory(workspace=workspace) if role == "customer" else None
    user, client = UserFactory(), APIClient()
    MembershipFactory(workspace=workspace, user=user, role=role, person=person)
    client.force_login(user)

    _compare(client, _written("People, by role"), role, workspace)


def _compare(
    client: Any, table: dict[tuple[str, str], dict[str, str]], column: str, workspace: Workspace
) -> None:
    for (method, path), row in table.items():
        route = _asked_for()[(method, path)]
        answer = _asked(client, method, route.address(**parameters_of(route, workspace)))
        is_open = answer.status_code not in {401, 403}
        assert is_open == (row[column] == "yes"), (method, path, column, answer.status_code)


# Rubbish


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("query", QUERIES)
def test_rubbish_in_a_query_string(query, api, workspace):
    for route in api_routes():
        for method in route.methods:
            address = route.address(**parameters_of(route, workspace))
            _assert_shaped(_asked(api, method, f"{address}?{query}"), (method, route.name, query))


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_body_that_nobody_can_read(kind, api, workspace):
    content, how = UNREADABLE[kind]
    for route in api_routes():
        for method in [one for one in route.methods if one != "get"]:
            answer = api.generic(
                method.upper(), route.address(**parameters_of(route, workspace)), content, **how
            )
            _assert_shaped(answer, (method, route.name, kind))
            if BODIES[(method, route.name)] is not None:
                # A list may be records; then each of them is refused.
                is_refused = 400 <= answer.status_code < 500 or (kind, answer.status_code) == ("a list", 207)
                assert is_refused, (method, route.name, kind, answer.status_code)


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize(
    ("method", "route"),
    [(method, route) for route in api_routes() for method in route.methods if method != "get"],
    ids=lambda one: getattr(one, "name", one),
)
def test_a_body_with_one_bad_value(method, route, api, workspace):
    body = BODIES[(method, route.name)]
    somebody(workspace)
    address = route.address(**parameters_of(route, workspace))

    for what, content in spoilt(body):
        answer = api.generic(method.upper(), address, content, **JSON)
        _assert_shaped(answer, (route.name, what))


@pytest.mark.usefixtures("_no_limits")
def test_rubbish_in_a_path(api):
    for route in api_routes():
        for rubbish in (
            "%00",
            "%ff",
            "-1",
            "99999999999999999999999",
            "x" * 5_000,
            "..%2f..",
            "%F0%9F%92%A5",
        ):
            address = route.address(**dict.fromkeys(route.parameters, rubbish))
            for method in route.methods if route.parameters else []:
                answer = _asked(api, method, address)
                _assert_shaped(answer, (method, address[:99]))
                assert answer.status_code in {400, 404}


@pytest.mark.usefixtures("_no_limits")
def test_every_method_that_a_route_has_not(api, workspace):
    for route in api_routes():
        address = route.address(**parameters_of(route, workspace))
        for method in {"get", "post", "put", "patch", "delete", "trace", "brew"} - set(route.methods):
            answer = api.generic(method.upper(), address)
            _assert_shaped(answer, (method, route.name))
            assert answer.status_code in {403, 405}, (method, route.name, answer.status_code)


@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize(
    ("method", "name"), [key for key, body in BODIES.items() if body is not None], ids=str
)
def test_the_good_body_is_good(method, name, api, workspace):
    """Or the tests above would spoil something that was refused anyway."""
    somebody(workspace)
    (route,) = [one for one in api_routes() if one.name == name]
    answer = _asked(api, method, route.address(**parameters_of(route, workspace)), BODIES[(method, name)])

    assert answer.status_code not in {400, 401, 403, 405, 413, 415, 429, 500}, answer.content


# Tables


def _sql(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def test_every_table_belongs_to_a_workspace_or_is_on_the_list(db):
    tables = {name for (name,) in _sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    owned = {model._meta.db_table for model in owned_models()}

    assert tables - owned == set(EXEMPT)
    assert owned <= tables
    assert tables >= APPEND_ONLY


def test_the_second_wall_stands_around_every_table(db):
    for table in [model._meta.db_table for model in OUR_MODELS]:
        assert _sql(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", f'"{table}"'
        ) == [(True, True)], table
        policies = _sql(
            "SELECT policyname, cmd, roles::text[], qual, with_check "
            "FROM pg_policies WHERE tablename = %s ORDER BY 1",
            table,
        )
        app, owner = settings.DATABASES["default"]["USER"], settings.DATABASES["owner"]["USER"]
        assert [row[:3] for row in policies] == [
            ("across_reads", "SELECT", [settings.ACROSS_ROLE]),
            ("owner_rows", "ALL", [owner]),
            ("workspace_rows", "ALL", [app]),
        ], table
        for condition in policies[2][3:]:
            assert "current_setting('app.ws'" in condition, table


def test_a_query_without_a_filter_sees_one_workspace(workspace, other_workspace):
    for model in OUR_MODELS:
        column = "id" if model is Workspace else "workspace_id"
        with transaction.atomic():
            row_of(model, workspace), row_of(model, other_workspace)
            seen = {owner for (owner,) in _sql(f'SELECT "{column}" FROM "{model._meta.db_table}"')}  # noqa: S608
            transaction.set_rollback(True)

        assert seen == {workspace.pk}, model


def test_the_applications_role_is_an_ordinary_one(db):
    app, across = settings.DATABASES["default"]["USER"], settings.ACROSS_ROLE
    columns = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit"
    assert _sql("SELECT current_user") == [(app,)]
    assert _sql(f"SELECT {columns} FROM pg_roles WHERE rolname = %s", app) == [(False,) * 5]  # noqa: S608
    assert _sql("SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = %s", across) == [
        (False,) * 3
    ]
    owned = "SELECT count(*) FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname = ANY(%s)"
    assert _sql(owned, [app, across]) == [(0,)]


def test_the_applications_role_only_adds_to_history(db):
    for table in APPEND_ONLY:
        rights = _sql(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee = current_user AND table_name = %s",
            table,
        )
        assert {right for (right,) in rights} == {"SELECT", "INSERT"}


def test_the_door_across_reads_only(db):
    rights = _sql(
        "SELECT DISTINCT privilege_type FROM pg_class, aclexplode(relacl) WHERE grantee = %s::regrole",
        settings.ACROSS_ROLE,
    )
    assert rights == [("SELECT",)]


def test_a_pointer_cannot_leave_its_workspace(db):
    for model in owned_models():
        for column in model._meta.local_fields:
            target = column.remote_field.model if column.is_relation else None
            if target in set(owned_models()) - {Workspace}:
                assert getattr(column, "is_workspace_bound", False), f"{model._meta.label}.{column.name}"
                if column.is_checked_by_statement:
                    key = Key(model._meta.db_table, column.column, target._meta.db_table)
                    with connection.cursor() as cursor:
                        assert statement_keys.is_set(cursor, key), key
                    continue
                found = _sql(
                    "SELECT count(*) FROM pg_constraint "
                    "WHERE contype = 'f' AND conrelid = %s::regclass AND conname = %s",
                    f'"{model._meta.db_table}"',
                    f"{model._meta.db_table}_{column.column}_in_workspace"[:63],
                )
                assert found == [(1,)], f"{model._meta.label}.{column.name}"


@pytest.mark.django_db(databases=["default", "owner"])
def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


# Tasks, events, templates


def _tasks() -> dict[str, Any]:
    current_app.loader.import_default_modules()
    return {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}


def test_every_task_has_a_name_of_ours_and_a_time_limit():
    conf = current_app.conf
    patience = conf.broker_transport_options["visibility_timeout"]
    assert current_app.main == "bellwether"
    for name, task in _tasks().items():
        limit = task.time_limit or conf.task_time_limit
        assert re.fullmatch(r"[a-z]+(\.[a-z_]+){2,3}", name), name
        assert name.split(".")[0] == task.__module__.split(".")[1], name
        assert limit, name
        assert limit < patience, name
        assert (task.soft_time_limit or conf.task_soft_time_limit) < limit, name


def test_every_line_of_the_timetable_names_a_task():
    planned = {entry["task"] for entry in current_app.conf.beat_schedule.values()}
    assert planned <= set(_tasks())
    assert {
        "accounts.events.sweep",
        "accounts.audit.seal_all",
        "accounts.jobs.sweep",
        "accounts.health.beat",
    } <= planned


def test_every_event_is_waited_for_or_listed():
    ours = {name for name, kind in events.REGISTRY.items() if kind.__module__.startswith("apps.")}
    silent = {name for name in ours if not events.subscribers_of(name)}

    assert silent == set(WEBHOOK_ONLY)
    for name in ours:
        # The one name of two parts stands in what was promised to the floors above.
        assert name == "attribution.drifted" or re.fullmatch(r"[a-z]+\.[a-z_]+\.[a-z_]+", name)


def _templates() -> list[str]:
    root = Path(settings.BASE_DIR)
    places = [root / "templates", *root.glob("apps/*/templates")]
    return sorted(
        str(one.relative_to(place)) for place in places for one in place.rglob("*.*") if one.is_file()
    )


def test_every_template_compiles():
    assert _templates()
    for name in _templates():
        assert engines["django"].get_template(name), name


def test_the_schema_is_whole(tmp_path):
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yml"))
