"""An account at each network, on a fake of it, and a post on its way there."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from apps.accounts.permissions import Actor
from apps.integrations import outbox, social, social_publishing
from apps.integrations.connectors.social.network import Image, Post
from apps.integrations.resilience.lanes import Lane
from apps.integrations.social import Draft
from tests.factories import UserFactory
from tests.fakes import linkedin_pages, meta_social, x_social
from tests.integrations.connected import connection_to

NETWORKS = {
    "facebook_pages": (meta_social.FacebookPages, meta_social.TOKEN, "1001"),
    "instagram": (meta_social.Instagram, meta_social.TOKEN, "1789"),
    "linkedin_pages": (linkedin_pages.LinkedInPages, linkedin_pages.TOKEN, "2414"),
    "x_social": (x_social.XSocial, x_social.TOKEN, "2244994945"),
}
WHERE = {
    "facebook_pages": r".*/1001/feed",
    "instagram": r".*/media_publish",
    "linkedin_pages": r"/rest/posts",
    "x_social": r"/2/tweets",
}
PICTURE = "https://img.example.com/a.jpg"


@pytest.fixture
def boss(workspace):
    user = UserFactory()
    return Actor(kind="user", id=user.pk, label="Olga", workspace_id=workspace.pk, role="owner")


@pytest.fixture
def open_(workspace, settings):
    """Connect an account to a fake of its network."""
    fakes = []

    def open_(name, **options):
        kind, token, account = NETWORKS[name]
        fake, images = kind(**options).__enter__(), x_social.PublicImages().__enter__()
        fakes.extend([fake, images])
        settings.INTEGRATION_URLS = {
            **settings.INTEGRATION_URLS,
            name: fake.url,
            "public_images": images.url,
        }
        secrets = {"access_token": token}
        if name == "x_social":
            secrets["refresh_token"] = x_social.REFRESH
        return fake, connection_to(workspace, name, account=account, secrets=secrets)

    yield open_
    for fake in fakes:
        fake.__exit__(None, None, None)


@pytest.fixture
def write(boss):
    def write(connection, text="Spring dates are open", *, at=None, **changes):
        images = (Image(PICTURE),) if connection.service == "instagram" else ()
        post = Post(**{"text": text, "images": images, **changes})
        [made] = social.write(boss, Draft(post=post, scheduled_at=at), [connection], now=timezone.now())
        return made

    return write


@pytest.fixture
def publish(boss, write):
    """Write it, approve it, and have a worker send it."""

    def publish(connection, text="Spring dates are open", **changes):
        post = write(connection, text, **changes)
        social.approve(boss, post.public_id, now=timezone.now())
        relay()
        return social.get(post.public_id)

    return publish


def relay():
    outbox.relay(lane=int(Lane.MARKETING))


def later(**span):
    """A worker and the beat, that much later."""
    with time_machine.travel(timezone.now() + timedelta(**span)):
        relay()
        social_publishing.move()
        relay()


def published(fake):
    """How many posts the network has."""
    return len(getattr(fake, "media", None) or getattr(fake, "posts", None) or getattr(fake, "tweets", {}))


def money(text):
    return Decimal(text)
