"""Light Blue's api.php: a form in, a code out, whatever the status; and the door where a key is tried.

The body is the code and, on a line of its own after a carriage return, what it means.
"""

from typing import Any

from tests.fakes.server import Fake, Reply, Seen, route, text_reply

KEY = "lb-key"
# Fields that a contact form may have; a form with none of them is no form.
KNOWN = {
    "Message",
    "ContactNameFull",
    "ContactNameFirst",
    "ContactNameLast",
    "ContactEmail",
    "ContactPhone",
    "ContactSource",
    "ContactMailingList",
    "ShootTitle",
    "ShootType",
}


def code(number: int, words: str = "", *, status: int = 200) -> Reply:
    return text_reply(f"{number}\r{words}" if words else str(number), status=status)


class LightBlue(Fake):
    name = "light_blue"
    hint = f"API key {KEY}"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inbox: list[dict[str, str]] = []
        self.is_secure = True

    @route("POST", r"/api\.php")
    def take(self, request: Seen) -> Reply:
        form = request.form
        if not self.is_secure:
            return code(-20, "You must use HTTPS when using the Light Blue API.")
        if form.get("Key") != KEY:
            return code(-1, "Your API key was not recognised.")
        if form.get("Type") != "contact form" or not KNOWN & form.keys():
            return code(-3, "Invalid API request type, or no valid parameters.")
        same = ("ID", "Source")
        if "ID" in form and any(all(one.get(n) == form.get(n) for n in same) for one in self.inbox):
            return code(-4, "This is a duplicate API request.")
        self.inbox.append(form)
        return code(0)

    @route("POST", r"/apiCheck\.php")
    def try_key(self, request: Seen) -> Reply:
        if request.form.get("Key") != KEY:
            return code(-1, "Your API key was not recognised.")
        return code(0, "Account confirmed: Studio North")
