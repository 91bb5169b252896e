"""What the tests of every route must be told: an object for each parameter, and a good body for each."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from apps.accounts import scoping
from apps.accounts.models import ApiKey, Job, Membership, Person, Workspace
from apps.accounts.permissions import system
from apps.attribution import analysis, dead_letters, rule_previews
from apps.attribution.models import (
    Channel,
    DeadLetter,
    Experiment,
    FileImport,
    Goal,
    LiftTest,
    Reason,
    RuleVersion,
)
from apps.integrations import sealed_json, webhooks
from apps.integrations.models import (
    Call,
    Connection,
    SocialPost,
    SyncConflict,
    SyncImport,
    SyncRecord,
    SyncReport,
    SyncStream,
    WebhookEndpoint,
)
from apps.integrations.monitoring import incidents, rules
from apps.integrations.sync import imports, integrity, records, streams
from tests.factories import NOW, ChannelFactory, GoalFactory, PersonFactory
from tests.house.audiences import BODIES as AUDIENCE_BODIES
from tests.house.audiences import OBJECTS as AUDIENCE_OBJECTS
from tests.house.campaigns import BODIES as CAMPAIGN_BODIES
from tests.house.campaigns import OBJECTS as CAMPAIGNS
from tests.house.contents import BODIES as CONTENT_BODIES
from tests.house.contents import campaign_of, conflict, draft
from tests.house.journeys import BODIES as JOURNEY_BODIES
from tests.house.journeys import OBJECTS as JOURNEY_OBJECTS
from tests.house.marketing import BODIES as MARKETING_BODIES
from tests.house.marketing import OBJECTS as MARKETING_OBJECTS
from tests.house.optimization import BODIES as OPTIMIZATION_BODIES
from tests.house.optimization import recommendation
from tests.house.rows import row_of

SOCIAL_ACCOUNT = "01900000-0000-7000-8000-000000000001"
Builder = Callable[[Workspace], dict[str, Any]]


def _id_of(model: type[Any], name: str, column: str = "pk") -> Builder:
    return lambda workspace: {name: getattr(row_of(model, workspace), column)}


def _job(workspace: Workspace, kind: str) -> Job:
    with scoping.workspace(workspace):
        return Job.objects.create(workspace=workspace, kind=kind, title=kind)


def letter_of(workspace: Workspace) -> DeadLetter:
    """A dead letter that waits and can be stored."""
    refusal = dead_letters.Refusal(
        reason=Reason.UNUSABLE_FIELDS,
        payload={"user_id": "ada"},
        record={"type": "event", "user_id": "ada", "event_type": "click", "platform": "meta"},
        errors={"platform": ["This is required."]},
        identity=uuid4().hex,
    )
    with scoping.workspace(workspace):
        dead_letters.set_aside(system(workspace.pk), [refusal], door="import", received_at=NOW)
        return DeadLetter.objects.order_by("-pk")[0]


def _connection(workspace: Workspace, service: str = "slack") -> Connection:
    with scoping.workspace(workspace):
        return Connection.objects.create(
            workspace=workspace, service=service, account=uuid4().hex, label="Post", state_changed_at=NOW
        )


def _social_account(workspace: Workspace) -> dict[str, Any]:
    return {"public_id": _connection(workspace, "facebook_pages").public_id}


def _social_post(name: str) -> Builder:
    """A draft that may be approved, changed and thrown away."""

    def build(workspace: Workspace) -> dict[str, Any]:
        connection = _connection(workspace, "facebook_pages")
        with scoping.workspace(workspace):
            made = SocialPost.objects.create(
                workspace=workspace, connection=connection, text="Hello", body_hash="0", changed_at=NOW
            )
        return {name: made.public_id}

    return build


def _social_out(workspace: Workspace) -> dict[str, Any]:
    """A post that is out, and may be taken down."""
    named = _social_post("post_id")(workspace)
    with scoping.workspace(workspace):
        SocialPost.objects.filter(public_id=named["post_id"]).update(
            state="published", published_at=NOW, approved_at=NOW, external_id="1_2"
        )
    return named


def _dead_call(workspace: Workspace) -> Call:
    connection = _connection(workspace)
    with scoping.workspace(workspace):
        call = Call(
            workspace=workspace,
            connection=connection,
            service="slack",
            operation="alerts.tell",
            lane=2,
            dedup_key=uuid4().hex,
            state="dead",
            due_at=None,
        )
        sealed_json.put(call, "payload_sealed", {})
        call.save()
        return call


def _endpoint(workspace: Workspace) -> WebhookEndpoint:
    with scoping.workspace(workspace):
        made, _ = webhooks.create(
            system(workspace.pk), url="https://example.com/hook", event_names=["*"], now=NOW
        )
        return made


def _of_endpoint(workspace: Workspace) -> dict[str, Any]:
    return {"endpoint_id": _endpoint(workspace).public_id}


def _of_message(workspace: Workspace) -> dict[str, Any]:
    endpoint = _endpoint(workspace)
    with scoping.workspace(workspace):
        call = webhooks.send_test(system(workspace.pk), endpoint, now=NOW)
        Call.objects.filter(pk=call.pk).update(state="dead", due_at=None)
    return {"endpoint_id": endpoint.public_id, "call_id": call.public_id}


def _of_connection(workspace: Workspace) -> dict[str, Any]:
    return {"public_id": _connection(workspace).public_id}


def _of_incident(workspace: Workspace) -> dict[str, Any]:
    with scoping.workspace(workspace):
        opened = incidents.open_(key=uuid4().hex, title="Calls fail", detail="", severity="info", now=NOW)
    assert opened is not None
    return {"public_id": opened.public_id}


def _of_rule(workspace: Workspace) -> dict[str, Any]:
    """A rule that this workspace has and others do not."""
    with scoping.workspace(workspace):
        rule = rules.listed()[0]
        rule.key = f"rule-{workspace.pk}"
        rule.save(update_fields=["key"])
    return {"key": rule.key}


def _of_call(workspace: Workspace) -> dict[str, Any]:
    return {"call_id": _dead_call(workspace).public_id}


def _spreadsheet(workspace: Workspace) -> Connection:
    return _connection(workspace, "spreadsheet")


def _stream(workspace: Workspace) -> SyncStream:
    connection = _spreadsheet(workspace)
    with scoping.workspace(workspace):
        return streams.of(connection, "contact")


def _record(workspace: Workspace) -> SyncRecord:
    with scoping.workspace(workspace):
        return records.create(system(workspace.pk), "contact", {"first_name": "Ada"}, now=NOW)


def _conflict(workspace: Workspace) -> SyncConflict:
    stream, record, other = _stream(workspace), _record(workspace), _record(workspace)
    with scoping.workspace(workspace):
        return SyncConflict.objects.create(
            workspace=workspace, sync_stream=stream, record=record, other=other, kind="same", opened_at=NOW
        )


def _report(workspace: Workspace) -> SyncReport:
    stream = _stream(workspace)
    with scoping.workspace(workspace):
        return integrity.compare(stream, streams.system_of(stream.connection), now=NOW)


def _file(workspace: Workspace, state: str = "tried") -> SyncImport:
    connection = _spreadsheet(workspace)
    with scoping.workspace(workspace):
        actor, content = system(workspace.pk), b"first name,email\nAda,ada@example.com\n"
        batch, _ = imports.begin(actor, connection, "contact", name="a.csv", content=content, now=NOW)
        if state == "applied":
            imports.apply(actor, batch, now=NOW)
        return batch


def _public(make: Callable[[Workspace], Any], name: str) -> Builder:
    return lambda workspace: {name: make(workspace).public_id}


# Route → the values of its parameters, naming an object of the given workspace.
OBJECTS: dict[str, Builder] = {
    **AUDIENCE_OBJECTS,
    **MARKETING_OBJECTS,
    **CAMPAIGNS,
    "campaigns:edit-decide": conflict,
    "accounts:job": _id_of(Job, "public_id", "public_id"),
    "accounts:job-cancel": _id_of(Job, "public_id", "public_id"),
    "accounts:member-role": _id_of(Membership, "membership_id"),
    "accounts:member-remove": _id_of(Membership, "membership_id"),
    "accounts:member-invite": _id_of(Membership, "membership_id"),
    "accounts:key-revoke": _id_of(ApiKey, "key_id"),
    "accounts:consent": _id_of(Person, "public_id", "public_id"),
    "accounts:workspace-enter": lambda workspace: {"workspace_id": workspace.pk},
    "accounts-api:person-export": _id_of(Person, "person_id", "public_id"),
    "accounts-api:person-erase": _id_of(Person, "person_id", "public_id"),
    "accounts-api:job": _id_of(Job, "public_id", "public_id"),
    "accounts-api:job-cancel": _id_of(Job, "public_id", "public_id"),
    "accounts-api:api-key-revoke": _id_of(ApiKey, "key_id"),
    "integrations:connect": lambda workspace: {"service": "meta_ads"},
    **{
        f"integrations:{deed}": _of_connection
        for deed in ("connection", "connection-test", "connection-read", "connection-disconnect")
    },
    **{f"integrations:call-{deed}": _of_call for deed in ("replay", "cancel")},
    "hooks:hook": lambda workspace: {
        "service": "slack",
        "public_id": _connection(workspace, "slack").public_id,
    },
    **{
        f"integrations{part}:incident{deed}": _of_incident
        for part in ("", "-api")
        for deed in ("", "-acknowledge", "-resolve")
    },
    **{
        f"integrations:social-{deed}": _social_post("public_id")
        for deed in ("post", "change", "approve", "withdraw", "discard", "take-down")
    },
    **{f"integrations:social-{deed}": _social_account for deed in ("pause", "resume", "limit")},
    **{f"integrations-api:social-{deed}": _social_post("post_id") for deed in ("post", "withdraw")},
    "integrations-api:social-take-down": _social_out,
    **{f"integrations-api:social-{deed}": _social_account for deed in ("account", "pause", "resume")},
    "integrations:rule": _of_rule,
    "integrations-api:rule": _of_rule,
    **{
        f"integrations:webhook{deed}": _of_endpoint
        for deed in ("", "-test", "-rotate", "-turn-on", "-delete")
    },
    **{
        f"integrations-api:webhook{deed}": _of_endpoint
        for deed in ("", "-test", "-rotate", "-turn-on", "-messages")
    },
    "integrations:webhook-redeliver": _of_message,
    "integrations-api:webhook-redeliver": _of_message,
    "integrations-api:connection": _of_connection,
    "integrations-api:connection-test": _of_connection,
    **{f"integrations-api:call-{deed}": _of_call for deed in ("trail", "replay", "cancel")},
    **{
        f"integrations:{deed}": _public(_spreadsheet, "public_id")
        for deed in ("sync", "sync-run", "sync-check", "import-new")
    },
    **{
        f"integrations-api:{deed}": _public(_spreadsheet, "public_id")
        for deed in ("connection-sync", "connection-check", "imports")
    },
    **{f"integrations{part}:sync-stream": _public(_stream, "stream_id") for part in ("", "-api")},
    **{f"integrations{part}:report-repair": _public(_report, "report_id") for part in ("", "-api")},
    **{
        f"integrations{part}:record{deed}": _public(_record, "record_id")
        for part, deed in (("", ""), ("", "-send"), ("-api", ""), ("-api", "-send"), ("-api", "-trail"))
    },
    "integrations:conflict": _public(_conflict, "conflict_id"),
    "integrations-api:conflict-settle": _public(_conflict, "conflict_id"),
    **{
        f"integrations{part}:import{deed}": _public(_file, "import_id")
        for part, deed in (("", ""), ("", "-apply"), ("", "-drop"), ("-api", ""), ("-api", "-apply"))
    },
    **{
        f"integrations{part}:import-undo": _public(lambda workspace: _file(workspace, "applied"), "import_id")
        for part in ("", "-api")
    },
    **{
        f"optimization:{deed}": recommendation(state)
        for deed, state in (
            ("recommendation", "proposed"),
            ("approve", "proposed"),
            ("reject", "proposed"),
            ("calls", "proposed"),
            ("carry-out", "approved"),
            ("roll-back", "done"),
        )
    },
    **JOURNEY_OBJECTS,
    "optimization:by-hand": recommendation("proposed", is_doable=False),
    "optimization-api:recommendation": recommendation("proposed"),
    "optimization-api:done-by-hand": recommendation("proposed", is_doable=False),
    "optimization-api:approve": recommendation("proposed"),
    "optimization-api:reject": recommendation("proposed"),
    "optimization-api:execute": recommendation("approved"),
    "optimization-api:rollback": recommendation("done"),
    **{f"marketing-api:ai-{deed}": draft for deed in ("draft", "take")},
    "attribution:channel": _id_of(Channel, "key", "key"),
    "attribution:person": _id_of(Person, "public_id", "public_id"),
    "attribution:import-file": _id_of(FileImport, "import_id"),
    "attribution:import-rejected": _id_of(FileImport, "import_id"),
    "attribution:dead-letter": lambda workspace: {"letter_id": letter_of(workspace).public_id},
    "attribution-api:dead-letter": lambda workspace: {"letter_id": letter_of(workspace).public_id},
    "attribution-api:dead-letter-replay": lambda workspace: {"letter_id": letter_of(workspace).public_id},
    "attribution-api:dead-letter-drop": lambda workspace: {"letter_id": letter_of(workspace).public_id},
    "attribution-api:channel-rule-version": _id_of(RuleVersion, "number", "number"),
    "attribution-api:channel-rule-version-restore": lambda workspace: {"number": _version(workspace).number},
    "attribution-api:channel-rules-preview-result": lambda workspace: {
        "job_id": _job(workspace, rule_previews.KIND).public_id
    },
    "attribution-api:goal": lambda workspace: {"key": _goal(workspace).key},
    "attribution:experiment": _id_of(Experiment, "key", "key"),
    "attribution:lift-test": _id_of(LiftTest, "lift_test_id"),
    **{
        f"attribution-api:experiment{deed}": _id_of(Experiment, "key", "key")
        for deed in ("", "-start", "-stop", "-shares", "-decide", "-assign", "-expose", "-reading")
    },
    "attribution-api:lift-test": _id_of(LiftTest, "lift_test_id"),
    "attribution-api:lift-test-retire": _id_of(LiftTest, "lift_test_id"),
    "attribution-api:analyze-batch-result": lambda workspace: {
        "job_id": _job(workspace, analysis.KIND).public_id
    },
}


def _version(workspace: Workspace) -> RuleVersion:
    """A version whose rules can be put in force."""
    version = row_of(RuleVersion, workspace)
    with scoping.workspace(workspace):
        RuleVersion.objects.filter(pk=version.pk).update(
            rules=[{"channel_key": "email", "platform": "email", "is_active": True}]
        )
    return version


def _goal(workspace: Workspace) -> Goal:
    return GoalFactory(workspace=workspace)


_event = {
    "user_id": "ada",
    "event_type": "click",
    "platform": "google",
    "campaign_id": "spring",
    "occurred_at": "2026-11-19T10:00:00Z",
    "event_id": "e-1",
    "channel": "paid_search",
    "url": "https://shop.example/?utm_source=google",
    "referrer": "https://google.example/",
    "utm_source": "google",
    "creative_id": "c-1",
    "cost": "0.42",
    "sent_at": "2026-11-19T10:00:01Z",
    "properties": {"a": 1},
}
_conversion = {
    "user_id": "ada",
    "conversion_type": "purchase",
    "revenue": "99.99",
    "currency": "GBP",
    "occurred_at": "2026-11-19T11:00:00Z",
    "order_id": "o-1",
    "event_id": "c-1",
}
_period = {"from": "2026-10-01", "to": "2026-11-19", "conversion_type": "purchase", "lookback_days": 30}

_goal_body = {
    "label": "Buys",
    "conversion_types": ["purchase"],
    "lookback_days": 14,
    "counting": "once",
    "transform": "trim",
    "trim_touches": 5,
    "direct": "kept",
    "is_default": True,
    "position": 3,
    "reason": "asked for",
}

# (method, route) → a body that is accepted. A route that takes no body has none.
BODIES: dict[tuple[str, str], Any] = {
    **AUDIENCE_BODIES,
    **CAMPAIGN_BODIES,
    **JOURNEY_BODIES,
    **OPTIMIZATION_BODIES,
    **MARKETING_BODIES,
    **CONTENT_BODIES,
    ("post", "integrations-api:webhooks"): {"url": "https://example.com/hook", "event_names": ["*"]},
    ("delete", "integrations-api:webhook"): None,
    **{
        ("post", f"integrations-api:webhook-{deed}"): None
        for deed in ("test", "rotate", "turn-on", "redeliver")
    },
    ("post", "integrations-api:connection-sync"): {"is_full": True},
    ("post", "integrations-api:connection-check"): None,
    ("post", "integrations-api:imports"): {
        "entity": "contact",
        "name": "clients.csv",
        "content": "first name,email\nAda,ada@example.com\n",
        "columns": {"first_name": "first name", "email": "email"},
    },
    ("patch", "integrations-api:sync-stream"): {
        "direction": "both",
        "is_paused": False,
        "makes_new": False,
        "policies": {"email": "manual"},
        "reason": "asked for",
    },
    ("post", "integrations-api:records"): {"entity": "contact", "values": {"first_name": "Ada"}},
    ("patch", "integrations-api:record"): {
        "values": {"last_name": "Byron"},
        "version": 1,
        "consent_source": "a form",
    },
    # A connection that is not there: what is sent where is told in tests of its own.
    ("post", "integrations-api:record-send"): {"connection": "019ac000-0000-7000-8000-000000000000"},
    ("post", "integrations-api:conflict-settle"): {
        "choice": "different",
        "value": "x",
        "consent_source": "a form",
    },
    ("post", "integrations-api:report-repair"): None,
    ("post", "integrations-api:import-apply"): None,
    ("post", "integrations-api:import-undo"): None,
    ("post", "accounts-api:person-find"): {"email": "ada@example.com"},
    ("post", "accounts-api:person-export"): {"reason": "asked by letter"},
    ("post", "accounts-api:person-erase"): {"reason": "asked by letter"},
    ("post", "accounts-api:api-key-list"): {
        "name": "shop",
        "scopes": ["read"],
        "expires_at": "2099-01-01T00:00:00Z",
    },
    ("post", "accounts-api:api-key-revoke"): None,
    ("post", "accounts-api:job-cancel"): None,
    ("post", "accounts-api:consent"): {
        "records": [
            {
                "user_id": "ada",
                "purpose": "ad_user_data",
                "granted": True,
                "source": "cookie banner",
                "wording": "We tell Meta what you bought.",
                "occurred_at": "2026-11-19T10:00:00Z",
            }
        ]
    },
    ("patch", "accounts-api:workspace"): {
        "name": "Acme",
        "time_zone": "Europe/London",
        "settings": {"rate_limits": {"viral": 5}, "exchange_rates": {"EUR": "0.85"}, "lookback_days": 30},
        "reason": "tidying",
    },
    **{
        ("post", f"integrations-api:social-{deed}"): None
        for deed in ("withdraw", "take-down", "pause", "resume")
    },
    ("put", "integrations-api:social-post"): {"text": "Other words", "is_made_with_ai": True},
    ("delete", "integrations-api:social-post"): None,
    ("put", "integrations-api:social-account"): {"daily_limit": "2.500", "reads_are_on": True},
    ("post", "integrations-api:social-posts"): {"text": "Hello", "connections": [SOCIAL_ACCOUNT]},
    ("post", "integrations-api:social-previews"): {"text": "Hello", "connections": [SOCIAL_ACCOUNT]},
    ("post", "integrations-api:call-cancel"): None,
    ("post", "integrations-api:call-replay"): None,
    ("delete", "integrations-api:connection"): None,
    ("post", "integrations-api:connection-test"): None,
    ("post", "integrations-api:emergency"): {"reason": "the payment service is down", "hours": 2},
    ("post", "integrations-api:mode-end"): {"reason": "it is back"},
    ("post", "integrations-api:incident-acknowledge"): None,
    ("post", "integrations-api:incident-resolve"): {"why": "Fixed."},
    ("patch", "integrations-api:rule"): {
        "bound": 0.8,
        "for_seconds": 60,
        "severity": "error",
        "is_on": True,
        "silence_hours": 1,
        "reason": "too loud",
    },
    ("post", "attribution-api:track-event"): _event,
    ("post", "attribution-api:track-conversion"): _conversion,
    ("post", "attribution-api:track-batch"): {
        "events": [{"kind": "touch", **_event}, {"kind": "conversion", **_conversion}]
    },
    ("post", "attribution-api:track-spend"): {
        "spend": [
            {
                "platform": "google",
                "day": "2026-11-19",
                "amount": "12.50",
                "campaign_id": "spring",
                "clicks": 7,
            }
        ]
    },
    ("post", "attribution-api:dead-letter-replay"): None,
    ("post", "attribution-api:dead-letter-drop"): {"reason": "a test of the sender's"},
    ("post", "attribution-api:dead-letters-replay"): {"reason": "unusable_fields"},
    ("put", "attribution-api:dead-letter"): {
        "record": {"type": "event", "user_id": "ada", "event_type": "click", "platform": "meta"}
    },
    ("post", "attribution-api:identify"): {
        "anonymous_id": "a-1",
        "user_id": "ada",
        "traits": {"plan": "gold"},
    },
    ("post", "attribution-api:analyze-journey"): {
        "user_id": "ada",
        "model_type": "linear",
        "conversion_id": 1,
        "lookback_days": 30,
    },
    ("post", "attribution-api:analyze-batch"): {"model_type": ["linear"], "group_by": "channel", **_period},
    ("post", "attribution-api:train-conversion"): None,
    ("post", "attribution-api:predict-conversion"): {
        "touches": [{"channel": "email", "platform": "mail", "occurred_at": "2026-11-19T10:00:00Z"}]
    },
    ("post", "attribution-api:predict-conversion-batch"): {
        "people": [{"user_id": "ada"}],
        "limit": 20,
    },
    ("post", "attribution-api:recalibrate"): {"reason": "asked for"},
    ("post", "attribution-api:train-markov"): {"order": 1, **_period},
    ("post", "attribution-api:goal-list"): {"key": "buy", **_goal_body},
    ("patch", "attribution-api:goal"): _goal_body,
    ("delete", "attribution-api:goal"): None,
    ("post", "attribution-api:channel-rule-version-restore"): {"reason": "it was better"},
    ("post", "attribution-api:channel-rules-preview"): {
        "rules": [{"channel_key": "email", "platform": "email"}],
        "days": 30,
    },
    ("post", "attribution-api:channel-rules-apply"): {"reason": "asked for"},
    ("post", "attribution-api:experiment-list"): {
        "key": "subject-line",
        "name": "A question as the subject",
        "variants": [
            {"key": "statement", "name": "Statement", "share": 1, "is_control": True},
            {"key": "question"},
        ],
        "hypothesis": "Questions are opened more",
        "baseline": 0.04,
        "minimum_effect": 0.2,
        "layer": "mail",
    },
    ("post", "attribution-api:experiment-start"): None,
    ("post", "attribution-api:experiment-stop"): {"reason": "enough"},
    ("post", "attribution-api:experiment-shares"): {"shares": {"a": 1, "b": 3}, "reason": "more of b"},
    ("post", "attribution-api:experiment-decide"): {"winner": None, "reason": "enough"},
    ("post", "attribution-api:experiment-assign"): {"units": [{"user_id": "ada"}, {"anonymous_id": "a-1"}]},
    ("post", "attribution-api:experiment-expose"): {
        "exposures": [{"user_id": "ada", "variant": "a", "occurred_at": "2026-11-19T10:00:00Z"}]
    },
    ("post", "attribution-api:lift-test-list"): {
        "kind": "external",
        "channel": "email",
        "name": "No mail for a week",
        "first_day": "2026-10-01",
        "last_day": "2026-10-07",
        "incremental": 120,
        "standard_error": 30,
        "notes": "by our own count",
    },
    ("post", "attribution-api:lift-test-retire"): {"reason": "too old"},
    ("put", "attribution-api:channel-rules"): {"rules": [{"channel_key": "email", "platform": "email"}]},
}


# Page → a form that it accepts, where an empty one is refused before the object is looked for.
FORMS: dict[str, dict[str, Any]] = {
    "accounts:member-role": {"role": "viewer"},
    "integrations:rule": {"silence": "1"},
}


def parameters_of(route: Any, workspace: Workspace) -> dict[str, Any]:
    """The route's parameters, naming an object of the workspace. KeyError: nobody registered the route."""
    return OBJECTS[route.known_as](workspace) if route.parameters else {}


def somebody(workspace: Workspace) -> None:
    """Make the person, the channel and the account of which the bodies speak."""
    with scoping.workspace(workspace):
        Connection.objects.create(
            workspace=workspace,
            public_id=SOCIAL_ACCOUNT,
            service="facebook_pages",
            account="1",
            label="Page",
            state_changed_at=NOW,
        )
    campaign_of(workspace)
    PersonFactory(workspace=workspace, external_id="ada")
    ChannelFactory(workspace=workspace, key="email")
