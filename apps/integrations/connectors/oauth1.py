"""OAuth 1.0a signatures (RFC 5849), which X asks for. oauthlib computes them; it opens no socket."""

from dataclasses import replace
from urllib.parse import quote, urlencode

from oauthlib import oauth1

from apps.integrations.http import Request
from apps.integrations.services import Credentials, Field

FIELDS = (
    Field(key="consumer_key", label="API key"),
    Field(key="consumer_secret", label="API key secret", is_secret=True),
    Field(key="access_token", label="Access token", is_secret=True),
    Field(key="token_secret", label="Access token secret", is_secret=True),
)


def sign(request: Request, credentials: Credentials) -> Request:
    """With a signature over method, address and query. Bodies are JSON, which it does not cover."""
    query = urlencode(request.params or {}, quote_via=quote)
    url = f"{request.url}?{query}" if query else request.url
    signer = oauth1.Client(
        credentials.get("consumer_key"),
        client_secret=credentials.get("consumer_secret"),
        resource_owner_key=credentials.get("access_token"),
        resource_owner_secret=credentials.get("token_secret"),
    )
    _, headers, _ = signer.sign(url, http_method=request.method)
    return replace(request, url=url, params=None, headers={**request.headers, **headers})
