"""Texts for some readers alone: a fifth get what is for everybody, so that the others' worth can be read."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.permissions import system
from apps.campaigns import arm_figures, campaign_reports, campaign_wording, campaigns, splitting
from apps.campaigns.content import blocks, variants
from apps.campaigns.delivery import writing
from apps.campaigns.models import ArmFigures, Campaign, Content, Engagement, Recipient, Topic
from apps.campaigns.subscriptions import topics
from apps.integrations import bulk_mail
from tests.campaigns.built import launched, launched_evenly, ready, send_all, somebody
from tests.campaigns.content.letters_of import TOKENS, letter
from tests.campaigns.delivery import conftest as delivery_fixtures
from tests.campaigns.delivery.conftest import launch, work
from tests.factories import NOW

at_smtp, sender, sink = delivery_fixtures.at_smtp, delivery_fixtures.sender, delivery_fixtures.sink
campaign, people, topic = delivery_fixtures.campaign, delivery_fixtures.people, delivery_fixtures.topic
PHASES = """Hello {{ first_name }}.

{% if planning_phase == "finishing" %}
The last weeks.
{% elif season == "winter" %}
Sit by the fire.
{% else %}
Come and see.
{% endif %}
"""
LATER = NOW + timedelta(days=1)


def _with_blocks(workspace, **chosen):
    made = ready(workspace, variants=1, **chosen)
    one = variants.change(system(workspace.pk), variants.get(made, "a"), now=NOW, body=PHASES)
    variants.approve(somebody(workspace), one, now=NOW)
    return campaigns.find(made.public_id)


def _lot(body):
    words = Content(subject="Hello", body=body, preheader="", cta_label="")
    return blocks.lot_of(Campaign(), words)


def _text(made, values, **how):
    return made.render(values, TOKENS, **how).text.decode()


@pytest.mark.parametrize(
    ("values", "says", "says_by_lot"),
    [
        ({"planning_phase": "finishing", "season": "winter"}, "The last weeks.", "Come and see."),
        ({"planning_phase": "booking", "season": "winter"}, "Sit by the fire.", "Come and see."),
        ({}, "Come and see.", "Come and see."),
    ],
)
def test_by_lot_a_letter_says_what_is_for_everybody(values, says, says_by_lot):
    made, known = letter(body=PHASES), {"first_name": "Ann", **values}

    assert says in _text(made, known)
    plain = _text(made, known, is_plain=True)
    assert says_by_lot in plain
    assert "Hello Ann." in plain


def test_of_traits_only_what_is_asked_for_is_left_out():
    body = "{% if traits.plan == 'gold' %}\nGold.\n{% endif %}\n\nYou are {{ traits.guests }}."
    made = letter(body=body, subject="{{ 'Yes' if traits['vip'] else 'No' }}")
    known = {"traits": {"plan": "gold", "guests": 120, "vip": True}}

    plain = made.render(known, TOKENS, is_plain=True)

    assert "Gold." in _text(made, known)
    assert b"Gold." not in plain.text
    assert b"You are 120." in plain.text
    assert (made.render(known, TOKENS).subject, plain.subject) == ("Yes", "No")


@pytest.mark.parametrize(
    "greeting",
    [
        "{% if NAME %}Hello {{ NAME }}.{% else %}Hello.{% endif %}",
        "{% if NAME is defined %}Hello {{ NAME | title }}.{% endif %}",
        "{{ NAME if NAME else 'you' }}",
        "{{ NAME | title or 'you' }}",
    ],
)
@pytest.mark.parametrize("name", ["first_name", "company", "traits.first_name"])
def test_a_greeting_that_asks_for_a_name_is_no_text_for_some(greeting, name):
    made = letter(body=greeting.replace("NAME", name))
    known = {"first_name": "Ann", "company": "Ann", "traits": {"first_name": "Ann"}}

    assert "Ann" in _text(made, known, is_plain=True)
    assert not blocks.asked_in(made.trees.values())


def test_a_name_that_is_said_is_kept_where_something_else_is_asked_beside_it():
    made = letter(
        body="{% if traits.nick and traits.vip %}{{ traits.nick }}, VIP.{% endif %} {{ traits.nick }}"
    )

    assert _text(made, {"traits": {"nick": "Bo", "vip": True}}, is_plain=True).startswith(" Bo\n")
    assert blocks.asked_in(made.trees.values()) == {"traits.vip"}


PRODUCTS = {"traits": {"products": [{"name": "Arch", "vip": True}], "plan": "gold"}}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (
            "{% for p in traits.products %}{% if p.vip %}New: {{ p.name }}{% endif %}{% endfor %}",
            "traits.products",
        ),
        ("{% for p in traits.products if p.vip %}New: {{ p.name }}{% endfor %}", "traits.products"),
        ("{{ traits.plan == 'gold' and 'New: Arch' }}", "traits.plan"),
        ("{{ (traits.plan == 'gold' and 'New: Arch') or 'Hi' }}", "traits.plan"),
        ("{{ 'New: Arch' if traits['plan'] == 'gold' }}", "traits.plan"),
    ],
)
def test_what_loops_and_short_conditions_ask_for_is_left_out(body, asked):
    made = letter(body=body)

    assert "New: Arch" in _text(made, PRODUCTS)
    assert "New: Arch" not in _text(made, PRODUCTS, is_plain=True)
    assert blocks.asked_in(made.trees.values()) == {asked}


@pytest.mark.parametrize(
    "body",
    [
        "{% for p in traits.products %}{{ p.name }}{% endfor %}",
        "{% for p in traits.products %}{% if p %}{{ p }}{% endif %}{% endfor %}",
        "{% if traits.products %}{% for p in traits.products %}{{ p.name }}{% endfor %}{% endif %}",
        "{% for p in ['a', 'b'] %}{% if p == 'a' %}{{ p }}{% endif %}{% endfor %}",
        "{{ traits.plan | default('free') }}",
    ],
)
def test_what_is_only_said_is_not_asked(body):
    assert not blocks.asked_in(letter(body=body).trees.values())


@pytest.mark.parametrize(
    "test",
    [
        "traits.vip",
        "traits.vip is defined",
        "traits.plan == 'gold'",
        "traits.plan in ['gold', 'silver']",
        "'music' in traits.interests",
        "traits.guests > 100 and (season == 'winter' or days_to_wedding <= 30)",
        "30 > days_to_wedding",
        "traits.interests | length > 2",
        "first_name and traits.vip",
        "traits.plan | default('free') == 'gold'",
    ],
)
def test_a_condition_that_asks_for_what_is_so_is_measured(test):
    assert _lot(f"{{% if {test} %}}Gin.{{% else %}}Tea.{{% endif %}}") == "drawn"
    assert _lot(f"{{{{ {test} and 'Gin' }}}}") == "drawn"


@pytest.mark.parametrize(
    "test",
    [
        "not traits.under_18",
        "traits.under_18 != true",
        "traits.plan not in ['gold']",
        "traits.under_18 is undefined",
        "traits.under_18 is not defined",
        "traits.vip and not traits.under_18",
        "not (traits.under_18 or traits.vip)",
        "traits.age | length < 3",
        "traits.guests | length == 0",
        "traits.age | default(20) >= 18",
        "traits.under_18 | default('no') == 'no'",
        "traits.plan | default(first_name) == first_name",
        "(traits.a or 'x') == 'x'",
        "(0 if traits.under_18 else 1)",
        "not planning_phase",
    ],
)
def test_a_condition_that_asks_for_what_is_not_so_is_not_measured(test):
    assert _lot(f"{{% if {test} %}}Gin.{{% endif %}}") == "negated"
    assert _lot(f"{{% if season == 'winter' %}}Fire.{{% elif {test} %}}Gin.{{% endif %}}") == "negated"
    assert _lot(f"{{{{ 'Gin' if {test} }}}}") == "negated"
    assert _lot(f"{{{{ ({test}) and 'Gin' }}}}") == "negated"


def test_a_loop_that_takes_what_is_not_so_is_not_measured():
    assert _lot("{% for p in traits.products if not p.adult %}{{ p.name }}{% endfor %}") == "negated"
    assert (
        _lot("{% for p in traits.list %}{% if p.adult != true %}{{ p.name }}{% endif %}{% endfor %}")
        == "negated"
    )


def test_asking_how_somebody_is_called_in_any_way_is_no_text_for_some():
    assert _lot("{% if not first_name %}Who are you?{% endif %}") == ""


def test_the_database_draws_the_same_lot(workspace, campaign, people):
    people(60)
    made = campaign()
    launch(made, now=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT r.person_id FROM campaigns_recipient AS r WHERE {blocks.PLAIN}")  # noqa: S608 - ours
        drawn = {key for (key,) in cursor.fetchall()}

    everybody = Recipient.objects.values_list("person_id", flat=True)
    assert drawn == {key for key in everybody if blocks.is_plain(made.pk, key)}
    assert 0 < len(drawn) < 60


def test_a_fifth_of_the_people_is_drawn():
    assert sum(blocks.is_plain(7, person) for person in range(10_000)) == pytest.approx(2_000, abs=160)


def test_letters_that_leave_follow_the_lot(workspace, campaign, people, sink, at_smtp):
    made_people = people(60, wedding_date=(timezone.now() + timedelta(days=30)).date().isoformat())
    made = campaign()
    Content.objects.filter(campaign=made).update(body=PHASES)
    blocks.mark(made, list(Content.objects.filter(campaign=made)))

    launch(made, now=timezone.now())
    work()

    letters = zip(sink.stored, sink.messages, strict=True)
    said = {to: b"The last weeks." in raw for (to, _), raw in letters}
    assert said == {
        f"{one.external_id}@example.com": not blocks.is_plain(made.pk, one.pk) for one in made_people
    }
    assert set(said.values()) == {True, False}


def test_a_launch_writes_down_what_is_measured(actor, workspace):
    plain = launched(actor, ready(workspace, many=3, variants=1))

    made = launched(actor, _with_blocks(workspace, audience=plain.audience))

    assert [one.campaign for one in Content.objects.filter(has_blocks=True)] == [made]


def test_what_is_asked_negatively_goes_to_whom_it_is_for(workspace, campaign, people, sink, at_smtp):
    grown, minors = people(20), people(20, first=20, under_18=True)
    made = campaign()
    body = "{% if not traits.under_18 %}Gin.{% else %}Tea.{% endif %}"
    Content.objects.filter(campaign=made).update(body=body, has_blocks=True)

    blocks.mark(made, list(Content.objects.filter(campaign=made)))
    launch(made, now=timezone.now())
    work()

    letters = zip(sink.stored, sink.messages, strict=True)
    said = {to: b"Gin." in raw for (to, _), raw in letters}
    assert said == {f"{one.external_id}@example.com": one in grown for one in [*grown, *minors]}
    assert not Content.objects.filter(has_blocks=True).exists()


def test_a_copy_is_not_marked_before_it_leaves(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=3))

    copy = campaigns.duplicate(actor, made, now=NOW)

    assert [one.campaign for one in Content.objects.filter(has_blocks=True)] == [made]
    one = Content.objects.get(campaign=copy)
    Content.objects.filter(pk=one.pk).update(has_blocks=True, body="Hello.")
    blocks.mark(copy, list(Content.objects.filter(campaign=copy)))
    assert not Content.objects.filter(campaign=copy, has_blocks=True).exists()


def test_a_topic_that_people_wait_for_from_now_on_ends_the_lot(actor, campaign, at_smtp):
    made = campaign()
    Campaign.objects.filter(pk=made.pk).update(kind=Campaign.Kind.TRIGGERED, state=Campaign.State.RUNNING)
    Content.objects.filter(campaign=made).update(body=PHASES, has_blocks=True)

    topics.change(actor, made.topic, now=NOW, basis=Topic.Basis.SERVICE)

    assert not Content.objects.filter(has_blocks=True).exists()
    Content.objects.filter(campaign=made).update(has_blocks=True)
    assert not writing.writer(campaigns.find(made.public_id), bulk_mail.sender(made.sender)).measured


def test_a_service_message_is_left_whole(workspace):
    Topic.objects.create(workspace=workspace, key="news", name="Receipts", basis=Topic.Basis.SERVICE)
    made = _with_blocks(workspace, many=3)

    blocks.mark(made, list(Content.objects.filter(campaign=made)))

    assert not Content.objects.filter(has_blocks=True).exists()


def test_what_the_texts_brought_is_read_once_all_windows_are_over(actor, workspace):
    made = launched_evenly(actor, lambda: _with_blocks(workspace, many=600))
    send_all(made, at=NOW)
    rows = list(Recipient.objects.filter(campaign=made))
    plain = [row for row in rows if blocks.is_plain(made.pk, row.person_id)]
    own = [row for row in rows if not blocks.is_plain(made.pk, row.person_id)]
    _click(made, [*own[: len(own) // 2], *plain[: len(plain) // 4]])
    arm_figures.refresh(made, now=LATER)
    early = campaign_reports.read(made, now=LATER).blocks
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made, over = campaigns.find(made.public_id), NOW + timedelta(days=9)
    arm_figures.refresh(made, now=over)

    found = campaign_reports.read(made, now=over).blocks

    assert early.total is None
    assert "read once" in early.because
    assert (found.people, found.held_out) == (len(own), len(plain))
    rates = len(own) // 2 / len(own) - len(plain) // 4 / len(plain)
    assert found.total == pytest.approx(rates * len(own))
    assert 0 < found.low < found.high
    words = campaign_wording.blocks_words(found, splitting.CLICK)
    assert "by lot with what is for everybody" in words
    assert "more people clicked than with what is for everybody" in words
    assert "more people reached the goal than" in campaign_wording.blocks_words(found, splitting.CONVERSION)


def test_few_are_told_how_many_more_it_takes(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=40))
    send_all(made, at=NOW)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made, over = campaigns.find(made.public_id), NOW + timedelta(days=9)
    arm_figures.refresh(made, now=over)

    found = campaign_reports.read(made, now=over).blocks

    assert found.total is None
    assert campaign_wording.blocks_words(found, splitting.CLICK).startswith("Not yet: ")


def test_a_triggered_campaign_is_read_as_windows_end(actor, workspace):
    made = launched_evenly(actor, lambda: _with_blocks(workspace, many=400))
    send_all(made, at=NOW)
    Campaign.objects.filter(pk=made.pk).update(kind=Campaign.Kind.TRIGGERED)
    made = campaigns.find(made.public_id)
    rows = list(Recipient.objects.filter(campaign=made))
    _click(made, rows[::2])
    open_yet = Recipient.objects.filter(pk__in=[row.pk for row in rows[:100]])
    open_yet.update(settled_at=NOW + timedelta(days=8))
    now = NOW + timedelta(days=9)

    arm_figures.refresh(made, now=now)

    found = campaign_reports.read(made, now=now).blocks
    assert found.people + found.held_out == 300
    assert (found.total is not None, found.is_final) == (True, False)
    assert "of those whose window is over" in campaign_wording.blocks_words(found, splitting.CLICK)


def test_what_left_before_there_was_a_lot_is_not_compared(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=40))
    Content.objects.filter(campaign=made).update(has_blocks=False)
    send_all(made, at=NOW)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made, over = campaigns.find(made.public_id), NOW + timedelta(days=9)

    arm_figures.refresh(made, now=over)

    assert campaign_reports.read(made, now=over).blocks is None
    assert not ArmFigures.objects.filter(kind__in=["blocks", "plain"]).exists()


def _click(made, rows):
    Engagement.objects.bulk_create(
        Engagement(
            workspace_id=made.workspace_id,
            campaign=made,
            content_id=row.content_id,
            recipient_id=row.pk,
            person_id=row.person_id,
            kind="clicked",
            event_id=f"click-{row.pk}",
            is_first=True,
            occurred_at=NOW + timedelta(hours=1),
        )
        for row in rows
    )


def test_the_builder_says_that_a_fifth_gets_what_is_for_everybody(page, workspace):
    made, said = _with_blocks(workspace, many=3), "One reader in five, drawn by lot"
    address, check = (f"/campaigns/{made.public_id}/build/{step}/" for step in ("content", "check"))

    assert said in page.get(check).content.decode()
    assert said in page.get(address).content.decode()

    Content.objects.filter(campaign=made).update(body="{% if not traits.vip %}\nGin.\n{% endif %}")
    shown = page.get(address).content.decode()
    assert said not in shown
    assert "Not measured: a condition asks what is not so" in shown
    assert "is not measured: a condition asks what is not so" in page.get(check).content.decode()
    Content.objects.filter(campaign=made).update(body="{% if season %}")
    assert page.get(address).status_code == 200
    Content.objects.filter(campaign=made).update(body="Hello {{ first_name }}")
    assert said not in page.get(address).content.decode()
