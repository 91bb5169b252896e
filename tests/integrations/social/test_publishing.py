"""A post on its way: approved by a person, one at a time, once, and within what may be spent."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.utils import timezone

from apps.accounts import scoping
from apps.accounts.errors import Invalid
from apps.accounts.models import AuditEntry, OutboxEvent
from apps.accounts.permissions import Actor, system
from apps.integrations import call_deeds, outbox, social, social_publishing, social_spend
from apps.integrations.models import Call, Connection, SocialPost, SocialSpend
from apps.integrations.resilience.lanes import Lane
from tests.conftest import committed
from tests.fakes import x_social
from tests.fakes.meta import error, throttled
from tests.fakes.server import (
    Answer,
    Drip,
    NotJson,
    Reply,
    ResetAfter,
    ResetBefore,
    Slow,
    Truncated,
    json_reply,
)
from tests.integrations.social.conftest import NETWORKS, PICTURE, WHERE, later, published, relay

S = SocialPost.State
X_ERROR = x_social.problem


def state(post):
    return SocialPost.objects.get(pk=post.pk).state


def deeds():
    return list(AuditEntry.objects.order_by("pk").values_list("deed", flat=True))


def spent():
    return sum(SocialSpend.objects.values_list("amount", flat=True), Decimal(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_an_approved_post_is_published_once(open_, publish, name):
    fake, connection = open_(name)

    post = publish(connection)
    relay()
    later(hours=1)

    assert (post.state, published(fake)) == (S.PUBLISHED, 1)
    assert post.external_id
    assert Call.objects.get().state == Call.State.DONE
    told = OutboxEvent.objects.get(name="integrations.social_post.published")
    assert told.payload == {"post_id": str(post.public_id), "service": name}


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_leaves_without_an_approval(open_, write, name):
    fake, connection = open_(name)
    post = write(connection)

    later(days=1)

    assert (state(post), fake.seen) == (S.DRAFT, [])


@pytest.mark.parametrize("kind", ["api_key", "system"])
def test_only_a_person_approves(open_, write, workspace, kind):
    fake, connection = open_("facebook_pages")
    post = write(connection)
    actor = (
        system(workspace.pk)
        if kind == "system"
        else Actor(kind=kind, id=1, label="key", workspace_id=workspace.pk, scopes=frozenset({"admin"}))
    )

    with pytest.raises(PermissionDenied):
        social.approve(actor, post.public_id, now=timezone.now())

    assert (state(post), fake.seen) == (S.DRAFT, [])


def test_who_writes_may_not_approve(open_, write, workspace):
    _, connection = open_("facebook_pages")
    operator = Actor(kind="user", id=None, label="Otto", workspace_id=workspace.pk, role="operator")

    with pytest.raises(PermissionDenied):
        social.approve(operator, write(connection).public_id, now=timezone.now())


def test_an_approval_is_gone_with_the_words_that_it_was_given_to(open_, write, boss):
    fake, connection = open_("facebook_pages")
    at = timezone.now() + timedelta(hours=2)
    post = write(connection, at=at)
    social.approve(boss, post.public_id, now=timezone.now())
    changed = social.Draft(post=social.Post(text="Other words"), scheduled_at=at)

    social.change(boss, post.public_id, changed, now=timezone.now())
    later(hours=3)

    assert (state(post), fake.seen) == (S.DRAFT, [])
    assert SocialPost.objects.get().approved_by is None


def test_a_post_leaves_at_its_time(open_, write, boss):
    fake, connection = open_("linkedin_pages")
    post = write(connection, at=timezone.now() + timedelta(hours=2))
    social.approve(boss, post.public_id, now=timezone.now())

    later(hours=1)
    assert (state(post), fake.seen) == (S.APPROVED, [])

    later(hours=2, minutes=1)
    assert (state(post), published(fake)) == (S.PUBLISHED, 1)


def test_one_at_a_time_for_each_account(open_, write, boss):
    fake, connection = open_("facebook_pages")
    first, second = write(connection, "One"), write(connection, "Two")
    for post in (first, second):
        social.approve(boss, post.public_id, now=timezone.now())

    assert (state(first), state(second)) == (S.QUEUED, S.APPROVED)
    with pytest.raises(IntegrityError, match="social_post_one_in_flight"), transaction.atomic():
        SocialPost.objects.filter(pk=second.pk).update(state=S.QUEUED)
    relay()
    later(minutes=1)
    assert [state(first), state(second), published(fake)] == [S.PUBLISHED, S.PUBLISHED, 2]


@pytest.mark.parametrize("name", NETWORKS)
def test_lost_after_it_was_done_it_is_found_and_not_sent_again(open_, publish, name):
    fake, connection = open_(name)
    fake.misbehave(ResetAfter(), path=WHERE[name])

    post = publish(connection, "Spring dates: https://studio.example/dates?x=1")
    assert (post.state, published(fake)) == (S.UNKNOWN, 1)
    assert Call.objects.get().state == Call.State.UNKNOWN
    later(minutes=20)

    done = SocialPost.objects.get(pk=post.pk)
    assert (done.state, published(fake)) == (S.PUBLISHED, 1)
    assert len(fake.asked("POST", WHERE[name])) == 1
    assert done.external_id


@pytest.mark.parametrize("name", NETWORKS)
def test_with_an_image_and_a_link_it_is_found_as_well(open_, publish, name):
    fake, connection = open_(name)
    fake.misbehave(ResetAfter(), path=WHERE[name])
    images = social_publishing.images_of([PICTURE])

    post = publish(connection, "Spring (dates)", link="https://studio.example/dates", images=images)
    later(minutes=20)

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)
    assert len(fake.asked("POST", WHERE[name])) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_lost_before_it_was_done_it_is_looked_for_and_then_sent_again(open_, publish, name):
    fake, connection = open_(name)
    fake.misbehave(ResetBefore(), path=WHERE[name])

    post = publish(connection)
    assert (post.state, published(fake)) == (S.UNKNOWN, 0)
    later(minutes=20)

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)
    assert len(fake.asked("POST", WHERE[name])) == 2


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("fault", [NotJson(), Truncated(), NotJson(status=502)])
def test_an_answer_that_is_spoiled_publishes_nothing_twice(open_, publish, name, fault):
    fake, connection = open_(name)
    fake.misbehave(fault, path=WHERE[name])

    post = publish(connection)
    later(minutes=20)

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)
    assert len(fake.asked("POST", WHERE[name])) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_an_answer_that_drips_is_read_to_its_end(open_, publish, name):
    fake, connection = open_(name)
    fake.misbehave(Drip(0.001), path=WHERE[name])

    assert publish(connection).state == S.PUBLISHED
    assert published(fake) == 1


def test_a_worker_that_dies_while_it_publishes_publishes_nothing_twice(open_, write, boss):
    fake, connection = open_("facebook_pages")
    post = write(connection)
    social.approve(boss, post.public_id, now=timezone.now())
    [call] = outbox.claim(lane=int(Lane.MARKETING), now=timezone.now())
    social_publishing.perform(outbox.Client(connection), [outbox.Due(call, {"post": str(post.public_id)})])
    SocialPost.objects.filter(pk=post.pk).update(state=S.PUBLISHING, external_id="", published_at=None)

    later(minutes=3)
    later(minutes=30)

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)


def test_an_older_post_with_the_same_words_is_not_taken_for_it(open_, publish):
    fake, connection = open_("facebook_pages")
    with time_machine.travel(timezone.now() - timedelta(hours=3)):
        older = publish(connection)
    fake.posts[older.external_id]["at"] -= 3 * 3_600
    fake.misbehave(ResetBefore(), path=WHERE["facebook_pages"])

    post = publish(connection)
    later(minutes=20)

    assert (state(post), published(fake)) == (S.PUBLISHED, 2)


@pytest.mark.parametrize("name", ["facebook_pages", "linkedin_pages", "x_social"])
def test_a_duplicate_that_is_none_of_ours_is_told(open_, publish, name):
    _, connection = open_(name)
    publish(connection)

    post = publish(connection)

    assert post.state == S.FAILED
    assert "uplicate" in post.reason


def said(status, code, message):
    return json_reply({"status": status, "code": code, "message": message}, status=status)


@pytest.mark.parametrize(
    ("name", "fault", "expected", "call"),
    [
        ("facebook_pages", error(190, "expired", subcode=463, status=401), S.QUEUED, Call.State.HELD),
        ("facebook_pages", error(200, "no permission", status=403), S.QUEUED, Call.State.HELD),
        ("facebook_pages", error(100, "invalid parameter"), S.FAILED, Call.State.DEAD),
        ("facebook_pages", error(32, "page limit"), S.QUEUED, Call.State.WAITING),
        ("facebook_pages", error(368, "blocked"), S.QUEUED, Call.State.WAITING),
        ("facebook_pages", throttled(minutes=9).reply, S.QUEUED, Call.State.WAITING),
        ("facebook_pages", error(2, "for now", status=500, is_transient=True), S.UNKNOWN, Call.State.UNKNOWN),
        ("instagram", error(9, "limit", subcode=2_207_042, status=403), S.QUEUED, Call.State.WAITING),
        ("instagram", error(100, "restricted", subcode=2_207_050), S.QUEUED, Call.State.HELD),
        ("instagram", error(100, "size", subcode=2_207_009), S.FAILED, Call.State.DEAD),
        ("instagram", error(100, "fetch", subcode=2_207_003), S.QUEUED, Call.State.WAITING),
        ("linkedin_pages", said(401, "INVALID_ACCESS_TOKEN", "x"), S.QUEUED, Call.State.HELD),
        ("linkedin_pages", said(426, "NONEXISTENT_VERSION", "x"), S.QUEUED, Call.State.HELD),
        ("linkedin_pages", said(422, "INVALID", "bad field"), S.FAILED, Call.State.DEAD),
        ("linkedin_pages", said(429, "TOO_MANY_REQUESTS", "day"), S.QUEUED, Call.State.WAITING),
        ("linkedin_pages", Reply(500), S.UNKNOWN, Call.State.UNKNOWN),
        ("x_social", X_ERROR(402, "Credits", "no credits"), S.QUEUED, Call.State.HELD),
        (
            "x_social",
            X_ERROR(403, "Client", "plan", "https://api.x.com/2/problems/client-forbidden"),
            S.QUEUED,
            Call.State.HELD,
        ),
        ("x_social", X_ERROR(400, "Invalid Request", "bad"), S.FAILED, Call.State.DEAD),
        (
            "x_social",
            json_reply({"errors": [{"title": "Forbidden", "detail": "no", "type": "x/problems/y"}]}),
            S.FAILED,
            Call.State.DEAD,
        ),
        ("x_social", Reply(503), S.QUEUED, Call.State.WAITING),
    ],
)  # fmt: skip
def test_each_class_of_error(open_, publish, name, fault, expected, call):
    fake, connection = open_(name)
    fake.misbehave(Answer(fault), times=3, path=WHERE[name])

    post = publish(connection)

    assert (post.state, Call.objects.get().state) == (expected, call)
    assert published(fake) == 0
    assert bool(post.reason)


def test_x_says_when_there_is_room_again(open_, publish):
    fake, connection = open_("x_social")
    fake._posted = [fake.now() - 60] * 100

    post = publish(connection)

    left = (Call.objects.get().due_at - timezone.now()).total_seconds()
    assert post.state == S.QUEUED
    assert 830 < left < 1_000


def test_a_token_of_two_hours_is_renewed(open_, publish, settings):
    fake, connection = open_("x_social")
    settings.OAUTH_CLIENTS = {"x_social": ("id", "secret")}
    fake.token = "another"

    assert publish(connection).state == S.PUBLISHED
    assert len(fake.asked("POST", "/2/oauth2/token")) == 1


def test_instagram_waits_while_its_image_is_fetched(open_, publish):
    fake, connection = open_("instagram", fetches=2)

    post = publish(connection)
    assert (post.state, published(fake)) == (S.QUEUED, 0)
    for minutes in (2, 4):
        later(minutes=minutes)

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)
    assert len(fake.asked("POST", r".*/1789/media")) == 1


def test_the_same_container_is_used_for_every_attempt(open_, publish):
    fake, connection = open_("instagram")
    fake.misbehave(ResetBefore(), path="media_publish")

    publish(connection)
    later(minutes=20)

    assert len(fake.containers) == 1
    assert {one.form["creation_id"] for one in fake.asked("POST", r".*/media_publish")} == set(
        fake.containers
    )


def test_a_container_that_was_spoiled_is_made_anew(open_, publish):
    fake, connection = open_("instagram", fetches=9)
    post = publish(connection)
    [first] = fake.containers.values()
    first |= {"status_code": "ERROR", "status": "Error: Media could not be fetched: 2207003"}
    later(minutes=2)
    fake.fetches = 0
    later(minutes=30)

    assert (state(post), len(fake.containers), published(fake)) == (S.PUBLISHED, 2, 1)


def test_a_full_day_at_instagram_is_known_before_it_is_asked(open_, publish):
    fake, connection = open_("instagram", quota=0)

    post = publish(connection)

    assert (post.state, Call.objects.get().state) == (S.QUEUED, Call.State.WAITING)
    assert fake.asked("POST", r".*") == []
    assert "takes 0 posts" in post.reason


@pytest.mark.parametrize("name", NETWORKS)
def test_images_go_along(open_, publish, name):
    fake, connection = open_(name)
    images = social_publishing.images_of([PICTURE, PICTURE + "?b.jpg"], ["A bride"])

    post = publish(connection, images=images)

    assert post.state == S.PUBLISHED, post.reason
    if name == "facebook_pages":
        assert len(next(iter(fake.posts.values()))["media"]) == 2
    elif name == "instagram":
        assert [one.get("media_type") for one in fake.containers.values()] == [None, None, "CAROUSEL"]
    elif name == "linkedin_pages":
        assert list(fake.images.values()) == [x_social.PublicImages.content] * 2
    else:
        assert len(next(iter(fake.tweets.values()))["media"]["media_ids"]) == 2


@pytest.mark.parametrize("name", ["linkedin_pages", "x_social"])
@pytest.mark.parametrize("address", ["https://img.example.com/missing.jpg", "https://img.example.com/page"])
def test_an_image_that_is_none_fails_the_post(open_, publish, name, address):
    fake, connection = open_(name)

    post = publish(connection, images=social_publishing.images_of([address]))

    assert (post.state, published(fake)) == (S.FAILED, 0)
    assert "image" in post.reason.lower()
    assert spent() == 0


@pytest.mark.parametrize("name", ["linkedin_pages", "x_social"])
def test_an_image_inside_the_house_is_not_fetched(open_, publish, settings, name):
    fake, connection = open_(name)
    settings.INTEGRATION_URLS = {name: fake.url}

    post = publish(connection, images=social_publishing.images_of(["http://127.0.0.1:1/secret.jpg"]))

    assert published(fake) == 0
    assert post.state != S.PUBLISHED


def test_a_paused_account_publishes_nothing_until_it_is_resumed(open_, write, boss):
    fake, connection = open_("facebook_pages")
    post = write(connection)
    social.approve(boss, post.public_id, now=timezone.now())
    social.pause(boss, connection, now=timezone.now())

    relay()
    later(hours=2)
    assert (state(post), published(fake)) == (S.QUEUED, 0)

    social.resume(boss, connection, now=timezone.now())
    later(hours=3)
    assert (state(post), published(fake)) == (S.PUBLISHED, 1)
    assert [one for one in deeds() if one.startswith("social_account")] == [
        "social_account.paused",
        "social_account.resumed",
    ]


@committed
def test_two_workers_start_one_post_and_count_it_once(open_, write, boss, workspace):
    fake, connection = open_("x_social")
    fake.misbehave(Slow(1.5), path=WHERE["x_social"])
    posts = [write(connection, f"Number {number}") for number in range(2)]
    SocialPost.objects.update(state=S.APPROVED, approved_at=timezone.now())
    gate = Barrier(2)

    def advance():
        with scoping.workspace(workspace):
            gate.wait()
            social_publishing.advance(Connection.objects.get(pk=connection.pk), now=timezone.now())
        database.close()

    workers = [Thread(target=advance) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(timeout=20)

    assert sorted(state(one) for one in posts) == [S.APPROVED, S.PUBLISHED]
    assert (spent(), Call.objects.count(), published(fake)) == (Decimal("0.015"), 1, 1)


# Money


@pytest.mark.parametrize(
    ("text", "price"),
    [("No link", "0.015"), ("See https://a.example/x", "0.200"), ("See studio.com", "0.200")],
)
def test_what_a_post_costs_at_x(open_, publish, text, price):
    _, connection = open_("x_social")

    post = publish(connection, text)

    assert post.price == Decimal(price)
    assert spent() == Decimal(price)


def test_the_bill_is_what_we_counted(open_, publish):
    fake, connection = open_("x_social")
    fake.misbehave(ResetAfter(), path=WHERE["x_social"])

    publish(connection, "See https://a.example/x")
    later(minutes=20)

    assert fake.bill == Decimal("0.205")
    assert spent() == fake.bill


def test_above_the_limit_nothing_is_approved(open_, write, boss):
    fake, connection = open_("x_social")
    social.set_limit(boss, connection, daily_limit=Decimal("0.1"), reads_are_on=False, now=timezone.now())
    post = write(connection, "See https://a.example/x")

    with pytest.raises(social_spend.SpendLimitReached):
        social.approve(boss, post.public_id, now=timezone.now())

    assert (state(post), fake.seen) == (S.DRAFT, [])
    assert deeds()[-1] == "social_post.refused_by_limit"


def test_when_the_day_is_spent_the_next_post_waits_for_the_next(open_, write, boss):
    _, connection = open_("x_social")
    social.set_limit(boss, connection, daily_limit=Decimal("0.3"), reads_are_on=False, now=timezone.now())
    posts = [write(connection, f"{number}: https://a.example/") for number in range(2)]
    for post in posts:
        social.approve(boss, post.public_id, now=timezone.now())
        relay()
    later(minutes=1)

    assert [state(one) for one in posts] == [S.PUBLISHED, S.APPROVED]
    assert "Raise the limit" in SocialPost.objects.get(pk=posts[1].pk).reason
    assert deeds().count("social_post.refused_by_limit") == 1
    later(days=1)
    assert [state(one) for one in posts] == [S.PUBLISHED, S.PUBLISHED]


def test_a_post_that_is_too_dear_for_today_holds_up_none_that_is_not(open_, write, boss):
    _, connection = open_("x_social")
    social.set_limit(boss, connection, daily_limit=Decimal("0.3"), reads_are_on=False, now=timezone.now())
    dear, cheap = write(connection, "See https://a.example/"), write(connection, "No address")
    for post in (dear, cheap):
        SocialPost.objects.filter(pk=post.pk).update(scheduled_at=timezone.now() + timedelta(minutes=5))
        social.approve(boss, post.public_id, now=timezone.now())
    social.set_limit(boss, connection, daily_limit=Decimal("0.1"), reads_are_on=False, now=timezone.now())

    later(minutes=6)

    assert [state(dear), state(cheap)] == [S.APPROVED, S.PUBLISHED]
    assert "Raise the limit" in SocialPost.objects.get(pk=dear.pk).reason


def test_what_may_have_been_published_stays_paid_when_the_next_attempt_is_refused(open_, publish, boss):
    fake, connection = open_("x_social")
    fake.misbehave(ResetAfter(), path=WHERE["x_social"])
    post = publish(connection)
    Call.objects.update(state=Call.State.DEAD, due_at=None)
    social_publishing.move()
    assert state(post) == S.FAILED
    paid = spent()

    fake.misbehave(Answer(X_ERROR(400, "Invalid Request", "bad")), path=WHERE["x_social"])
    social.approve(boss, post.public_id, now=timezone.now())
    relay()

    assert state(post) == S.FAILED
    assert spent() == paid > 0


def test_what_was_not_published_costs_nothing(open_, publish):
    fake, connection = open_("x_social")
    fake.misbehave(Answer(X_ERROR(400, "Invalid Request", "bad")), path=WHERE["x_social"])

    assert publish(connection).state == S.FAILED
    assert spent() == 0


def test_a_limit_that_is_changed_is_written_down(open_, boss):
    _, connection = open_("x_social")

    social.set_limit(boss, connection, daily_limit=Decimal("2.5"), reads_are_on=True, now=timezone.now())

    entry = AuditEntry.objects.get(deed="social_account.limit_changed")
    assert entry.before == {"daily_limit": "1.000", "reads_are_on": False}
    assert entry.after == {"daily_limit": "2.5", "reads_are_on": True}
    for wrong in ("-1", "NaN", "1001", "0.0001"):
        with pytest.raises(Invalid):
            social.set_limit(
                boss, connection, daily_limit=Decimal(wrong), reads_are_on=True, now=timezone.now()
            )


# Afterwards


@pytest.mark.parametrize("name", ["facebook_pages", "linkedin_pages", "x_social"])
def test_a_post_is_taken_down(open_, publish, boss, name):
    fake, connection = open_(name)
    post = publish(connection)

    social.take_down(boss, post.public_id, now=timezone.now())
    relay()

    assert published(fake) == 0
    assert SocialPost.objects.get().deleted_at is not None
    with pytest.raises(social.NotPossibleNow):
        social.take_down(boss, post.public_id, now=timezone.now())


@pytest.mark.parametrize("name", ["facebook_pages", "linkedin_pages", "x_social"])
def test_a_post_that_is_gone_there_is_taken_down_all_the_same(open_, publish, boss, name):
    fake, connection = open_(name)
    post = publish(connection)
    (fake.tweets if name == "x_social" else fake.posts).clear()

    social.take_down(boss, post.public_id, now=timezone.now())
    relay()

    assert SocialPost.objects.get().deleted_at is not None


@pytest.mark.parametrize("name", ["facebook_pages", "linkedin_pages", "x_social"])
def test_a_take_down_whose_worker_died_is_looked_up_before_it_is_tried_again(open_, publish, boss, name):
    fake, connection = open_(name)
    post = publish(connection)
    social.take_down(boss, post.public_id, now=timezone.now())
    outbox.claim(lane=int(Lane.MARKETING), now=timezone.now())  # and its worker dies

    later(minutes=3)
    later(minutes=20)
    assert (published(fake), len(fake.asked("DELETE", ".*"))) == (0, 1)
    later(minutes=40)

    assert SocialPost.objects.get().deleted_at is not None
    assert set(Call.objects.values_list("state", flat=True)) == {Call.State.DONE}


def test_a_take_down_that_costs_money_and_whose_answer_was_lost_is_not_paid_twice(open_, publish, boss):
    fake, connection = open_("x_social")
    post = publish(connection)
    fake.misbehave(ResetAfter(), path=r"/2/tweets/\d+")
    social.take_down(boss, post.public_id, now=timezone.now())

    relay()
    assert SocialPost.objects.get().deleted_at is None
    later(minutes=20)

    assert SocialPost.objects.get().deleted_at is not None
    assert (published(fake), len(fake.asked("DELETE", ".*"))) == (0, 1)
    assert fake.bill <= social_spend.spent_on(connection, timezone.now().date())


def test_a_take_down_that_is_asked_for_twice_is_paid_once(open_, publish, boss):
    _, connection = open_("x_social")
    post = publish(connection)
    for _ in range(2):
        social.take_down(boss, post.public_id, now=timezone.now())

    assert SocialSpend.objects.filter(deed="delete").count() == 1
    assert Call.objects.filter(operation="post.delete").count() == 1


def test_instagram_takes_nothing_down(open_, publish, boss):
    _, connection = open_("instagram")
    post = publish(connection)

    with pytest.raises(social.NotPossibleNow, match="own app"):
        social.take_down(boss, post.public_id, now=timezone.now())


def test_a_failed_post_may_be_approved_again(open_, publish, boss):
    fake, connection = open_("facebook_pages")
    fake.misbehave(Answer(error(100, "no")), path=WHERE["facebook_pages"])
    post = publish(connection)
    assert post.state == S.FAILED

    social.approve(boss, post.public_id, now=timezone.now())
    relay()

    assert (state(post), published(fake)) == (S.PUBLISHED, 1)


def test_a_call_that_was_cancelled_leaves_a_failed_post(open_, write, boss):
    fake, connection = open_("facebook_pages")
    post = write(connection)
    social.approve(boss, post.public_id, now=timezone.now())
    call_deeds.cancel(boss, Call.objects.get().public_id, now=timezone.now())

    social_publishing.move()

    assert (state(post), fake.seen) == (S.FAILED, [])


def test_a_connection_that_needs_a_person_sends_nothing(open_, write, boss):
    fake, connection = open_("facebook_pages")
    post = write(connection)
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.NEEDS_SIGN_IN)

    with pytest.raises(social.NotPossibleNow):
        social.approve(boss, post.public_id, now=timezone.now())

    assert (state(post), fake.seen) == (S.DRAFT, [])


def test_the_sweep_starts_a_move_where_something_is_due(open_, write, boss):
    _, connection = open_("facebook_pages")
    assert social_publishing.sweep() == 0
    social.approve(boss, write(connection).public_id, now=timezone.now())

    assert social_publishing.sweep() == 1
