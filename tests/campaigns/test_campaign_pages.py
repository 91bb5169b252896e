"""Pages of campaigns: the builder keeps as one goes, the list moves, one campaign says its answer first."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from apps.accounts.models import AuditEntry
from apps.accounts.permissions import system
from apps.campaigns import arm_figures, campaign_wording, campaigns, flags, splitting, switches
from apps.campaigns.content import ai, ai_switch, variants
from apps.campaigns.delivery import limits
from apps.campaigns.maths.arm_sums import Brought
from apps.campaigns.models import AiDraft, Campaign, Content, FlagChoice, Recipient, SendCount
from tests.campaigns.built import click, convert, launched, launched_evenly, ready, send_all
from tests.factories import NOW, PersonFactory, member

LATER = NOW + timedelta(hours=2)
HTMX = {"HTTP_HX_REQUEST": "true"}


def _text(answer):
    """The page's words, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode())).replace("\xa0", " ")


def test_an_empty_list_says_what_will_stand_there(page):
    assert "No campaign has been written yet" in _text(page.get("/campaigns/"))


def test_a_new_one_leads_into_the_builder(page):
    answer = page.post("/campaigns/new/", {"name": "Spring"})

    made = Campaign.objects.get()
    assert answer.headers["Location"] == f"/campaigns/{made.public_id}/build/audience/"


def test_who_was_held_out_is_told_before_anything_is_summed_up(page, actor, workspace):
    made = launched(actor, ready(workspace, many=40, hold_out_share=0.2))

    shown = _text(page.get(f"/campaigns/{made.public_id}/"))

    assert "Nobody was held out" not in shown
    assert "Not enough data yet: It is summed up a minute or two after it left." in shown


def test_a_variant_is_called_by_its_subject_and_not_by_its_program():
    words = campaign_wording.subject_words

    assert words("{{ first_name | default('Hello') }}, our {{ traits.plan }} days") == "Ada, our gold days"
    assert words("{% if season == 'winter' %}Fire{% else %}Garden{% endif %} days") == "Garden days"
    assert words("Hi{% if first_name %} {{ first_name }}{% endif %}, come") == "Hi Ada, come"
    assert words("{{ 'Yes' if traits['vip'] else 'No' }}") == "No"
    assert words("{{ traits.rank }}") == "{{ traits.rank }}"
    assert words("{% if season %}Fire") == "{% if season %}Fire"
    assert words("50 % {off}") == "50 % {off}"


def test_the_message_of_a_journey_is_made_by_the_pages_alone(page, workspace):
    ready(workspace, many=1)
    asked = {"name": "Thanks", "kind": "triggered"}
    address = page.post("/campaigns/new/", asked).headers["Location"].removesuffix("audience/")
    made = Campaign.objects.get(name="Thanks")
    first = page.get(f"{address}audience/")
    assert "A journey says who gets it." in _text(first)
    assert 'name="audience"' not in first.content.decode()
    assert 'name="test_percent"' not in page.get(f"{address}goal/").content.decode()
    kept = {"version": made.version, "goal": "", "goal_days": "7", "hold_out_percent": "10"}
    assert page.post(f"{address}goal/", kept).status_code == 302
    assert (
        page.post(f"/campaigns/{made.public_id}/contents/", {"subject": "Ta", "body": "Hi"}).status_code
        == 302
    )
    one = variants.get(made, "a")
    words = {"subject": "Ta", "body": "Hi", "version": one.version, "do": "approve"}
    page.post(f"/campaigns/{made.public_id}/contents/a/", words)
    assert "Once it is launched a journey can send it" in _text(page.get(f"{address}check/"))

    launched_at = page.post(f"/campaigns/{made.public_id}/launch/").headers["Location"]

    assert "1 campaign goes to whoever a journey leads there." in _text(page.get("/campaigns/"))
    shown = _text(page.get(launched_at))
    assert "Ready, and has gone to nobody yet" in shown
    assert "at work" in shown
    made.refresh_from_db()
    assert (made.kind, made.hold_out_share, made.test_share) == ("triggered", 0.1, 1.0)


@pytest.mark.parametrize("step", ["audience", "content", "schedule", "goal", "check"])
def test_each_step_opens(page, workspace, step):
    made = ready(workspace, many=3)

    answer = page.get(f"/campaigns/{made.public_id}/build/{step}/")

    assert answer.status_code == 200
    assert "It would reach 3 people now" in _text(answer)


def test_a_step_is_kept_as_one_goes(page, workspace):
    made = ready(workspace, many=3)
    address = f"/campaigns/{made.public_id}/build/goal/"
    given = {
        "version": made.version,
        "goal": "",
        "goal_days": "7",
        "hold_out_percent": "10",
        "test_percent": "40",
        "test_hours": "2",
    }

    kept = page.post(address, given, **HTMX)
    stale = page.post(address, {**given, "hold_out_percent": "20"}, **HTMX)
    wrong = page.post(address, {**given, "version": made.version + 1, "hold_out_percent": "80"}, **HTMX)

    found = Campaign.objects.get()
    assert (found.hold_out_share, found.test_share, found.test_hours) == (0.1, 0.4, 2.0)
    assert f'value="{made.version + 1}"' in kept.content.decode()
    assert "meanwhile" in _text(stale)
    assert "Hold out percent" in _text(wrong)


def test_without_scripts_a_button_goes_on(page, workspace):
    made = ready(workspace, many=3)
    given = {"version": made.version, "name": "Summer", "audience": str(made.audience.public_id)}

    answer = page.post(f"/campaigns/{made.public_id}/build/audience/", given)

    assert answer.headers["Location"].endswith("/build/content/")
    assert Campaign.objects.get().name == "Summer"


def test_words_are_kept_approved_and_taken_away(page, workspace):
    made = ready(workspace, many=3)
    address = f"/campaigns/{made.public_id}/contents/a/"
    words = {"subject": "Other words", "body": "Hello", "weight": "2"}
    seen = Content.objects.get(key="a").version

    page.post(address, {**words, "do": "save", "version": seen})
    one = Content.objects.get(key="a")
    assert (one.subject, one.weight, one.approved_at) == ("Other words", 2, None)
    page.post(address, {**words, "do": "approve", "version": one.version})
    assert Content.objects.get(key="a").approved_at is not None
    page.post(address, {"do": "remove", "version": one.version})
    assert [one.key for one in Content.objects.all()] == ["b"]


def _words(page, address):
    """What the form of the first variant would send."""
    shown = page.get(address).content.decode()
    version = re.search(r'name="version"\s+id="id_version"\s+value="([^"]+)"', shown).group(1)
    one = Content.objects.order_by("pk").first()
    return {"subject": one.subject, "body": one.body, "version": version, "do": "save"}


def test_two_tabs_on_the_same_words_overwrite_nothing_of_each_other(page, workspace):
    made = ready(workspace, many=3)
    address = f"/campaigns/{made.public_id}/build/content/"
    to = f"/campaigns/{made.public_id}/contents/a/"
    first, second = _words(page, address), _words(page, address)

    kept = page.post(to, {**first, "subject": "From the first"}, **HTMX)
    refused = page.post(to, {**second, "body": "From the second"}, **HTMX)
    on_a_page = page.post(to, {**second, "body": "From the second"})

    one = Content.objects.get(key="a", campaign=made)
    assert (one.subject, one.body) == ("From the first", first["body"])
    assert "changed variant a (subject) meanwhile" in _text(refused)
    assert "From the second" in on_a_page.content.decode()
    assert on_a_page.status_code == 400
    again = re.search(r'id="id_version"\s+value="([^"]+)"', kept.content.decode()).group(1)
    page.post(to, {**first, "version": again, "subject": "And once more"}, **HTMX)
    one.refresh_from_db()
    assert one.subject == "And once more"


@pytest.mark.parametrize("version", ["yesterday", "", "-1", "9" * 30])
def test_a_page_that_does_not_say_what_was_read_changes_nothing(page, workspace, version):
    made = ready(workspace, many=3)
    words = {"subject": "New", "body": "New", "version": version}

    answer = page.post(f"/campaigns/{made.public_id}/contents/a/", words)

    assert answer.status_code == 400
    assert "Load the page again" in _text(answer)
    assert not Content.objects.filter(subject="New").exists()


@pytest.mark.parametrize("version", ["", "x", "-1", "²", "9" * 30])
def test_a_version_that_is_none_changes_nothing(page, workspace, version):
    made = ready(workspace, many=3)
    given = {"version": version, "name": "Summer", "audience": str(made.audience.public_id)}

    answer = page.post(f"/campaigns/{made.public_id}/build/audience/", given)

    assert answer.status_code == 400
    assert "meanwhile. Load it again" in _text(answer)
    assert not Campaign.objects.filter(name="Summer").exists()


def test_variants_that_were_written_are_weighed_and_the_chosen_ones_are_taken(page, workspace):
    made = ready(workspace, many=3)
    Content.objects.filter(campaign=made).delete()
    asked = page.post(f"/campaigns/{made.public_id}/variants/", {"about": "The barn is open on 6 June."})
    address = asked.headers["Location"]
    [draft] = AiDraft.objects.all()
    waiting = page.get(address)

    ai.write(draft, now=NOW)
    shown = page.get(address, **HTMX)
    boxes = re.findall(r'name="variant"\s+value="(\d)"', shown.content.decode())
    taken = page.post(address, {"variant": boxes[1:3]})

    assert "Five variants are being written" in _text(waiting)
    assert 'id="question" hx-swap-oob="true">Which of them do you want?' in shown.content.decode()
    assert _text(shown).count("prior only: by what is usual elsewhere") == 5
    assert taken.headers["Location"] == f"/campaigns/{made.public_id}/build/content/"
    subjects = Content.objects.filter(campaign=made).order_by("position").values_list("subject", flat=True)
    assert list(subjects) == [one["subject"] for one in draft.variants[1:3]]


def test_what_a_variant_may_come_to_stands_beside_its_words(page, workspace):
    made = ready(workspace, many=3)

    shown = _text(page.get(f"/campaigns/{made.public_id}/build/content/"))

    assert re.search(r"Foretold: \d+\.\d % click \d", shown)


def test_an_approval_of_words_that_were_replaced_shows_both_and_loses_none(page, actor, workspace):
    made = ready(workspace, many=3)
    address = f"/campaigns/{made.public_id}/contents/a/"
    seen = Content.objects.get(key="a")
    variants.change(actor, seen, now=NOW, subject="Text B", body="Theirs")
    mine = {"subject": "Text A", "body": "Mine", "version": seen.version, "weight": "1"}

    refused = page.post(address, {**mine, "do": "approve"})

    shown, now_there = _text(refused), Content.objects.get(key="a")
    assert refused.status_code == 400
    assert (now_there.subject, now_there.approved_at) == ("Text B", None)
    assert all(one in shown for one in ("Text B", "Theirs", "Mine", "meanwhile"))
    assert 'value="Text A"' in refused.content.decode()
    assert f'value="{now_there.version}"' in refused.content.decode()
    kept = page.post(address, {**mine, "version": seen.version}, **HTMX)
    assert "meanwhile" in _text(kept)
    page.post(address, {**mine, "do": "approve", "version": now_there.version})
    assert Content.objects.get(key="a").subject == "Text A"
    assert Content.objects.get(key="a").approved_at is not None
    assert page.post(address, {**mine, "do": "remove", "version": "x"}).status_code == 302
    assert Content.objects.filter(key="a").exists()


def test_the_preview_may_be_framed_here_and_nowhere_else(page, workspace):
    made = ready(workspace, many=1)

    answer = page.get(f"/campaigns/{made.public_id}/contents/a/preview/?dark")

    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "prefers-color-scheme" not in answer.content.decode().split("<body")[0].split("@media not")[0]


def test_the_subject_and_the_plain_text_are_shown_as_the_person_gets_them(page, workspace):
    made = ready(workspace, many=1)
    one = variants.get(made, "a")
    variants.change(system(workspace.pk), one, now=NOW, subject="For {{ traits.plan | default('all') }}")
    ada = PersonFactory(workspace=workspace, traits={"plan": "silver <&>"})
    address = f"/campaigns/{made.public_id}/build/content/?text=1&whose="

    shown, made_up = page.get(f"{address}{ada.public_id}"), page.get(address)

    assert "Subject: For silver &lt;&amp;&gt;" in _text(shown)
    assert "Hello there, the season opens." in _text(shown)
    assert "<iframe" not in shown.content.decode()
    assert "Subject: For gold" in _text(made_up)


def test_words_that_cannot_be_filled_in_are_told_in_the_frame(page, workspace):
    made = ready(workspace, many=1)
    Content.objects.filter(key="a").update(body="{% if %}")

    answer = page.get(f"/campaigns/{made.public_id}/build/content/?text=1")

    assert answer.status_code == 200
    assert "<iframe" in answer.content.decode()


def test_whoever_was_erased_is_shown_as_somebody_made_up(page, workspace):
    made, ada = ready(workspace, many=1), PersonFactory(workspace=workspace, erased_at=NOW)

    for address in ("build/content/", "contents/a/preview/"):
        assert page.get(f"/campaigns/{made.public_id}/{address}?whose={ada.public_id}").status_code == 200


def test_a_test_goes_to_ones_own_address_unless_another_is_named(page, workspace):
    made = ready(workspace, many=1)

    answer = page.get(f"/campaigns/{made.public_id}/build/content/")

    assert answer.context["test"].initial == {"to": answer.wsgi_request.user.email}


def test_a_viewer_sees_no_message_as_one_of_the_people(client, page, workspace):
    made, ada = ready(workspace, many=1), PersonFactory(workspace=workspace)
    address = f"/campaigns/{made.public_id}/contents/a/preview/"
    assert page.get(f"{address}?whose={ada.public_id}").status_code == 200
    client.force_login(member(workspace, "viewer"))

    assert client.get(address).status_code == 200
    assert client.get(f"{address}?whose={ada.public_id}").status_code == 403


def test_checks_hold_a_launch_and_say_where_to_mend(page, workspace):
    made = ready(workspace, many=3)
    Content.objects.filter(key="b").update(approved_at=None)

    checks = page.get(f"/campaigns/{made.public_id}/build/check/")
    refused = page.post(f"/campaigns/{made.public_id}/launch/")

    assert "1 thing stands against it" in _text(checks)
    assert refused.status_code == 400
    assert Campaign.objects.get().state == "draft"


def test_a_launch_leads_to_the_campaign(page, workspace):
    made = ready(workspace, many=3)

    answer = page.post(f"/campaigns/{made.public_id}/launch/", follow=True)

    assert Campaign.objects.get().state == "running"
    assert "is on its way" in _text(answer)


def test_a_button_that_is_pressed_twice_leads_to_the_campaign_as_well(page, workspace):
    made = ready(workspace, many=3)
    page.post(f"/campaigns/{made.public_id}/launch/")

    answer = page.post(f"/campaigns/{made.public_id}/launch/", follow=True)

    assert answer.redirect_chain == [(f"/campaigns/{made.public_id}/", 302)]
    assert "Spring is running already." in _text(answer)
    assert AuditEntry.objects.filter(deed="campaign.launched").count() == 1


def test_more_than_goes_without_saying_is_typed(page, workspace):
    workspace.settings = {"campaign_recipients_limit": 2}
    workspace.save()
    made = ready(workspace, many=3)
    address = f"/campaigns/{made.public_id}/launch/"

    assert "Type 3 to confirm" in _text(page.post(address))
    page.post(address, {"confirmed_people": "3"})

    assert Campaign.objects.get().state == "running"


def test_the_answer_is_the_first_line(page, workspace, actor):
    made = launched_evenly(actor, lambda: ready(workspace, many=400, hold_out_share=0.5))
    send_all(made, at=NOW)
    sent = Recipient.objects.filter(state="sent")
    for row in sent[:90]:
        convert(row.person_id, made, at=NOW + timedelta(minutes=5))
    for row in Recipient.objects.filter(state="held_out")[:5]:
        convert(row.person_id, made, at=NOW + timedelta(minutes=6), value=90.0)
    click(made, splitting.contents_of(made)[1], 60, at=NOW)
    arm_figures.refresh(made, now=LATER)

    text = _text(page.get(f"/campaigns/{made.public_id}/"))

    assert "variant b is ahead; the campaign brought £" in text
    assert "more than sending nothing" in text


def test_people_stand_behind_each_number(page, workspace, actor):
    made = launched(actor, ready(workspace, many=6))
    send_all(made, at=NOW)

    for group in ("sent", "held_out", "skipped", "clicked", "unsubscribed"):
        assert page.get(f"/campaigns/{made.public_id}/people/{group}/").status_code == 200
    assert page.get(f"/campaigns/{made.public_id}/people/nobody/").status_code == 302
    assert _text(page.get(f"/campaigns/{made.public_id}/people/sent/")).count("user_") == 6


def test_it_is_paused_in_its_row(page, workspace, actor):
    made = launched(actor, ready(workspace, many=3))

    rows = page.get("/campaigns/", **HTMX)
    page.post(f"/campaigns/{made.public_id}/pause/")

    assert 'hx-trigger="every 5s"' in rows.content.decode()
    assert Campaign.objects.get().state == "paused"
    assert "1 campaign is paused" in _text(page.get("/campaigns/"))


def test_models_that_an_alert_switched_off_are_off_on_the_page_and_back_by_a_person(page, workspace, actor):
    made = ready(workspace, many=3)
    ai_switch.turn_off(system(workspace.pk, label="the alert"), reason="AI content fails: half.", now=NOW)

    shown = _text(page.get("/campaigns/switches/"))
    assert "1 capability is switched off" in shown
    assert "by the alert: AI content fails: half." in shown
    new = _text(page.get(f"/campaigns/{made.public_id}/build/content/?new"))
    assert "Language models are switched off" in new
    assert "AI content fails: half." in new
    with pytest.raises(PermissionDenied):
        switches.turn(system(workspace.pk), flags.AI, is_on=True, now=NOW)
    page.post("/campaigns/switches/", {"name": flags.AI, "is_on": "1"})

    assert not ai.held()
    assert "Everything is switched on" in _text(page.get("/campaigns/switches/"))


def test_a_switch_is_turned_by_an_owner(page, client, workspace):
    given = {"name": "campaigns.sending", "is_on": "0", "reason": "Odd figures"}

    assert page.post("/campaigns/switches/", given).status_code == 302
    assert "1 capability is switched off" in _text(page.get("/campaigns/switches/"))
    client.force_login(member(workspace, "operator"))

    assert client.post("/campaigns/switches/", {**given, "is_on": "1"}).status_code == 403
    assert FlagChoice.objects.get().is_on is False


LIMITS = {
    "cap_messages": "4",
    "cap_days": "7",
    "warm_up": "on",
    "sender_per_hour": "5000",
    "domains_per_hour": "Gmail.com 1000\noutlook.com = 500\nBücher.example 10",
    "recipients_limit": "200000",
}


def test_an_owner_says_how_much_may_leave(page, client, workspace):
    assert "Nothing limits how much leaves" in _text(page.get("/campaigns/limits/"))

    assert page.post("/campaigns/limits/", LIMITS).status_code == 302

    workspace.refresh_from_db()
    told = limits.of_workspace(workspace, now=NOW)
    assert (told.cap, told.warms_up, told.sender_per_hour) == ((4, 7), True, 5_000)
    assert told.domains_per_hour == {"gmail.com": 1_000, "outlook.com": 500, "xn--bcher-kva.example": 10}
    assert workspace.settings["campaign_recipients_limit"] == 200_000
    assert "Nobody gets more than 4 messages in 7 days" in _text(page.get("/campaigns/limits/"))
    client.force_login(member(workspace, "operator"))
    assert client.post("/campaigns/limits/", {}).status_code == 403
    shown = client.get("/campaigns/limits/").content.decode()
    assert "Admins and owners" in shown
    assert ">Save<" not in shown

    page.force_login(member(workspace, "admin"))
    page.post("/campaigns/limits/", {"cap_messages": ""})

    workspace.refresh_from_db()
    assert not {"delivery", "campaign_recipients_limit"} & set(workspace.settings)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"domains_per_hour": "ann@gmail.com 10"}, "is not a domain and a number"),
        ({"domains_per_hour": "gmail.com many"}, "is not a domain and a number"),
        ({"domains_per_hour": "gmail.com 0"}, "is not a domain and a number"),
        ({"domains_per_hour": "a..example 5"}, "is not a domain and a number"),
        ({"domains_per_hour": "gmail.com 5\nGMAIL.com 9"}, "gmail.com stands here twice"),
        ({"cap_days": ""}, "In how many days?"),
        ({"cap_messages": ""}, "How many?"),
        ({"cap_days": "91"}, "less than or equal to 90"),
        ({"sender_per_hour": "0"}, "greater than or equal to 1"),
    ],
)
def test_limits_that_are_none_are_refused(page, workspace, wrong, words):
    answer = page.post("/campaigns/limits/", {**LIMITS, **wrong})

    assert answer.status_code == 400
    assert words in _text(answer)
    workspace.refresh_from_db()
    assert "delivery" not in workspace.settings


def test_a_viewer_reads_and_is_offered_nothing_else(client, workspace, actor):
    made = launched(actor, ready(workspace, many=3))
    client.force_login(member(workspace, "viewer"))

    text = _text(client.get(f"/campaigns/{made.public_id}/"))

    assert "Pause" not in text
    assert client.get("/campaigns/new/").status_code == 403
    assert campaigns.find(made.public_id).state == "running"


@pytest.mark.parametrize(
    ("reason", "told", "of_one"),
    [
        ("capped", "had as many messages as the cap allows", "had as many messages as the cap allows"),
        ("everywhere", "are on the operator&#x27;s own list", "is on the operator&#x27;s own list"),
        ("less_often", "asked for fewer messages", "asked for fewer messages"),
        ("paused", "asked for a pause", "asked for a pause"),
        ("bounced", "have an address that bounces", "has an address that bounces"),
    ],
)
def test_why_somebody_got_nothing_is_said_in_words(page, workspace, actor, reason, told, of_one):
    made = launched(actor, ready(workspace, many=3))
    Recipient.objects.filter(campaign=made).update(state="skipped", reason=reason, settled_at=NOW)
    SendCount.objects.create(workspace=workspace, campaign=made, state="skipped", reason=reason, people=3)

    assert told in _text(page.get(f"/campaigns/{made.public_id}/"))
    shown = _text(page.get(f"/campaigns/{made.public_id}/people/skipped/"))
    assert "Not written to" in shown
    assert shown.count(of_one) == 3


def test_a_launch_outside_its_hours_says_when_the_first_leave(page, workspace):
    made = ready(workspace, many=3, send_from_hour=8, send_until_hour=11)
    told = "wait until 21 Nov 2026, 08:00"

    assert told in _text(page.get(f"/campaigns/{made.public_id}/build/check/"))

    launched(system(workspace.pk), made)
    assert told in _text(page.get(f"/campaigns/{made.public_id}/"))


def test_a_launch_within_its_hours_says_nothing_of_them(page, workspace):
    made = ready(workspace, many=3, send_from_hour=8, send_until_hour=20)

    assert "wait until" not in _text(page.get(f"/campaigns/{made.public_id}/build/check/"))
    launched(system(workspace.pk), made)
    assert "wait until" not in _text(page.get(f"/campaigns/{made.public_id}/"))


@pytest.mark.parametrize(("share", "is_told"), [(0.5, True), (1.0, False)])
def test_nothing_is_said_of_a_rest_that_is_not_there(page, workspace, share, is_told):
    made = ready(workspace, many=5, test_share=share)

    shown = _text(page.get(f"/campaigns/{made.public_id}/build/check/"))

    assert "probably too few to name a winner" in shown
    assert ("Then the rest gets each alike" in shown) == is_told


def test_before_a_message_has_left_nothing_was_brought(page, actor, workspace):
    made = launched(actor, ready(workspace, many=400, hold_out_share=0.5))
    for row in Recipient.objects.filter(state="to_send")[:60]:
        convert(row.person_id, made, at=NOW + timedelta(minutes=5))
    arm_figures.refresh(made, now=LATER)

    shown = _text(page.get(f"/campaigns/{made.public_id}/"))

    assert "Not enough data yet: No message has left." in shown
    assert "more than sending nothing" not in shown


def test_an_approval_says_which_variants_still_wait(page, workspace):
    made = ready(workspace, variants=2)
    Content.objects.filter(campaign=made).update(approved_at=None, approved_by="")
    one, two = Content.objects.filter(campaign=made).order_by("position")

    for content, told in (
        (one, "Variant a is approved. Still to be approved: b."),
        (two, "Variant b is approved."),
    ):
        given = {"subject": content.subject, "body": content.body, "weight": 1, "version": content.version}
        answer = page.post(
            f"/campaigns/{made.public_id}/contents/{content.key}/", {**given, "do": "approve"}, follow=True
        )
        assert told in _text(answer)


@pytest.mark.parametrize(
    ("low", "total", "high", "money_told", "people_told"),
    [
        (
            -38.0,
            -3.0,
            31.0,
            "£3 less than sending nothing (\N{MINUS SIGN}£31 to £38, 95 %), which may be",
            "3 fewer people",
        ),
        (-9.0, -5.0, -1.0, "£5 less than sending nothing (£1 to £9, 95 %); 500 written", "5 fewer people"),
        (1.0, 5.0, 9.0, "£5 more than sending nothing (£1 to £9, 95 %); 500 written", "5 more people"),
    ],
)
def test_less_than_nothing_is_told_as_less(low, total, high, money_told, people_told):
    found = Brought(
        total=total,
        low=low,
        high=high,
        a_head=total / 500,
        people=500,
        held_out=120,
        more_people=0,
        because="",
        is_final=True,
        level=0.95,
    )

    told = campaign_wording.brought_words(found, "GBP", is_money=True).replace("\xa0", " ")
    assert told.startswith(money_told)
    assert campaign_wording.own_hours_words(found, splitting.CLICK).startswith(f"{people_told} clicked than")


def test_who_waits_for_an_hour_of_their_own_is_told(page, workspace):
    launched(system(workspace.pk), made := ready(workspace, many=3, is_time_optimised=True))

    assert "at the hour at which they click" in _text(page.get(f"/campaigns/{made.public_id}/"))


def test_figures_move_on_after_the_last_message_while_windows_are_open(page, workspace, actor):
    made = launched(actor, ready(workspace, many=6, hold_out_share=0.5))
    address = f"/campaigns/{made.public_id}/"
    assert 'hx-trigger="every 5s"' in page.get(address).content.decode()

    send_all(made, at=NOW)
    Campaign.objects.filter(pk=made.pk).update(state="done", finished_at=NOW)
    arm_figures.refresh(Campaign.objects.get(), now=LATER)
    shown = page.get(address).content.decode()

    assert 'hx-trigger="every 30s"' in shown
    moving = shown[shown.index('id="live"') : shown.index('id="variants"')]
    assert moving.count("<div") >= moving.count("</div")
    assert 'id="brought"' in moving
