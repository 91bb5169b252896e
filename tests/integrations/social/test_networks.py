"""What goes over the wire to each network, byte by byte, what it says, and what a post may be there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.integrations import connections, errors
from apps.integrations.client import Client
from apps.integrations.connectors.social import linkedin, networks, x
from apps.integrations.connectors.social.network import (
    AccountFigures,
    Image,
    Post,
    PostFigures,
    Room,
    fingerprint,
    matching,
)
from apps.integrations.connectors.social.network import Seen as SeenPost
from apps.integrations.resilience.outcomes import Kind
from tests.factories import NOW
from tests.fakes import x_social
from tests.fakes.meta import error
from tests.fakes.server import Answer, json_reply
from tests.integrations.social.conftest import NETWORKS, PICTURE


@pytest.fixture
def network(open_):
    """A network at its fake."""

    def network(name, **options):
        fake, connection = open_(name, **options)
        return fake, networks.of(Client(connection))

    return network


def last(fake, method, path):
    return fake.asked(method, path)[-1]


# Bytes, written by hand from the documentation.


def test_the_bytes_at_facebook(network):
    fake, page = network("facebook_pages")

    answer = page.publish(Post(text="Spring & dates", link="https://a.example/x"), "")

    sent = last(fake, "POST", r".*/feed")
    assert sent.raw.startswith(b"POST /v26.0/1001/feed HTTP/1.1\r\n")
    assert sent.body == b"message=Spring+%26+dates&link=https%3A%2F%2Fa.example%2Fx"
    # The page's own token, which /me/accounts gave for the person's.
    assert sent.headers["authorization"] == "Bearer EAAB-page-token"
    assert fake.asked("GET", r".*/me/accounts")[0].headers["authorization"] == "Bearer EAAB-token"
    assert answer.value == "1001_501"
    assert page.url_of(answer.value) == "https://www.facebook.com/1001_501"


def test_images_at_facebook_go_up_unpublished_first(network):
    fake, page = network("facebook_pages")
    post = Post(text="Two", images=(Image(PICTURE, "A bride"), Image("https://img.example.com/b.jpg")))

    prepared = page.prepare(post).value
    page.publish(post, prepared)

    first = fake.asked("POST", r".*/photos")[0]
    assert first.body == (
        b"url=https%3A%2F%2Fimg.example.com%2Fa.jpg&published=false&alt_text_custom=A+bride"
    )
    assert last(fake, "POST", r".*/feed").form == {
        "message": "Two",
        "attached_media[0]": '{"media_fbid":"9001"}',
        "attached_media[1]": '{"media_fbid":"9002"}',
    }


def test_the_two_steps_at_instagram(network):
    fake, insta = network("instagram")
    post = Post(text="Spring", images=(Image(PICTURE, "A bride"),))

    container = insta.prepare(post).value
    assert insta.is_ready(container).value is True
    answer = insta.publish(post, container)

    made = last(fake, "POST", r".*/1789/media")
    assert made.raw.startswith(b"POST /v26.0/1789/media HTTP/1.1\r\n")
    assert made.body == b"image_url=https%3A%2F%2Fimg.example.com%2Fa.jpg&alt_text=A+bride&caption=Spring"
    asked = last(fake, "GET", rf".*/{container}")
    assert asked.target == f"/v26.0/{container}?fields=status_code%2Cstatus"
    sent = last(fake, "POST", r".*/media_publish")
    assert sent.raw.startswith(b"POST /v26.0/1789/media_publish HTTP/1.1\r\n")
    assert sent.body == f"creation_id={container}".encode()
    assert answer.value == "18002"


def test_several_images_at_instagram_are_a_carousel(network):
    fake, insta = network("instagram")

    insta.prepare(Post(text="Two", images=(Image(PICTURE), Image("https://img.example.com/b.jpeg"))))

    forms = [one.form for one in fake.asked("POST", r".*/1789/media")]
    assert forms == [
        {"image_url": PICTURE, "is_carousel_item": "true"},
        {"image_url": "https://img.example.com/b.jpeg", "is_carousel_item": "true"},
        {"media_type": "CAROUSEL", "children": "17001,17002", "caption": "Two"},
    ]


def test_instagram_says_how_much_room_there_is(network):
    fake, insta = network("instagram", quota=7)
    fake.media["1"] = {"id": "1", "caption": "", "at": fake.now()}

    assert insta.room() == Room(used=1, most=7)
    assert last(fake, "GET", r".*content_publishing_limit").query == {"fields": "quota_usage,config"}


def test_the_bytes_at_linkedin(network):
    fake, page = network("linkedin_pages")

    answer = page.publish(Post(text="Tea (free) @ #home", link="https://a.example/x"), "")

    sent = last(fake, "POST", r"/rest/posts")
    assert sent.raw.startswith(b"POST /rest/posts HTTP/1.1\r\n")
    assert sent.headers["linkedin-version"] == "202609"
    assert sent.headers["x-restli-protocol-version"] == "2.0.0"
    assert sent.body == (
        b'{"author":"urn:li:organization:2414","commentary":"Tea \\\\(free\\\\) \\\\@ \\\\#home",'
        b'"visibility":"PUBLIC","distribution":{"feedDistribution":"MAIN_FEED","targetEntities":[],'
        b'"thirdPartyDistributionChannels":[]},"lifecycleState":"PUBLISHED","isReshareDisabledByAuthor":false,'
        b'"content":{"article":{"source":"https://a.example/x","title":"Tea (free) @ #home"}}}'
    )
    assert answer.value == "urn:li:share:7000000000000000001"


def test_an_image_at_linkedin_is_put_where_it_says(network):
    fake, page = network("linkedin_pages")
    post = Post(text="One", images=(Image(PICTURE, "A bride"),))

    page.publish(post, page.prepare(post).value)

    begun = last(fake, "POST", r"/rest/images")
    assert begun.target == "/rest/images?action=initializeUpload"
    assert begun.json == {"initializeUploadRequest": {"owner": "urn:li:organization:2414"}}
    assert last(fake, "PUT", r"/dms-uploads/.*").body == x_social.PublicImages.content
    assert last(fake, "POST", r"/rest/posts").json["content"] == {
        "media": {"id": "urn:li:image:C1", "altText": "A bride"}
    }


def test_our_token_goes_to_no_address_but_linkedins(network):
    fake, page = network("linkedin_pages")
    told = {"uploadUrl": "https://linkedin.com.evil.example/x", "image": "urn:li:image:C9"}
    fake.misbehave(Answer(json_reply({"value": told})), path="/rest/images")

    answer = page.prepare(Post(text="One", images=(Image(PICTURE),)))

    assert answer.outcome.kind == Kind.REFUSED_HERE
    assert fake.asked("PUT", r".*") == []


def test_the_bytes_at_x(network):
    fake, account = network("x_social")

    answer = account.publish(
        Post(text="Spring", link="https://a.example/x", is_made_with_ai=True), '["7001"]'
    )

    sent = last(fake, "POST", r"/2/tweets")
    assert sent.raw.startswith(b"POST /2/tweets HTTP/1.1\r\n")
    assert sent.headers["authorization"] == "Bearer x-token"
    assert sent.body == (
        b'{"text":"Spring\\n\\nhttps://a.example/x","media":{"media_ids":["7001"]},"made_with_ai":true}'
    )
    assert answer.outcome.kind == Kind.PERMANENT_DATA  # there is no such upload


def test_an_image_at_x_goes_up_in_three_steps(network):
    fake, account = network("x_social")

    assert account.prepare(Post(text="One", images=(Image(PICTURE),))).value == '["7001"]'

    paths = [one.path for one in fake.seen]
    assert paths == [
        "/2/media/upload/initialize",
        "/2/media/upload/7001/append",
        "/2/media/upload/7001/finalize",
    ]
    size = len(x_social.PublicImages.content)
    assert fake.seen[0].json == {
        "media_type": "image/jpeg",
        "total_bytes": size,
        "media_category": "tweet_image",
    }
    assert b'name="segment_index"\r\n\r\n0' in fake.seen[1].body


# What is read


@pytest.mark.parametrize(
    ("name", "figures", "account"),
    [
        (
            "facebook_pages",
            PostFigures(views=420, reactions=25, comments=4, shares=3, clicks=12),
            AccountFigures(followers=1_204, views=3_100, engagements=210),
        ),
        (
            "instagram",
            PostFigures(views=900, reactions=81, comments=6, shares=2),
            AccountFigures(followers=3_015),
        ),
        (
            "linkedin_pages",
            PostFigures(views=700, reactions=31, comments=2, shares=1, clicks=44),
            AccountFigures(followers=812),
        ),
        (
            "x_social",
            PostFigures(views=1_500, reactions=40, comments=3, shares=5),
            AccountFigures(followers=640),
        ),
    ],
)
def test_figures_of_a_post_and_of_the_account(network, name, figures, account):
    _, one = network(name)
    post = Post(text="Spring", images=(Image(PICTURE),) if name == "instagram" else ())
    prepared = one.prepare(post).value or ""
    one.is_ready(prepared)
    key = one.publish(post, prepared).value

    found = one.post_figures(key)

    told = (found.views, found.reactions, found.comments, found.shares, found.clicks)
    assert told == (figures.views, figures.reactions, figures.comments, figures.shares, figures.clicks)
    assert one.account_figures() == account


@pytest.mark.parametrize("name", ["facebook_pages", "instagram", "x_social"])
def test_mentions(network, name):
    fake, one = network(name)
    fake.furnish()

    found = one.mentions("", 10)

    assert found
    assert all(mention.author and mention.text and mention.url for mention in found)


def test_mentions_at_x_begin_after_the_last(network):
    fake, account = network("x_social")
    fake.furnish()

    assert account.mentions("1900", 10) == []
    assert last(fake, "GET", r".*/mentions").target == (
        "/2/users/2244994945/mentions?max_results=10&tweet.fields=created_at%2Cauthor_id"
        "&expansions=author_id&since_id=1900"
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_connection_can_be_tested(open_, boss, name):
    _, connection = open_(name)

    assert "tudio" in connections.test(boss, connection, now=NOW)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_token_that_is_none_is_found_out(open_, boss, name, settings):
    fake, connection = open_(name)
    settings.OAUTH_CLIENTS = {"x_social": ("id", "secret")}
    fake.misbehave(Answer(error(190, "expired", status=401)), times=5)

    with pytest.raises(errors.ServiceError):
        connections.test(boss, connection, now=NOW)


def test_a_page_that_somebody_else_manages(network):
    fake, page = network("facebook_pages")
    fake.page = "2002"

    with pytest.raises(errors.Refused, match="does not manage this page"):
        page.account()


def test_metrics_are_a_setting(network, settings):
    settings.SOCIAL_METRICS = {"facebook_posts": {"views": ["post_clicks"]}}
    fake, page = network("facebook_pages")
    key = page.publish(Post(text="Spring"), "").value

    assert page.post_figures(key).views == 12
    assert fake.asked("GET", r".*/insights")[0].query["metric"] == "post_clicks"


# What a post may be


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Hello", 5),
        ("é", 1),
        ("e\u0301", 1),  # composed first
        ("中文", 4),
        ("👍", 2),
        ("👍🏽", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("🇬🇧", 2),
        ("1️⃣", 2),
        ("https://a.example/" + "x" * 100, 23),
        ("See studio.com now", 4 + 23 + 4),
        ("End. Begin", 10),
        ("ada@example.com", 15),
        ("“quoted”…", 10),
    ],
)  # fmt: skip
def test_length_as_x_counts_it(text, length):
    assert x.weighted_length(text) == length


def test_little_text_there_and_back():
    text = "a\\b |{}@[]()<>#*_~ c"

    assert linkedin.escaped(text) == "a\\\\b \\|\\{\\}\\@\\[\\]\\(\\)\\<\\>\\#\\*\\_\\~ c"
    assert linkedin.unescaped(linkedin.escaped(text)) == text


@pytest.mark.parametrize(
    ("name", "post", "fault"),
    [
        ("x_social", Post(text="x" * 281), "It has 281 characters, of which 280 are taken."),
        ("x_social", Post(text="a", images=(Image(PICTURE),) * 5), "At most 4 images."),
        ("instagram", Post(text="a"), "It needs an image."),
        ("instagram", Post(text="#a " * 31, images=(Image(PICTURE),)), "At most 30 hashtags."),
        ("linkedin_pages", Post(text="x" * 3_001), "It has 3,001 characters, of which 3,000 are taken."),
        ("facebook_pages", Post(text=" "), "Write something."),
    ],
)
def test_what_a_network_would_refuse(name, post, fault):
    assert networks.rules_of(name).faults(post) == [fault]


def test_what_to_know_before():
    linked = Post(text="See", link="https://a.example", images=(Image(PICTURE),))

    assert networks.rules_of("x_social").warnings(linked) == ["A link makes it dearer: 0.200 USD."]
    assert len(networks.rules_of("instagram").warnings(linked)) == 2
    assert networks.rules_of("facebook_pages").warnings(linked) == []


def test_prices_are_a_setting(settings):
    settings.SOCIAL_PRICES = {"x_social": {"create": "0.02"}}

    assert networks.rules_of("x_social").price(Post(text="Hello")) == Decimal("0.02")
    assert networks.rules_of("x_social").price(Post(text="Hello www.a.co")) == Decimal("0.200")
    assert networks.rules_of("facebook_pages").price(Post(text="Hello")) == 0


def test_a_text_is_known_again_with_its_addresses_shortened():
    ours = fingerprint("Spring dates:\n\nhttps://studio.example/dates?x=1")
    at = datetime(2026, 11, 30, 4, tzinfo=UTC)
    seen = [
        SeenPost(id="1", text="Other", at=at),
        SeenPost(id="2", text="Spring dates: https://t.co/abc", at=at),
        SeenPost(id="3", text="Spring dates: https://t.co/abc", at=at - timedelta(hours=1)),
    ]

    assert matching(seen, ours, since=at + timedelta(minutes=2)).id == "2"
    assert matching(seen, ours, since=at + timedelta(hours=1)) is None
