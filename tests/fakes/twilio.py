"""Twilio as documented: form-encoded messages and calls of one account, and its error envelope."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from tests.fakes.server import Fake, Reply, Seen, json_reply, route

ACCOUNT = "AC" + "0" * 32
TOKEN = "twilio-token"
# printf %s "$ACCOUNT:twilio-token" | base64 -w0
BASIC = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDp0d2lsaW8tdG9rZW4="
PLACE = r"/2010-04-01/Accounts/(?P<account>AC\w+)"


def error(code: int, message: str, *, status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    """The documented envelope."""
    told = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return json_reply(told, status=status, headers=headers)


class Twilio(Fake):
    name = "twilio_sms"
    hint = f"account {ACCOUNT}, token {TOKEN}, any number with its country"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.messages: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.status = "active"
        self.stopped: set[str] = set()

    @route("GET", PLACE + r"\.json")
    def account(self, request: Seen) -> Reply:
        told = {"sid": ACCOUNT, "friendly_name": "Studio North", "status": self.status, "type": "Full"}
        return self._refused(request) or json_reply(told)

    @route("POST", PLACE + r"/Messages\.json")
    def send(self, request: Seen) -> Reply:
        form = request.form
        if refused := self._refused(request) or self._unusable(form):
            return refused
        if not form.get("Body") or len(form["Body"]) > 1_600:
            return error(21_617, "The concatenated message body exceeds the 1600 character limit.")
        row = self._kept("SM", form) | {"body": form["Body"], "status": "queued", "num_segments": "1"}
        self.messages.append(row)
        return json_reply(row, status=201)

    @route("POST", PLACE + r"/Calls\.json")
    def call(self, request: Seen) -> Reply:
        form = request.form
        if refused := self._refused(request) or self._unusable(form):
            return refused
        if not (form.get("Twiml") or form.get("Url")):
            return error(21_205, "Url parameter is required.")
        row = self._kept("CA", form) | {"status": "queued", "twiml": form.get("Twiml", "")}
        self.calls.append(row)
        return json_reply(row, status=201)

    @route("GET", PLACE + r"/Messages\.json")
    def list_messages(self, request: Seen) -> Reply:
        return self._refused(request) or self._listed("messages", self.messages, request.query)

    @route("GET", PLACE + r"/Calls\.json")
    def list_calls(self, request: Seen) -> Reply:
        return self._refused(request) or self._listed("calls", self.calls, request.query)

    def _refused(self, request: Seen) -> Reply | None:
        if request.headers.get("authorization") != BASIC:
            return error(20_003, "Authenticate", status=401)
        if request.args["account"] != ACCOUNT:
            return error(20_404, "The requested resource was not found", status=404)
        return None

    def _unusable(self, form: dict[str, str]) -> Reply | None:
        if not form.get("To", "").startswith("+"):
            return error(21_211, "The 'To' number is not a valid phone number.")
        if form["To"] in self.stopped:
            return error(21_610, "Attempt to send to unsubscribed recipient")
        if not (form.get("From") or form.get("MessagingServiceSid")):
            return error(21_603, "A 'From' phone number is required.")
        return None

    def _kept(self, kind: str, form: dict[str, str]) -> dict[str, Any]:
        return {
            "sid": f"{kind}{self.next_id():032x}",
            "account_sid": ACCOUNT,
            "to": form["To"],
            "from": form.get("From"),
            "date_created": format_datetime(datetime.fromtimestamp(self.now(), UTC)),
            "error_code": None,
        }

    def _listed(self, name: str, rows: list[dict[str, Any]], query: dict[str, str]) -> Reply:
        return json_reply({name: [one for one in rows if one["to"] == query.get("To")], "page": 0})


class TwilioCalls(Twilio):
    """The same account behind the door of calls."""

    name = "twilio_call"
