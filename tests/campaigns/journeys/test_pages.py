"""The builder and the pages of a journey, as somebody without JavaScript uses them."""

import re

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEntry
from apps.campaigns import flags
from apps.campaigns import switches as flag_switches
from apps.campaigns.journeys import drafts, figures, graph, patterns, picture
from apps.campaigns.models import Journey, JourneyRun, JourneyTask
from tests.campaigns.journeys.conftest import of_type
from tests.factories import NOW, PersonFactory, member


def _url(name, *args):
    return reverse(f"campaigns:{name}", args=args)


@pytest.mark.parametrize("key", patterns.PATTERNS)
def test_every_pattern_can_be_started_shown_and_edited(page, key):
    answer = page.post(_url("journeys"), {"name": "Mine", "pattern": key})
    assert answer.status_code == 302
    made = Journey.objects.get()
    edit = page.get(answer.headers["Location"]).content.decode()
    assert "against publishing" in edit
    assert page.get(_url("journey", made.public_id)).status_code == 200
    for step in made.draft["steps"]:
        assert page.get(_url("journey-step", made.public_id, step)).status_code == 200


def test_a_journey_is_built_and_published_by_forms_alone(page, campaign):
    page.post(_url("journeys"), {"name": "Built by hand"})
    made = Journey.objects.get()
    assert page.post(_url("journey-add-entry", made.public_id, "api")).status_code == 302
    news = {"source": "conversion.recorded", "field_1": "type", "test_1": "is", "value_1": "booking"}
    assert page.post(_url("journey-add-entry", made.public_id, "goal"), news).status_code == 302
    add = _url("journey-add-step", made.public_id)
    assert "Wait until a date" in page.get(add).content.decode()

    def put(kind, fields, after="", way="then"):
        address = f"{add}?kind={kind}&after={after}&way={way}"
        assert page.get(address).status_code == 200
        answer = page.post(address, fields)
        assert answer.status_code == 302, answer.content.decode()

    put("message", {"campaign": str(campaign.public_id)})
    put("wait_event", {**news, "days": 3, "hours": 0, "minutes": 0}, after="message-1")
    put("exit", {"label": "Booked"}, after="wait_event-1")
    put("task", {"title": "Call", "note": "", "due_days": 1}, after="wait_event-1", way="otherwise")
    put("split", {"shares": "a 50, b 50", "goal": ""}, after="task-1")
    put("tag", {"trait": "asked", "value": "yes"}, after="split-1", way="arm:b")
    put("wait_hour", {"hour": 9, "weekday": ""}, after="tag-1")
    put("wait_date", {"trait": "wedding_date", "days": 14, "side": "before", "hour": 9}, after="wait_hour-1")
    put("webhook", {"label": "done"}, after="wait_date-1")
    put("condition", news | {"audience": ""}, after="webhook-1")
    put("wait", {"days": 1}, after="condition-1", way="yes")
    made.refresh_from_db()
    assert graph.faults(made.draft) == []
    assert made.draft["steps"]["wait_date-1"]["days"] == -14
    assert "can be <em>published</em>" in page.get(_url("journey-edit", made.public_id)).content.decode()

    assert page.post(_url("journey-publish", made.public_id)).status_code == 302
    made.refresh_from_db()
    assert (made.state, made.live) == ("live", 1)
    shown = page.get(_url("journey", made.public_id)).content.decode()
    assert "<svg" in shown
    assert "Call" in shown


def test_a_way_may_lead_back_and_a_step_may_go(page):
    page.post(_url("journeys"), {"name": "Loop", "pattern": "enquiry"})
    made = Journey.objects.get()
    step = _url("journey-step", made.public_id, "four-days")
    assert page.post(step, {"days": 4, "way_then": "booked"}).status_code == 302
    made.refresh_from_db()
    assert made.draft["steps"]["four-days"]["next"] == "booked"
    assert "call" not in made.draft["steps"], "nothing leads there any more"
    assert page.get(_url("journey", made.public_id)).status_code == 200

    page.post(_url("journey-remove-step", made.public_id, "booked"))
    made.refresh_from_db()
    assert made.draft["first"] == "thanks"
    assert set(made.draft["steps"]) == {"thanks"}


def test_two_editors_do_not_undo_each_other(page):
    page.post(_url("journeys"), {"name": "Mine", "pattern": "welcome"})
    made = Journey.objects.get()
    form = {"name": "A", "entries_a_day": 10, "reentry": "days", "reentry_days": 9, "revision": 1}
    edit = _url("journey-edit", made.public_id)
    assert page.post(edit, form).status_code == 302
    answer = page.post(edit, form | {"name": "B"})
    assert answer.status_code == 400
    assert "meanwhile" in answer.content.decode()
    made.refresh_from_db()
    assert (made.name, made.entries_a_day, made.draft["reentry_days"]) == ("A", 10, 9)


def test_each_number_leads_to_its_people_and_names_are_audited(road, message, page):
    way = road("hello", {"hello": message("wait"), "wait": {"kind": "wait", "days": 2, "next": ""}})
    ada = way.person(email_index=b"1")
    way.enter(ada)
    way.tick()
    shown = page.get(_url("journey", way.journey.public_id)).content.decode()
    links = set(re.findall(r'href="([^"]*/people/\?[^"]+)"', shown))
    assert len(links) >= 3
    told = [page.get(link.replace("&amp;", "&")).content.decode() for link in links]
    assert sum(str(ada.public_id) in one for one in told) >= 3

    people = _url("journey-people", way.journey.public_id)
    assert page.get(f"{people}?names=1").status_code == 200
    assert AuditEntry.objects.filter(deed="people.revealed").count() == 1


def test_a_viewer_sees_no_names_and_changes_nothing(road, client, workspace):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": ""}})
    way.enter(way.person())
    client.force_login(member(workspace, "viewer"))
    people = client.get(_url("journey-people", way.journey.public_id) + "?names=1").content.decode()
    assert "Show names" not in people
    assert not AuditEntry.objects.filter(deed="people.revealed").exists()
    for name in ("journey-edit", "journey-pause", "journey-publish", "journey-stop", "journey-delete"):
        assert client.post(_url(name, way.journey.public_id)).status_code == 403


def test_pausing_resuming_stopping_by_buttons(road, page):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": ""}})
    way.enter(way.person())
    for name, state in (("pause", "paused"), ("resume", "live"), ("stop", "stopped")):
        page.post(_url(f"journey-{name}", way.journey.public_id), {"reason": "odd"})
        way.journey.refresh_from_db()
        assert way.journey.state == state
        assert page.get(_url("journey", way.journey.public_id)).status_code == 200
    assert not JourneyRun.objects.filter(is_open=True).exists()


def test_people_are_moved_to_the_live_version_by_a_form(road, page, actor):
    way = road("wait", {"wait": {"kind": "wait", "days": 2, "next": ""}})
    way.enter(way.person())
    way.tick()
    steps = {"rest": {"kind": "wait", "days": 9, "next": ""}}
    draft = way.journey.draft | {"first": "rest", "steps": steps}
    drafts.change(actor, way.journey, revision=None, draft=draft, now=NOW)
    drafts.publish(actor, way.journey, now=NOW)
    address = _url("journey-move", way.journey.public_id) + "?was=1"
    assert re.search(r"1\s+person", page.get(address).content.decode())
    page.post(address, {"was": "1", "to_wait": "rest"})
    assert JourneyRun.objects.get().version == 2


def test_the_list_of_tasks(road, page):
    way = road("call", {"call": {"kind": "task", "title": "Call them", "next": ""}})
    way.enter(way.person())
    way.tick()
    assert "Call them" in page.get(_url("journey-tasks")).content.decode()
    task = JourneyTask.objects.get()
    page.post(_url("journey-task-settle", task.public_id), {"is_done": "yes"})
    assert "Call them" in page.get(_url("journey-tasks") + "?state=settled").content.decode()
    task.refresh_from_db()
    assert task.state == "done"


def test_a_picture_has_room_for_every_step_and_no_box_on_another():
    for pattern in patterns.PATTERNS.values():
        drawn = picture.draw(pattern.graph)
        boxes = [place for place in drawn.places if place.kind == "step"]
        assert {place.key for place in boxes} == set(pattern.graph["steps"])
        for one in boxes:
            assert 0 <= one.left <= drawn.width - picture.WIDTH
            for other in boxes:
                assert one is other or one.row != other.row or abs(one.x - other.x) >= picture.WIDTH


def test_figures_add_up(road, message):
    way = road(
        "hello",
        {"hello": message("wait"), "wait": {"kind": "wait", "days": 1, "next": ""}},
        goals=[of_type("booking")],
    )
    crowd = [way.person(email_index=b"1") for _ in range(5)]
    way.enter(*crowd)
    way.tick()
    way.now = way.now.replace(hour=15)
    way.hear(crowd[0], "booking")
    way.tick(days=2)
    PersonFactory(workspace=way.workspace)
    told = figures.of(way.journey)
    assert (told.entered, told.in_flight) == (5, 0)
    assert told.left == {"finished": 4, "goal": 1}
    assert told.ways["hello", "then"] == 5


def test_pages_say_that_journeys_are_switched_off_and_by_whom(page, road, actor, message):
    made = road("hello", {"hello": message()}).journey
    addresses = (_url("journeys"), _url("journey", made.public_id))
    assert not any("is switched off" in page.get(address).content.decode() for address in addresses)

    flag_switches.turn(actor, flags.JOURNEYS, is_on=False, now=NOW)

    for address in addresses:
        said = page.get(address).content.decode()
        assert "“Journeys” is switched off in this workspace. An owner may switch it on again." in said
        assert "whoever is on one stays at their step" in said
