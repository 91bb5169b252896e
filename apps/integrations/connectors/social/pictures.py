"""Images at public addresses, fetched for networks that want their bytes. Without anybody's credentials."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from apps.integrations import calling, errors, http, services
from apps.integrations.client import Client
from apps.integrations.http import Request
from apps.integrations.resilience.outcomes import Kind, Outcome
from apps.integrations.resilience.policy import Answer, Operation
from apps.integrations.services import Family, Service, by_status

LARGEST = 5 * 1024**2
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}

PICTURES = services.register(
    Service(
        key="public_images",
        name="Images at public addresses",
        family=Family.SOCIAL,
        base_url="https://",
        is_offered=False,
    )
)


@dataclass(frozen=True)
class Picture:
    content: bytes
    kind: str


def fetched(client: Client, url: str) -> Answer[Picture]:
    """The image, or the outcome that says why there is none: only from the public internet, or from where the
    operator has put images.
    """
    placed = PICTURES.placed(url)
    request = Request(method="GET", url=placed, headers={"Accept": "image/*"}, is_elsewhere=placed == url)

    def attempt(seconds: float) -> tuple[Outcome, Picture | None]:
        response = http.send(request, timeout_seconds=seconds)
        outcome = by_status(response, True, client.clock())
        if not outcome.is_good:
            words = f"The image could not be fetched: HTTP {response.status}."
            kind = outcome.kind if outcome.kind == Kind.RETRYABLE else Kind.PERMANENT_DATA
            return Outcome(kind=kind, status=response.status, reason=words), None
        return _read(response.body)

    host = urlsplit(placed).hostname or ""
    operation = Operation(service=PICTURES.key, name="image.fetch", account=host, lane=client.lane)
    return calling.policy().call(operation, attempt)


def _read(content: bytes) -> tuple[Outcome, Picture | None]:
    kind = next((name for magic, name in KINDS.items() if content.startswith(magic)), None)
    if kind is None or len(content) > LARGEST:
        words = "The image is none that is taken: JPEG, PNG or GIF of at most 5 MB."
        return Outcome(kind=Kind.PERMANENT_DATA, reason=words), None
    return Outcome(kind=Kind.OK), Picture(content, kind)


def required(client: Client, url: str) -> Picture:
    """Raises errors.ServiceError."""
    answer = fetched(client, url)
    if answer.value is None:
        raise errors.of(PICTURES.name, answer.outcome)
    return answer.value
