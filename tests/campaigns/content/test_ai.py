"""From a brief to five variants: by the model, and by rules in each way that a model can fail."""

import json

import pytest
from django.core.cache import cache
from django.core.exceptions import PermissionDenied

from apps.accounts import jobs
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import AuditEntry, Job
from apps.accounts.permissions import system
from apps.campaigns.content import ai, ai_switch, angles, briefs, contract, variants
from apps.campaigns.content.letters import Words
from apps.campaigns.models import AiDraft, AiSwitch, Content
from apps.integrations import metrics
from apps.integrations.monitoring import rules
from tests.campaigns.content.letters_of import TOKENS, letter
from tests.factories import NOW, member
from tests.fakes.llm import API_KEY, FAULTS, LanguageModel, completion, error
from tests.fakes.server import Answer, NotJson, Reply, ResetBefore, Truncated
from tests.integrations.connected import connection_to

BRIEF = {
    "about": "On 6 June our barn is open to couples. There is cake, and the band plays.",
    "audience": "couples without a venue",
    "tone": "warm",
    "links": [("Say that you come", "https://barn.example/open-day?secret=1")],
}


def variant(number, **other):
    return {
        "angle": f"angle {number}",
        "tone": "warm",
        "subject": f"Subject {number} for {{{{ first_name | default('you') }}}}",
        "preheader": "A look inside",
        "body_markdown": "## The barn\n\nHello {{ first_name | default('there') }}, come and see it.",
        "cta_label": "Say yes",
        "cta_link_id": "link_1",
        "merge_fields": ["first_name"],
        "rationale": "It is warm.",
        **other,
    }


def answer(*changes):
    """Five variants, the first ones with changes."""
    others = [*changes, *({} for _ in range(5))]
    return json.dumps({"variants": [variant(n, **others[n - 1]) for n in range(1, 6)]})


@pytest.fixture
def fake(settings):
    with LanguageModel() as one:
        settings.INTEGRATION_URLS = {"llm": one.url}
        one.canned["marketing"] = answer()
        cache.clear()
        yield one


@pytest.fixture
def model(workspace, fake):
    return connection_to(workspace, "llm", account="m", secrets={"api_key": API_KEY}, model="fake-1")


@pytest.fixture
def asked(person, campaign, django_capture_on_commit_callbacks):
    """Ask, and do the job."""

    def ask(**changes):
        draft, job = ai.ask(person, campaign, BRIEF | changes, now=NOW)
        jobs.run(job_id=job.pk)
        job.refresh_from_db()
        assert job.state == Job.State.DONE, job.message
        draft.refresh_from_db()
        assert job.result == {"draft": str(draft.public_id), "made_by": draft.made_by, "why": draft.why}
        return draft

    return ask


def assert_sendable(draft):
    assert len(draft.variants) == 5
    assert len({one["subject"] for one in draft.variants}) == 5
    for one in draft.variants:
        assert set(one) == set(variant(1))
        made = letter(subject=one["subject"], preheader=one["preheader"], body=one["body_markdown"])
        rendered = made.render({}, TOKENS)
        assert 0 < len(rendered.subject) <= 110


def test_a_model_writes_five_variants(model, fake, asked):
    draft = asked()

    assert (draft.state, draft.made_by, draft.why, draft.model) == ("done", "model", "", "fake-1")
    assert draft.tokens > 0
    assert_sendable(draft)
    sent = fake.seen[0].json
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["response_format"]["json_schema"]["schema"] == contract.schema(briefs.of(BRIEF))


def test_the_model_is_told_no_address_and_nobodys_name(workspace, model, fake, asked):
    member(workspace, "admin", name="Quentin Colleague")
    asked(
        about="Ann & Piotr marry. Write to Mrs Featherstone-Haugh, ada@example.com, or ring 020 7946 0000. "
        "Quentin Colleague speaks, Emma Watson-Smith sings; Zebedee too.",
        names=["Zebedee"],
    )

    told = fake.seen[0].body.decode()
    for word in (
        "barn.example", "secret", "Ann ", "Piotr", "Featherstone", "ada@", "7946", "Quentin", "Emma",
        "Watson", "Zebedee",
    ):  # fmt: skip
        assert word not in told, word
    assert "[[NAME_" in told
    assert "[[EMAIL_1]]" in told
    assert "[[PHONE_1]]" in told
    assert "link_1" in told


def test_names_come_back(model, fake, asked):
    fake.canned["marketing"] = answer({"subject": "Dance with [[NAME_1]]"})

    draft = asked(about="The Zebras play.", names=["The Zebras"])

    assert draft.variants[0]["subject"] == "Dance with The Zebras"


def test_the_address_and_the_number_of_the_brief_come_back(model, fake, asked):
    fake.canned["marketing"] = answer({"body_markdown": "Write to [[EMAIL_1]] or ring [[PHONE_1]]."})

    draft = asked(about="Write to Barn@example.com, or ring 020 7946 0000.")

    assert draft.variants[0]["body_markdown"] == "Write to Barn@example.com or ring 020 7946 0000."


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"body_markdown": "See [our barn](https://evil.example) now."}, "See our barn now."),
        ({"body_markdown": "See https://evil.example/x and www.evil.example now."}, "See  and  now."),
        (
            {"body_markdown": "See <a href='https://evil.example'>it</a> ![x](https://evil.example/p.gif)."},
            "See it .",
        ),
    ],
)
def test_addresses_that_slip_in_are_taken_out(model, fake, asked, changed, kept):
    fake.canned["marketing"] = answer(changed)

    draft = asked()

    assert (draft.made_by, draft.variants[0]["body_markdown"]) == ("model", kept)


@pytest.mark.parametrize(
    ("link", "label"), [("none", ""), ("link_1", "Say that you come")], ids=["without a link", "with one"]
)
def test_a_button_without_words_is_none_or_has_those_of_its_link(model, fake, asked, link, label):
    fake.canned["marketing"] = answer({"cta_label": "", "cta_link_id": link})

    draft = asked()

    assert (draft.made_by, len(fake.seen)) == ("model", 1)
    assert (draft.variants[0]["cta_link_id"], draft.variants[0]["cta_label"]) == (link, label)


def test_the_fields_that_are_listed_are_those_that_are_used(model, fake, asked):
    fake.canned["marketing"] = answer({"merge_fields": ["season", "company"]})

    assert asked().variants[0]["merge_fields"] == ["first_name"]


def test_one_answer_that_does_not_keep_to_the_schema_is_repaired(model, fake, asked):
    fake.canned = {"That does not fit": answer(), "marketing": json.dumps({"variants": [variant(1)]})}

    assert asked().made_by == "model"
    assert len(fake.seen) == 2


@pytest.mark.parametrize("spelt", ["+44 7700 900123", "+44 (0)7700 900123", "07700 900 123"])
def test_a_number_of_the_brief_may_be_spelt_in_another_way(model, fake, asked, spelt):
    fake.canned["marketing"] = answer({"preheader": f"Ring {spelt}"})

    draft = asked(about="The barn is open. Ring 07700 900123.")

    assert draft.made_by == "model"
    assert spelt in draft.variants[0]["preheader"]


@pytest.mark.parametrize(
    "text",
    [
        answer({"subject": variant(2)["subject"]}),
        answer({"body_markdown": "{{ email }}"}),
        answer({"body_markdown": "{{ nobody }}"}),
        answer({"body_markdown": "{{ first_name.__class__ }}"}),
        answer({"subject": "{% if first_name %}"}),
        answer({"body_markdown": "https://a.example"}),
        answer({"subject": "Hello [[NAME_7]]"}),
        answer({"body_markdown": "Ask grace@private.example."}),
        answer({"preheader": "Ring +44 7700 900123"}),
        answer({"body_markdown": "<p {{ first_name }}>x</p>"}),
    ],
)
def test_an_answer_that_cannot_be_sent_is_not_used(model, fake, asked, text):
    fake.canned["marketing"] = text
    metrics._buffer.clear()

    draft = asked()

    assert (draft.made_by, draft.why) == ("rules", "unusable")
    assert_sendable(draft)
    [sketch] = [kept for key, kept in metrics._buffer.items() if key[1] == "ai.success"]
    assert sketch.total < sketch.count


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Answer(error("rate_limit_exceeded", status=429, headers={"retry-after": "60"})), "throttled"),
        (Answer(error("insufficient_quota", status=429)), "quota_exhausted"),
        (Answer(error("invalid_api_key", status=401)), "auth_expired"),
        (Answer(error("model_not_found", status=404)), "permanent_config"),
        (Answer(error("context_length_exceeded")), "permanent_data"),
        (Answer(error("server_error", status=500)), "retryable"),
        (Answer(error("overloaded", status=503)), "retryable"),
        (Answer(completion(None, refusal="I cannot.")), "refusal"),
        (Answer(completion('{"variants": [', finish_reason="length")), "length"),
        (Answer(completion("", finish_reason="content_filter")), "content_filter"),
        (Answer(completion(None)), "empty"),
        (Answer(completion("Certainly! Here are five variants.")), "invalid"),
        (Answer(completion('{"variants": []}')), "invalid"),
        (Answer(Reply(200, b'{"choices":[null]}')), "empty"),
        (NotJson(), "unknown"),
        (ResetBefore(), "unknown"),
        (Truncated(), "unknown"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_whatever_fails_there_are_five_and_the_reason(model, fake, asked, fault, why):
    fake.misbehave(fault, times=6)

    draft = asked()

    assert (draft.made_by, draft.why) == ("rules", why)
    assert draft.reason
    assert_sendable(draft)


@pytest.mark.parametrize("fault", [ResetBefore(), Truncated()], ids=["reset", "truncated"])
def test_an_answer_that_breaks_off_is_told_in_words(model, fake, asked, fault):
    fake.misbehave(fault, times=6)

    reason = asked().reason

    assert reason.startswith("Language model: The answer did not come whole: ")
    assert reason.endswith(".")


def test_a_model_whose_key_was_refused_is_not_said_to_be_missing(model, fake, asked):
    fake.misbehave(FAULTS["401"])
    asked()

    draft = asked(about="More news")

    assert (draft.made_by, draft.why) == ("rules", "not_connected")
    assert "cannot be asked: needs to be connected again (" in draft.reason


def test_too_few_variants_are_counted_in_the_reason_and_not_repeated(model, fake, asked):
    fake.misbehave(FAULTS["too_few"], times=2)

    draft = asked()

    told = "The model's answer does not keep to the schema: $.variants: 4 where at least 5 are asked for."
    assert (draft.made_by, draft.why, draft.reason) == ("rules", "invalid", told)
    assert_sendable(draft)


def test_a_server_that_is_gone(workspace, settings, asked):
    with LanguageModel() as gone:
        settings.INTEGRATION_URLS = {"llm": gone.url}
    connection_to(workspace, "llm", account="m", secrets={"api_key": API_KEY}, model="fake-1")

    assert asked().made_by == "rules"


def test_a_circuit_that_is_open(model, fake, asked):
    fake.misbehave(Answer(error("server_error", status=500)), times=200)
    whys = [asked(about=f"News {n}").why for n in range(12)]

    assert whys[0] == "retryable"
    assert whys[-1] == "circuit_open"


def test_a_day_without_tokens(workspace, fake, asked):
    connection_to(
        workspace, "llm", account="m", secrets={"api_key": API_KEY}, model="fake-1", daily_tokens="100"
    )

    draft = asked()
    assert (draft.made_by, draft.why) == ("rules", "tokens_spent")
    assert fake.seen == []


def test_without_a_model_rules_write(asked):
    draft = asked()

    assert (draft.made_by, draft.why) == ("rules", "not_connected")
    assert draft.variants == angles.written(briefs.of(BRIEF))
    assert_sendable(draft)
    assert all("barn is open" in one["body_markdown"] for one in draft.variants)


def test_rules_take_a_brief_as_data():
    brief = briefs.of({"about": "{{ 7 * 7 }} {% for x in y %} <script>x</script> " + "long " * 60})

    for one in angles.written(brief):
        rendered = letter(subject=one["subject"], preheader=one["preheader"], body=one["body_markdown"])
        text = rendered.render({}, TOKENS).text.decode()
        assert "49" not in text
        assert "<script>" not in text
        assert len(rendered.render({}, TOKENS).subject) <= contract.LONGEST_SUBJECT


# The switch


def test_switched_off_no_model_is_asked(model, fake, asked, person):
    ai_switch.turn_off(person, reason="a trial", now=NOW)

    draft = asked()

    assert (draft.made_by, draft.why) == ("rules", "switched_off")
    assert "a trial" in draft.reason
    assert fake.seen == []

    ai_switch.turn_on(person, now=NOW, reason="it was looked at")
    assert asked(about="Other news").made_by == "model"
    turned = AuditEntry.objects.filter(deed__startswith="ai_content.turned").order_by("pk")
    assert [one.deed for one in turned] == ["ai_content.turned_off", "ai_content.turned_on"]


def test_the_alert_switches_off_and_a_person_on(workspace, model, fake, asked, person):
    metrics._buffer.clear()
    for _ in range(10):
        metrics.observe("ai.success", 0.0)
    metrics.flush()
    rules.listed()

    rules.look(now=NOW)

    row = AiSwitch.objects.get()
    assert not row.is_on
    assert row.reason == "AI content fails: 100% of 10 answers in a quarter of an hour failed."
    assert asked().why == "switched_off"
    with pytest.raises(PermissionDenied):
        ai_switch.turn_on(system(workspace.pk), now=NOW)
    ai_switch.turn_on(person, now=NOW)
    assert asked(about="Other news").made_by == "model"


def test_a_floor_above_may_hold_it(model, fake, asked, monkeypatch):
    monkeypatch.setattr(ai, "_holds", [*ai._holds, lambda: "The flag is off."])

    assert asked().reason == "Language models are switched off here: The flag is off."


# Asking and taking


def test_asking_again_while_it_is_under_way(person, campaign):
    first, job = ai.ask(person, campaign, BRIEF, now=NOW)
    again, same = ai.ask(person, campaign, BRIEF, now=NOW)
    other, _ = ai.ask(person, campaign, BRIEF | {"about": "Other"}, now=NOW)

    assert (again.pk, same.pk) == (first.pk, job.pk)
    assert other.pk != first.pk


def test_a_job_that_runs_twice_asks_once(model, fake, asked):
    draft = asked()
    job = Job.objects.get()
    Job.objects.update(state=Job.State.QUEUED)
    cache.clear()

    jobs.run(job_id=job.pk)

    assert len(fake.seen) == 1
    draft.refresh_from_db()
    assert draft.made_by == "model"


def test_the_same_brief_later_costs_no_tokens(model, fake, asked):
    first, second = asked(), asked()

    assert second.pk != first.pk
    assert second.tokens == 0
    assert second.variants == first.variants


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"about": " "}, "about"),
        ({"about": "x" * 2_001}, "about"),
        ({"tone": "x" * 61}, "tone"),
        ({"links": [("x", "javascript:alert(1)")]}, "links"),
        ({"links": [("", "https://a.example")]}, "links"),
        ({"links": [("x", "https://a.example")] * 11}, "links"),
        ({"names": ["x" * 121]}, "names"),
    ],
)
def test_a_brief_that_cannot_be_used(person, campaign, changes, field):
    with pytest.raises(Invalid) as caught:
        ai.ask(person, campaign, BRIEF | changes, now=NOW)

    assert list(caught.value.errors) == [field]
    assert not AiDraft.objects.exists()


def test_variants_are_taken_edited_and_approved(model, fake, asked, person, campaign):
    draft = asked()

    taken = ai.take(person, draft, [2, 4], now=NOW)

    assert [(one.key, one.made_by, one.angle, one.cta_url) for one in taken] == [
        ("a", "model", "angle 2", "https://barn.example/open-day?secret=1"),
        ("b", "model", "angle 4", "https://barn.example/open-day?secret=1"),
    ]
    assert Content.objects.filter(approved_at__isnull=False).count() == 0
    edited = variants.change(person, taken[0], now=NOW, subject="Our own words")
    assert variants.approve(person, edited, now=NOW).approved_by == person.label


def test_what_rules_wrote_is_labelled_so(asked, person):
    [taken] = ai.take(person, asked(), [1], now=NOW)

    assert (taken.made_by, taken.get_made_by_display()) == ("rules", "our own rules, no model")


@pytest.mark.parametrize("numbers", [[], [0], [6], [1, 9]])
def test_there_are_five_to_take(asked, person, numbers):
    with pytest.raises(Invalid):
        ai.take(person, asked(), numbers, now=NOW)
    assert not Content.objects.exists()


def test_a_draft_of_another_workspace_is_not_there(person, campaign):
    with pytest.raises(NotHere):
        ai.get("01900000-0000-7000-8000-000000000001")


def test_words_of_the_contract_are_the_contents():
    assert set(Words.__annotations__) == set(variants.WORDS)
