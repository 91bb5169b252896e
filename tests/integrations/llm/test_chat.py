"""A language model's whole story over HTTP: questions as they go out, ways of not answering, tokens."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.core.cache import cache
from django.db import connection as database

from apps.accounts import scoping
from apps.integrations import connections, errors, metrics, sealed_json
from apps.integrations.client import Client
from apps.integrations.connectors.llm import budget
from apps.integrations.connectors.llm.answers import NoAnswer
from apps.integrations.connectors.llm.chat import Prompt, complete
from apps.integrations.connectors.llm.placeholders import Placeholders
from apps.integrations.models import Connection, TokenDay
from apps.integrations.resilience.outcomes import Kind
from tests.conftest import committed
from tests.factories import NOW, WorkspaceFactory
from tests.fakes.llm import API_KEY, LanguageModel, completion, error
from tests.fakes.server import Answer, NotJson, Reply, ResetBefore, Truncated

TODAY = date(2026, 11, 20)
SCHEMA = {
    "type": "object",
    "properties": {"subject": {"type": "string", "maxLength": 20}},
    "required": ["subject"],
    "additionalProperties": False,
}


@pytest.fixture
def fake(settings):
    with LanguageModel() as one:
        settings.INTEGRATION_URLS = {"llm": one.url}
        cache.clear()
        yield one


@pytest.fixture
def client_of(workspace, fake):
    def make(**options):
        connection = Connection(
            workspace=workspace,
            service="llm",
            label="Model",
            state_changed_at=NOW,
            options={"model": "fake-1", **options},
        )
        sealed_json.put(connection, "credentials_sealed", {"api_key": API_KEY})
        connection.save()
        return Client(connection, clock=lambda: NOW)

    return make


@pytest.fixture
def client(client_of):
    return client_of()


def asked(text="Write a subject", **options):
    return Prompt(messages=[("user", text)], **options)


def day():
    return TokenDay.objects.get(on=TODAY)


def test_the_question_as_it_goes_over_the_wire(client, fake):
    found = complete(client, asked(temperature=0.7, most_tokens=50))

    sent = fake.seen[0]
    assert sent.raw.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert sent.headers["authorization"] == f"Bearer {API_KEY}"
    # Written by hand from the schema of the API.
    assert sent.body == (
        b'{"model":"fake-1","messages":[{"role":"user","content":"Write a subject"}],'
        b'"max_completion_tokens":50,"temperature":0.7}'
    )
    assert (found.text[:6], found.model, found.is_cached) == ("Answer", "fake-1", False)
    assert (day().reserved, day().used) == (0, found.tokens)


def test_what_a_model_cannot_do_is_not_asked_of_it(client_of, fake):
    fake.canned["subject"] = '{"subject":"Hello"}'
    client = client_of(token_param="max_tokens", has_temperature="no", has_json_schema="no")

    complete(client, asked(temperature=0.7, schema=SCHEMA))

    body = fake.seen[0].json
    assert "max_tokens" in body
    assert not {"temperature", "response_format", "max_completion_tokens"} & set(body)
    assert body["messages"][0]["content"].startswith("Answer with JSON that keeps to this schema")


def test_a_document_that_keeps_to_its_schema(client, fake):
    fake.canned["subject"] = '```json\n{"subject":"Hello"}\n```'

    found = complete(client, asked(schema=SCHEMA, schema_name="mail"))

    assert found.document == {"subject": "Hello"}
    assert fake.seen[0].json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "mail", "schema": SCHEMA, "strict": True},
    }


def test_one_repair_is_tried_with_the_fault_named(client, fake):
    fake.canned = {"That does not fit": '{"subject":"Short"}', "subject": '{"subject":"' + "x" * 30 + '"}'}

    found = complete(client, asked(schema=SCHEMA))

    assert found.document == {"subject": "Short"}
    assert len(fake.seen) == 2
    assert "$.subject" in fake.seen[1].json["messages"][-1]["content"]
    assert day().used == found.tokens


def test_after_a_second_fault_there_is_no_answer(client, fake):
    fake.canned["subject"] = "no JSON"

    with pytest.raises(NoAnswer) as caught:
        complete(client, asked(schema=SCHEMA))

    assert caught.value.why == "invalid"
    assert len(fake.seen) == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (completion(None, refusal="I cannot help with that."), "refusal"),
        (completion('{"subj', finish_reason="length"), "length"),
        (completion("", finish_reason="content_filter"), "content_filter"),
        (completion(None), "empty"),
        (Reply(200, b'{"choices":[null],"usage":7}'), "empty"),
        (Reply(200, b'{"choices":"none"}'), "empty"),
    ],
)
def test_each_way_of_not_answering(client, fake, reply, why):
    fake.misbehave(Answer(reply))

    with pytest.raises(NoAnswer) as caught:
        complete(client, asked())

    assert caught.value.why == why
    assert (day().reserved, day().used > 0) == (0, True)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error("rate_limit_exceeded", status=429, headers={"retry-after": "60"}), Kind.THROTTLED),
        (error("insufficient_quota", status=429), Kind.QUOTA_EXHAUSTED),
        (error("invalid_api_key", status=401), Kind.AUTH_EXPIRED),
        (error("model_not_found", status=404), Kind.PERMANENT_CONFIG),
        (error("context_length_exceeded"), Kind.PERMANENT_DATA),
        (error("unsupported_country", status=403), Kind.PERMANENT_CONFIG),
        (error("server_error", status=500), Kind.RETRYABLE),
        (error("overloaded", status=503), Kind.RETRYABLE),
        (error("odd", status=200), Kind.PERMANENT_DATA),
        (Reply(200, b'{"error":"model is loading"}'), Kind.PERMANENT_DATA),
    ],
)
def test_each_class_of_error_costs_no_tokens(client, fake, reply, kind):
    fake.misbehave(Answer(reply), times=3)

    with pytest.raises(errors.ServiceError) as caught:
        complete(client, asked())

    assert caught.value.outcome.kind == kind
    assert (day().reserved, day().used) == (0, 0)


def test_a_bill_that_was_not_paid_is_not_tried_again(client, fake):
    fake.misbehave(Answer(error("insufficient_quota", status=429)))

    with pytest.raises(errors.ServiceError):
        complete(client, asked())

    assert len(fake.seen) == 1


def test_a_short_wait_of_the_server_is_kept(client, fake):
    fake.misbehave(Answer(error("rate_limit_exceeded", status=429, headers={"retry-after-ms": "20"})))

    assert complete(client, asked()).text
    assert len(fake.seen) == 2


@pytest.mark.parametrize("fault", [ResetBefore(), Truncated(), NotJson()])
def test_a_fault_of_the_line_is_tried_again(client, fake, fault):
    fake.misbehave(fault)

    assert complete(client, asked()).text
    assert len(fake.seen) == 2


def test_tokens_of_an_unknown_fate_count_as_used(client, fake):
    fake.misbehave(Truncated(), times=3)

    with pytest.raises(errors.ServiceError):
        complete(client, asked(most_tokens=100))

    assert (day().reserved, day().used > 100) == (0, True)


def test_a_server_that_does_not_count_is_estimated(client, fake):
    fake.counts_usage = False

    assert complete(client, asked()).tokens > 0
    assert day().used > 0


def test_the_same_question_is_answered_from_the_cache(client, fake):
    first, second = complete(client, asked()), complete(client, asked())

    assert (second.text, second.is_cached, second.tokens) == (first.text, True, 0)
    assert len(fake.seen) == 1
    complete(client, asked(most_tokens=801))
    assert len(fake.seen) == 2


def test_another_workspace_has_a_cache_of_its_own(client, fake, other_workspace):
    complete(client, asked())
    with scoping.workspace(other_workspace):
        theirs = Connection(
            workspace=other_workspace,
            service="llm",
            label="m",
            state_changed_at=NOW,
            options={"model": "fake-1"},
        )
        sealed_json.put(theirs, "credentials_sealed", {"api_key": API_KEY})
        theirs.save()
        assert not complete(Client(theirs, clock=lambda: NOW), asked()).is_cached


def test_people_stay_in_the_house(client, fake):
    fake.canned["Write"] = "Dear [[NAME_1]], we write to [[EMAIL_1]] and ring [[PHONE_1]]."

    found = complete(
        client, asked("Write to Ada Byron, ada@byron.example, +44 7700 900123", names=["Ada Byron", "Ada"])
    )

    sent = fake.seen[0].body.decode()
    assert sent.count("[[") == 3
    assert not any(one in sent for one in ("Ada", "byron", "7700"))
    assert found.text == "Dear Ada Byron, we write to ada@byron.example and ring +44 7700 900123."


def test_placeholders_come_back_in_documents_too():
    hidden = Placeholders(["Ada"])
    assert hidden.hide("Ada and ADA, a@b.example") == "[[NAME_1]] and [[NAME_2]], [[EMAIL_1]]"
    assert hidden.hide("On 2026-11-20 12:30, 07700 900 123") == "On 2026-11-20 12:30, [[PHONE_1]]"
    assert hidden.hide("Adamant Ada") == "Adamant [[NAME_1]]"
    assert hidden.show({"to": ["[[EMAIL_1]]"], "n": 1, "text": "[[NAME_1]]!"}) == {
        "to": ["a@b.example"],
        "n": 1,
        "text": "Ada!",
    }


def test_a_day_without_tokens_asks_nothing(client_of, fake):
    client = client_of(daily_tokens="100")

    with pytest.raises(budget.TokensSpent):
        complete(client, asked(most_tokens=100))

    assert fake.seen == []


def test_a_workspace_cannot_give_itself_more_than_the_operator(client_of, fake, settings):
    settings.LLM_DAILY_TOKENS = 50
    with pytest.raises(budget.TokensSpent):
        complete(client_of(daily_tokens="999999999"), asked(most_tokens=100))


def test_a_workspaces_own_address_must_be_public_and_gets_no_key_of_ours(client_of, settings, fake):
    settings.INTEGRATION_URLS, settings.LLM_API_KEY = {}, "the operator's"
    client = client_of(base_url=f"{fake.url}/v1")

    with pytest.raises(errors.Refused):
        complete(client, asked())

    assert fake.seen == []


def test_the_operators_address_may_be_on_this_machine(workspace, settings, fake):
    settings.INTEGRATION_URLS = {}
    settings.LLM_BASE_URL, settings.LLM_API_KEY, settings.LLM_MODEL = f"{fake.url}/v1", API_KEY, "fake-1"
    connection = Connection.objects.create(
        workspace=workspace, service="llm", label="m", state_changed_at=NOW
    )

    assert complete(Client(connection, clock=lambda: NOW), asked()).model == "fake-1"


def test_success_and_failure_are_figures(client, fake):
    complete(client, asked())
    fake.misbehave(Answer(completion(None, refusal="no")))
    with pytest.raises(NoAnswer):
        complete(client, asked("another"))

    [sketch] = [kept for key, kept in metrics._buffer.items() if key[1] == "ai.success"]
    assert (sketch.count, sketch.total) == (2, 1.0)


def test_the_share_of_the_day_is_a_figure(client_of, fake):
    client = client_of(daily_tokens="1000")
    complete(client, asked())

    assert budget.share_used(budget=1_000, today=TODAY) == day().used / 1_000


def test_the_test_button(client, fake, actor):
    assert connections.test(actor, client.connection, now=NOW) == "1 models."
    fake.misbehave(Answer(Reply(404)))
    assert connections.test(actor, client.connection, now=NOW) == "It answers, and has no list of its models."


@committed
def test_many_at_once_never_go_beyond_the_budget():
    workspace = WorkspaceFactory()

    def reserve(_):
        try:
            with scoping.workspace(workspace), budget.reserved(10, budget=100, today=TODAY) as held:
                held.used = 9
                return True
        except budget.TokensSpent:
            return False
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        done = sum(pool.map(reserve, range(40)))

    with scoping.workspace(workspace):
        row = TokenDay.objects.get(on=TODAY)
    assert (row.reserved, row.used) == (0, 9 * done)
    assert row.used <= 100
