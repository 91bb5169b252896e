"""Whether the site is ready, and the words that say so."""

import http.client
import json
from contextlib import suppress
from urllib.parse import urlsplit

from config.supervisor.plan import Plan


def trouble_with(address: str) -> str | None:
    """What /health/ready says against being ready; None when it is."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        return None if answer.status == http.HTTPStatus.OK else f"{answer.status} {body[:500]}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def welcome(plan: Plan, trouble: str | None) -> str:
    """Where it is and how to get in. The demo command left the login and the key in demo.json."""
    state = f"runs but is not ready ({trouble})" if trouble else "is ready"
    lines = [f"Bellwether {state}: {plan.address}", "Stop it with Ctrl-C."]
    with suppress(OSError, ValueError, KeyError):
        demo = json.loads((plan.root / ".bellwether" / "demo.json").read_text())
        lines.insert(1, f"Sign in as {demo['email']} with password {demo['password']}")
        lines.insert(2, f"API key    {demo['api_key']}")
    rule = "-" * max(map(len, lines))
    return "\n".join([rule, *lines, rule])
