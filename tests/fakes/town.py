"""Every fake behind one port: /meta_ads/v26.0/… goes to Meta's, and so on; a mail server is at the next port.
For trying the product without accounts, and with services that fail (/_fail).
"""

import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tests.fakes import fail_door, tell_door
from tests.fakes.analytics import Amplitude, Mixpanel
from tests.fakes.conversions import Ga4, GoogleConversions, MetaConversions
from tests.fakes.google_ads import GoogleAds
from tests.fakes.honeybook import HoneyBook
from tests.fakes.lightblue import LightBlue
from tests.fakes.linkedin import LinkedInAds, LinkedInConversions
from tests.fakes.linkedin_pages import LinkedInPages
from tests.fakes.llm import LanguageModel
from tests.fakes.mail_server import MailServer
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
        super().__init__(port=port or _free_pair())
        self.mail = MailServer(smtp_port=self.port + 1)
        self.fakes: dict[str, Fake] = {kind.name: kind() for kind in FAKES} | {"smtp": self.mail}
        for name, fake in self.fakes.items():
            fake._server.server_close()  # the town's door is theirs
            fake.url = f"{self.url}/{name}"
            fake.furnish()
        mailboxes, resend = self.fakes["mailboxes"], self.fakes["resend"]
        assert isinstance(mailboxes, Mailboxes)
        assert isinstance(resend, Resend)
        mailboxes.post = resend

    def start(self) -> None:
        self.mail.sink.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self.mail.sink.stop()

    @route("GET", r"/_mail")
    def post(self, request: Seen) -> Reply:
        """How many messages each mail service took, and who got more than one; ?to=: those of one."""
        taken = self._taken()
        if to := request.query.get("to"):
            return json_reply([{"service": name, **told} for name, one, told in taken if one == to])
        each = Counter(one for _, one, _ in taken)
        twice = sorted(one for one, count in each.items() if count > 1)
        services = Counter(name for name, _, _ in taken)
        return json_reply({"taken": services, "addresses": len(each), "more_than_one": twice[:100]})

    def _taken(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Service, address and what it keeps of each message."""
        resend, mailgun = self.fakes["resend"], self.fakes["mailgun"]
        assert isinstance(resend, Resend)
        assert isinstance(mailgun, Mailgun)
        return [
            *(("resend", to, one) for one in list(resend.sent.values()) for to in one["to"]),
            *(("mailgun", to, {"form": form}) for to, form in list(mailgun.taken)),
            *(("smtp", to, {"message_id": name}) for to, name in list(self.mail.sink.stored)),
        ]

    @route("POST", r"/_fail")
    def fail(self, request: Seen) -> Reply:
        """{"service": "llm", "fault": "429", "times": 3}: the next three requests are answered so."""
        return self._at_the_door(lambda: fail_door.read(_document(request), self.fakes).plan(), status=201)

    @route("GET", r"/_fail")
    def failing(self, request: Seen) -> Reply:
        """What is still going to go wrong, and what can."""
        return json_reply(fail_door.told(self.fakes))

    @route("DELETE", r"/_fail")
    def behave_again(self, request: Seen) -> Reply:
        """Nothing goes wrong any more, at ?service= or anywhere."""
        return self._at_the_door(lambda: fail_door.forget(self.fakes, request.query.get("service", "")))

    def _at_the_door(self, deed: Callable[[], None], *, status: int = 200) -> Reply:
        try:
            deed()
        except fail_door.NotUnderstood as error:
            return json_reply({"error": str(error)}, status=400)
        return json_reply({"waiting": fail_door.told(self.fakes)["waiting"]}, status=status)

    @route("POST", r"/_tell")
    def tell(self, request: Seen) -> Reply:
        """{"service": "resend", "event": "bounced", "to": "ann@mail.example"}: of its last message."""
        return self._at_the_door(lambda: tell_door.tell(_document(request), self.fakes), status=202)

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


def _free_pair() -> int:
    """A free port whose neighbour is free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            second.bind(("127.0.0.1", port + 1))
            return port


def _document(request: Seen) -> Any:
    """None for what is no JSON, or does not say so: any page may send that from its reader's browser."""
    if request.headers.get("content-type") != "application/json":
        return None
    try:
        return request.json
    except ValueError:
        return None
