"""Channel rules on history: versions, what they would move, and moving it, there and back."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.accounts import jobs, privacy
from apps.accounts.errors import NotHere
from apps.accounts.models import AuditEntry, Job, Person
from apps.attribution import (
    analysis,
    channels,
    ingest,
    journey_books,
    loading,
    parsing,
    rule_edits,
    rule_history,
    rule_previews,
    rule_versions,
    sources,
    spend,
    stored_origins,
)
from apps.attribution.lenses import Lens
from apps.attribution.models import ModelRun, RuleVersion, Spend, Touchpoint
from apps.attribution.questions import Query
from apps.attribution.stored_origins import Place
from tests.attribution.histories import built, is_what_scratch_gives
from tests.factories import NOW, ConversionFactory

API = "/api/v1/attribution/channel-rules"
EMAIL = {"channel_key": "email", "platform": "email"}
SOCIAL = {"channel_key": "social", "platform": "meta"}
OLD = [EMAIL, SOCIAL]
NEW = [{"channel_key": "newsletter", "utm_source": "news*"}, *OLD]


def _put(actor, rules, now=NOW):
    channels.replace_rules(actor, rules, now=now)


def _track(actor, user="ada", days=1, **fields):
    record = {
        "user_id": user,
        "event_type": "click",
        "platform": "email",
        "occurred_at": NOW - timedelta(days=days),
        **fields,
    }
    return ingest.track_event(actor, parsing.touch(record, received_at=NOW), now=NOW)


def _spent(actor, amount="5", day=NOW, **fields):
    record = {"platform": "email", "day": day.date(), "amount": amount, **fields}
    return spend.store(actor, [parsing.spend(record, received_at=NOW)], now=NOW)


def _channels():
    return list(Touchpoint.objects.order_by("id").values_list("source__channel__key", flat=True))


def _apply(actor, **kept):
    job = rule_history.start(actor, now=NOW)
    jobs.run(job_id=job.pk)
    job.refresh_from_db()
    return job


# Versions


def test_each_change_is_a_version(actor, workspace):
    channels.ensure_defaults()
    _put(actor, OLD)
    _put(actor, OLD)
    _put(actor, NEW)

    found = rule_versions.listed()

    assert [version.number for version in found] == [3, 2, 1]
    assert [rule["channel_key"] for rule in found[0].rules] == ["newsletter", "email", "social"]
    assert found[2].note == rule_versions.FIRST_NOTE


def test_rules_from_before_versions_were_kept_are_the_first_one(actor):
    _put(actor, OLD)
    RuleVersion.objects.all().delete()

    _put(actor, NEW)

    first, second = reversed(rule_versions.listed())
    assert (first.number, first.note, len(first.rules)) == (1, rule_versions.BEFORE_NOTE, 2)
    assert (second.number, len(second.rules)) == (2, 3)


def test_an_earlier_version_comes_back_as_the_newest(actor):
    channels.ensure_defaults()
    _put(actor, OLD)
    _put(actor, NEW)

    rule_edits.restore(actor, 2, now=NOW, reason="calm")

    assert rule_edits.current() == rule_versions.named(2).rules == rule_versions.latest().rules
    assert rule_versions.latest().note == "calm"
    with pytest.raises(NotHere):
        rule_edits.restore(actor, 9, now=NOW)


# What a stored touch says


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"url": "https://www.shop.example/a?utm_source=News&utm_medium=e-mail&gclid=1#top"},
        {"url": "https://shop.example/", "utm_source": "news", "utm_campaign": "may", "fbclid": "x"},
        {"url": "https://shop.example/?utm_source=a", "utm_source": "b", "properties": {"utm_medium": "c"}},
        {"referrer": "https://user:word@www.Google.com:443/search?q=ada@example.com"},
        {"url": "shop.example/?utm_campaign=ada%40example.com&utm_content=x", "utm_term": "wedding"},
        {"campaign_id": "c", "creative_id": "d", "properties": {"gclid": 7, "plan": "x"}},
    ],
    ids=str,
)
def test_a_stored_touch_says_what_its_record_said(actor, record):
    channels.ensure_defaults()
    given = {"user_id": "ada", "event_type": "click", "platform": "email", **record}
    touch = parsing.touch(given, received_at=NOW)
    if isinstance((record.get("properties") or {}).get("utm_medium"), str):
        touch.utm_medium = "c"  # what a sender keeps under this name is taken for it
    ingest.track_event(actor, touch, now=NOW)

    ((stored,),) = stored_origins.slices(Place(stored_origins.START))

    (source,) = loading.sources().rows
    assert stored_origins.origin_of(stored, source) == sources.origin(touch)
    assert stored.is_named is False


@pytest.mark.parametrize("door", [ingest.track_events, ingest.store_touchpoints])
def test_every_door_keeps_whether_the_channel_was_named(actor, door):
    given = {"user_id": "ada", "event_type": "click", "platform": "email"}
    records = [{**given, "event_id": "named", "channel": "Email"}, {**given, "event_id": "derived"}]
    records.append({**given, "event_id": "nothing left", "channel": "!!"})

    door(actor, [parsing.touch(record, received_at=NOW) for record in records], now=NOW)

    kept = dict(Touchpoint.objects.values_list("event_id", "is_channel_named"))
    assert kept == {"named": True, "derived": False, "nothing left": False}


# What would move


def test_what_would_move_and_what_it_earned(actor, workspace):
    _put(actor, OLD)
    _track(actor, days=3, utm_source="news-may")
    _track(actor, days=2)
    _track(actor, days=1, utm_source="newsroom", event_id="last")
    _track(actor, user="bob", days=200, utm_source="news-old")
    person = Touchpoint.objects.get(event_id="last").person
    ConversionFactory(workspace=workspace, person=person, value=Decimal("30"), occurred_at=NOW)

    found = rule_previews.ask(actor, NEW, now=NOW)

    assert (found.looked_at, found.moved, found.named, found.unclear) == (3, 2, 0, 0)
    (shift,) = found.shifts
    assert (shift.origin, shift.to, shift.touches) == ("email", "newsletter", 2)
    assert (shift.linear, shift.last, shift.spend) == (Decimal("20.00"), Decimal("30.00"), 0)
    assert {one.utm_source for one in found.examples} == {"news-may", "newsroom"}
    assert rule_previews.ask(actor, NEW, days=None, now=NOW).moved == 3
    assert rule_edits.current() == [{**rule, "is_active": True} for rule in OLD]
    assert _channels() == ["email"] * 4


def test_the_rules_in_force_move_nothing_of_what_they_sorted(actor):
    channels.ensure_defaults()
    for platform, url in (("google", "https://a.example/?gclid=1"), ("direct", ""), ("meta", "")):
        _track(actor, platform=platform, url=url, referrer="https://www.bing.com/")

    assert rule_previews.ask(actor, rule_edits.current(), now=NOW).moved == 0


def test_a_channel_that_the_sender_named_never_moves(actor):
    _put(actor, OLD)
    _track(actor, channel="Email", utm_source="news")
    _put(actor, NEW)

    assert rule_previews.ask(actor, NEW, now=NOW).named == 1
    assert _apply(actor).result["touches"] == 0
    assert _channels() == ["email"]


def test_an_old_touch_moves_only_where_rules_explain_its_channel(actor):
    _put(actor, OLD)
    _track(actor, utm_source="news")
    _track(actor, utm_source="news", channel="my_own")
    Touchpoint.objects.update(is_channel_named=None)

    found = rule_previews.ask(actor, NEW, now=NOW)
    assert (found.moved, found.unclear, found.named) == (1, 1, 0)

    _put(actor, NEW)
    _apply(actor)
    assert _channels() == ["newsletter", "my_own"]


def test_touches_of_an_erased_person_stay(actor):
    _put(actor, OLD)
    _track(actor, platform="email", url="https://shop.example/?utm_source=news", utm_source="news")
    _put(actor, NEW)
    _apply(actor)
    privacy.erase(actor, Person.objects.get(), now=NOW, reason="asked for it")

    rule_edits.restore(actor, rule_versions.latest().number, now=NOW)
    found = rule_previews.ask(actor, NEW, now=NOW)

    assert (found.moved, found.unclear) == (0, 1)
    assert _apply(actor).result["touches"] == 0
    assert _channels() == ["newsletter"]


# Moving it


def test_history_moves_and_comes_back(actor, workspace, now):
    _put(actor, OLD)
    for day in range(1, 6):
        _track(actor, days=day, utm_source="news" if day % 2 else "shop", campaign_id=f"c{day}")
    _track(actor, user="bob", platform="meta")
    before = list(Touchpoint.objects.order_by("id").values_list("source_id", flat=True))
    person = Touchpoint.objects.first().person
    ConversionFactory(workspace=workspace, person=person, value=Decimal("50"), occurred_at=NOW)
    assert _credit(actor, now) == {"email": 50}

    _put(actor, NEW)
    job = _apply(actor)

    assert (job.state, job.result["touches"]) == ("done", 3)
    assert _channels() == ["newsletter", "email", "newsletter", "email", "newsletter", "social"]
    assert _credit(actor, now) == {"email": 20, "newsletter": 30}
    version = rule_versions.latest()
    assert (version.touches_moved, version.applied_at is not None) == (3, True)
    assert rule_previews.ask(actor, NEW, now=NOW).moved == 0
    deeds = AuditEntry.objects.filter(
        deed__in=["channel_rules.applied_to_history", "channel_rules.history_moved"]
    )
    assert deeds.count() == 2

    rule_edits.restore(actor, version.number - 1, now=NOW)
    assert _apply(actor).result["touches"] == 3
    assert list(Touchpoint.objects.order_by("id").values_list("source_id", flat=True)) == before
    assert _credit(actor, now) == {"email": 50}


def _credit(actor, now):
    rows = analysis.ask(actor, Query(models=("linear",)), now=now).result.rows
    return {row.channel: row.revenue for row in rows if row.revenue}


def test_the_books_hear_of_what_moved(actor, workspace):
    _put(actor, OLD)
    for user in ("ada", "bob", "eve"):
        for day in range(1, 5):
            _track(actor, user=user, days=day, utm_source="news" if day % 2 else "shop")
    for person in Person.objects.all():
        ConversionFactory(workspace=workspace, person=person, value=Decimal("50"), occurred_at=NOW)
    for lens in (Lens(), Lens(transform="first", counting="once")):
        built(lens)
    _put(actor, NEW)

    _apply(actor)
    while journey_books.catch_up():
        pass

    assert "newsletter" in _channels()
    for lens in (Lens(), Lens(transform="first", counting="once")):
        is_what_scratch_gives(lens)


def test_moving_goes_on_where_it_stopped(actor, monkeypatch):
    _put(actor, OLD)
    for day in range(1, 8):
        _track(actor, days=day, utm_source="news")
    monkeypatch.setattr(stored_origins, "SLICE", 2)
    _put(actor, NEW)
    job = rule_history.start(actor, now=NOW)
    Job.objects.filter(pk=job.pk).update(
        checkpoint={"after": Place(NOW - timedelta(days=4, hours=12)).as_plain(), "moved": 3, "spend": 0}
    )

    jobs.run(job_id=job.pk)

    job.refresh_from_db()
    assert (job.state, job.result["touches"]) == ("done", 3 + 4)
    assert _channels() == ["newsletter"] * 4 + ["email"] * 3


def test_rules_that_are_no_longer_in_force_move_nothing(actor):
    _put(actor, OLD)
    _track(actor, utm_source="news")
    _put(actor, NEW)
    job = rule_history.start(actor, now=NOW)
    _put(actor, OLD)

    jobs.run(job_id=job.pk)

    job.refresh_from_db()
    assert job.state == "failed"
    assert "was put in force meanwhile" in job.message
    assert _channels() == ["email"]


def test_one_job_applies_a_version(actor):
    _put(actor, OLD)

    assert rule_history.start(actor, now=NOW).pk == rule_history.start(actor, now=NOW).pk


# Spend


def _spend():
    rows = Spend.objects.order_by("day", "amount").values_list("source__channel__key", "amount")
    return [(key, int(amount)) for key, amount in rows]


def test_spend_goes_where_its_campaigns_touches_go_and_comes_back(actor):
    _put(actor, OLD)
    _track(actor, campaign_id="may", utm_source="news")
    _track(actor, campaign_id="june", utm_source="shop")
    _spent(actor, "5", campaign_id="may")
    _spent(actor, "7", campaign_id="june")
    _spent(actor, "9", campaign_id="may", day=NOW - timedelta(days=1), channel="email")

    (shift,) = rule_previews.ask(actor, NEW, now=NOW).shifts
    assert shift.spend == 5

    _put(actor, NEW)
    _apply(actor)
    assert _spend() == [("email", 9), ("newsletter", 5), ("email", 7)]

    rule_edits.restore(actor, rule_versions.latest().number - 1, now=NOW)
    _apply(actor)
    assert _spend() == [("email", 9), ("email", 5), ("email", 7)]


def test_spend_stays_with_the_larger_part_of_its_campaign(actor):
    _put(actor, OLD)
    for source in ("news", "shop", "shop"):
        _track(actor, campaign_id="may", utm_source=source)
    _spent(actor, campaign_id="may")
    _put(actor, NEW)

    _apply(actor)

    assert _spend() == [("email", 5)]


def test_spend_without_a_touch_follows_the_rules(actor):
    _put(actor, OLD)
    _spent(actor, "5", campaign_id="unseen")
    _spent(actor, "6")
    _put(actor, [{"channel_key": "mail", "platform": "email"}, SOCIAL])

    _apply(actor)

    assert _spend() == [("mail", 5), ("mail", 6)]


def test_a_day_that_has_spend_there_already_stays(actor):
    _put(actor, OLD)
    _track(actor, campaign_id="may", utm_source="news")
    _spent(actor, "5", campaign_id="may")
    _spent(actor, "3", campaign_id="may", channel="newsletter")
    _put(actor, NEW)

    _apply(actor)

    assert _spend() == [("newsletter", 3), ("email", 5)]


def test_spend_sent_again_takes_the_place_of_what_moved(actor):
    _put(actor, OLD)
    _track(actor, campaign_id="may", utm_source="news")
    _spent(actor, "5", campaign_id="may")
    _put(actor, NEW)
    _apply(actor)

    _spent(actor, "6", campaign_id="may")

    assert _spend() == [("newsletter", 6)]


# Large workspaces


def test_much_to_look_at_becomes_a_job(actor, settings):
    _put(actor, OLD)
    _track(actor, utm_source="news")
    expected = rule_previews.ask(actor, NEW, now=NOW)
    settings.ATTRIBUTION_INLINE_TOUCHES = 0

    job = rule_previews.ask(actor, NEW, now=NOW)
    jobs.run(job_id=job.pk)

    job.refresh_from_db()
    found = rule_previews.of_job(job)
    assert (found.moved, found.shifts, found.examples) == (1, expected.shifts, expected.examples)
    assert rule_previews.ask(actor, NEW, now=job.created_at).pk == job.pk


# The API


def test_rules_over_the_api(api, actor, settings):
    _put(actor, OLD)
    _track(actor, utm_source="news", days=0)
    rules = [{**rule, "is_active": True} for rule in NEW]

    seen = api.post(f"{API}/preview", {"rules": rules, "days": None}, format="json").data
    assert (seen["looked_at"], seen["moved"]) == (1, 1)
    assert (seen["shifts"][0]["from"], seen["shifts"][0]["to"]) == ("email", "newsletter")
    both = api.post(f"{API}/preview", {"rules": rules, "version": 1}, format="json")
    assert both.status_code == 400

    api.put(API, {"rules": rules, "reason": "a newsletter of its own"}, format="json")
    versions = api.get(f"{API}/versions").data
    assert versions[0]["note"] == "a newsletter of its own"
    assert [one["is_in_force"] for one in versions] == [True] + [False] * (len(versions) - 1)

    started = api.post(f"{API}/apply", {}, format="json")
    assert started.status_code == 202
    jobs.run(job_id=Job.objects.get(public_id=started.data["job_id"]).pk)
    assert _channels() == ["newsletter"]

    before = versions[1]["number"]
    restored = api.post(f"{API}/versions/{before}/restore", {}, format="json").data
    assert [rule["channel_key"] for rule in restored["rules"]] == ["email", "social"]
    assert api.get(f"{API}/versions/{before}").data["is_in_force"] is False
    assert api.get(f"{API}/versions/999").status_code == 404

    settings.ATTRIBUTION_INLINE_TOUCHES = 0
    later = api.post(f"{API}/preview", {"version": before, "days": None}, format="json")
    assert later.status_code == 202
    assert api.get(later.data["result_url"]).status_code == 202
    jobs.run(job_id=Job.objects.get(public_id=later.data["job_id"]).pk)
    assert api.get(later.data["result_url"]).data["moved"] == 1


# The page


def test_the_page_tries_a_draft_and_moves_history(page, actor, django_capture_on_commit_callbacks):
    _put(actor, OLD)
    _track(actor, utm_source="news", days=0)
    url = "/attribution/channels/"
    token = page.get(url).context["version"]
    rule = {"do": "save", "channel_key": "newsletter", "utm_source": "news*", "place": 1, "version": token}
    assert page.post(url, rule).status_code == 302

    tried = page.get(f"{url}preview/")
    assert [row["shift"].touches for row in tried.context["shifts"]] == [1]
    assert "1 of 1 touch" in tried.content.decode().replace("\xa0", " ")
    assert _channels() == ["email"]

    page.post(url, {"do": "apply", "version": tried.context["token"], "note": "n", "history": "1"})
    job = rule_history.latest()
    assert page.get(url).context["job"] == job
    jobs.run(job_id=job.pk)
    assert _channels() == ["newsletter"]
    assert "No touch would move." in page.get(f"{url}preview/").content.decode()
    assert page.get(f"{url}preview/?version=99").status_code == 404
    assert ModelRun.objects.count() == 0
