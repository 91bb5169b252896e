"""Texts for some readers alone: a fifth get what is for everybody, so that the others' worth can be read."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.permissions import system
from apps.campaigns import arm_figures, campaign_reports, campaign_wording, campaigns
from apps.campaigns.content import blocks, variants
from apps.campaigns.models import ArmFigures, Campaign, Content, Engagement, Recipient, Topic
from tests.campaigns.built import launched, ready, send_all, somebody
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


def test_a_greeting_that_asks_for_a_name_is_no_text_for_some():
    made = letter(body="{% if first_name %}Hello {{ first_name }}.{% else %}Hello.{% endif %}")

    assert "Hello Ann." in _text(made, {"first_name": "Ann"}, is_plain=True)
    assert not blocks.asked_in(made.trees.values())


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
    made_people = people(30, wedding_date=(timezone.now() + timedelta(days=30)).date().isoformat())
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


def test_a_service_message_is_left_whole(workspace):
    Topic.objects.create(workspace=workspace, key="news", name="Receipts", basis=Topic.Basis.SERVICE)
    made = _with_blocks(workspace, many=3)

    blocks.mark(made, list(Content.objects.filter(campaign=made)))

    assert not Content.objects.filter(has_blocks=True).exists()


def test_what_the_texts_brought_is_read_once_all_windows_are_over(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=600))
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
    assert "by lot with what is for everybody" in campaign_wording.blocks_words(found)


def test_few_are_told_how_many_more_it_takes(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=40))
    send_all(made, at=NOW)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=LATER)
    made, over = campaigns.find(made.public_id), NOW + timedelta(days=9)
    arm_figures.refresh(made, now=over)

    found = campaign_reports.read(made, now=over).blocks

    assert found.total is None
    assert campaign_wording.blocks_words(found).startswith("Not yet: ")


def test_a_triggered_campaign_is_read_as_windows_end(actor, workspace):
    made = launched(actor, _with_blocks(workspace, many=400))
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
    assert "of those whose window is over" in campaign_wording.blocks_words(found)


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
    address = f"/campaigns/{made.public_id}/build/content/"

    assert said in page.get(address).content.decode()

    Content.objects.filter(campaign=made).update(body="{% if season %}")
    assert page.get(address).status_code == 200
    Content.objects.filter(campaign=made).update(body="Hello {{ first_name }}")
    assert said not in page.get(address).content.decode()
