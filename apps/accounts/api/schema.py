"""What every operation of the OpenAPI schema has in common: the ways in, and the shape of a refusal."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

ERROR = {
    "type": "object",
    "description": "What every refusal looks like.",
    "required": ["detail", "code", "errors"],
    "properties": {
        "detail": {"type": "string", "description": "What happened and what to do next, for a person."},
        "code": {"type": "string", "description": "The same for a program."},
        "errors": {
            "type": "object",
            "description": "Messages by field, where the fault lies in the input.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
WITH_BODY = {"post", "put", "patch"}


class KeyOrSession(OpenApiAuthenticationExtension):
    target_class = "apps.accounts.api.authentication.RequestActorAuthentication"
    name = ["apiKey", "apiKeyHeader", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key: Authorization: Bearer bw_…"},
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]


def add_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: say of every operation how it refuses."""
    result["components"]["schemas"]["Error"] = ERROR
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for status, words in _refusals(path, method).items():
                operation["responses"].setdefault(status, _answer(words))
    return result


def _refusals(path: str, method: str) -> dict[str, str]:
    found = {
        "401": "No key or session, or one that is not accepted.",
        "403": "The key's scopes, or the role, do not allow this.",
        "429": "Over the limit of requests a minute; Retry-After says when to come back.",
    }
    if "{" in path:
        found["404"] = "Not in this workspace."
    if method in WITH_BODY:
        found["400"] = "Some fields need attention."
    return found


def _answer(words: str) -> dict[str, Any]:
    return {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def only_versioned(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Preprocessing hook: an address without a version is another one of a view that is described already."""
    return [one for one in endpoints if one[0].startswith("/api/v1/")]
