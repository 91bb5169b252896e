"""Every fake behind one port: /meta_ads/v26.0/… goes to Meta's, and so on. For trying the product without
accounts.
"""

import json
import socket
from dataclasses import replace

from tests.fakes.analytics import Amplitude, Mixpanel
from tests.fakes.conversions import Ga4, GoogleConversions, MetaConversions
from tests.fakes.google_ads import GoogleAds
from tests.fakes.honeybook import HoneyBook
from tests.fakes.lightblue import LightBlue
from tests.fakes.linkedin import LinkedInAds, LinkedInConversions
from tests.fakes.linkedin_pages import LinkedInPages
from tests.fakes.llm import LanguageModel
from tests.fakes.mailboxes import Mailboxes
from tests.fakes.mailgun import Mailgun
from tests.fakes.meta import Meta
from tests.fakes.meta_social import FacebookPages, Instagram
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.receiver import WebhookReceiver
from tests.fakes.resend import Resend
from tests.fakes.server import Fake, Reply, Seen, json_reply, route
from tests.fakes.slack import Slack
from tests.fakes.tiktok import TikTokAds, TikTokConversions
from tests.fakes.twilio import Twilio, TwilioCalls
from tests.fakes.vsco import Vsco
from tests.fakes.webhook import Webhook
from tests.fakes.x import XAds, XConversions
from tests.fakes.x_social import PublicImages, XSocial

FAKES: tuple[type[Fake], ...] = (
    Amplitude,
    FacebookPages,
    Ga4,
    GoogleAds,
    GoogleConversions,
    Instagram,
    HoneyBook,
    LanguageModel,
    LightBlue,
    LinkedInAds,
    LinkedInConversions,
    LinkedInPages,
    Mailboxes,
    Mailgun,
    Meta,
    MetaConversions,
    Mixpanel,
    PagerDuty,
    PublicImages,
    Resend,
    Slack,
    TikTokAds,
    TikTokConversions,
    Twilio,
    TwilioCalls,
    Vsco,
    Webhook,
    WebhookReceiver,
    XAds,
    XConversions,
    XSocial,
)


class Town(Fake):
    """The fakes by their service's key, each with something to see."""

    name = "town"

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.fakes = {kind.name: kind() for kind in FAKES}
        for name, fake in self.fakes.items():
            fake._server.server_close()  # the town's door is theirs
            fake.url = f"{self.url}/{name}"
            fake.furnish()
        mailboxes, resend = self.fakes["mailboxes"], self.fakes["resend"]
        assert isinstance(mailboxes, Mailboxes)
        assert isinstance(resend, Resend)
        mailboxes.post = resend

    @route("GET", r"/")
    def seen_by_all(self, request: Seen) -> Reply:
        """What each fake was asked, newest last."""
        told = {
            name: [{"method": one.method, "path": one.path} for one in fake.seen[-50:]]
            for name, fake in self.fakes.items()
        }
        return json_reply(json.loads(json.dumps(told)))

    def answer(self, request: Seen, connection: socket.socket) -> None:
        _, name, *rest = request.target.split("/", 2)
        fake = self.fakes.get(name)
        if fake is None:
            super().answer(request, connection)
        else:
            fake.answer(replace(request, target="/" + "/".join(rest)), connection)
