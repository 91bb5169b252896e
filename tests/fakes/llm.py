"""Chat completions as documented: canned answers by a piece of the question, usage counted by words.

Asked for variants of a message, it writes five out of the question's own words.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from tests.fakes import server
from tests.fakes.server import Answer, Fake, Fault, Reply, Rewritten, Seen, json_reply, route

API_KEY = "sk-fake"


def error(
    code: str,
    message: str = "It was refused.",
    *,
    status: int = 400,
    kind: str = "invalid_request_error",
    headers: dict[str, str] | None = None,
) -> Reply:
    """The documented envelope."""
    told = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return json_reply(told, status=status, headers=headers)


def completion(
    content: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: dict[str, Any] | None = None,
) -> Reply:
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "fake-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
    }
    return json_reply(document | ({"usage": usage} if usage else {}), headers={"x-request-id": "req_1"})


def said(**changed: Any) -> Fault:
    """Its first choice is another. content: its words; refusal; finish_reason."""

    def change(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        choice = document["choices"][0]
        choice["finish_reason"] = changed.get("finish_reason", choice["finish_reason"])
        words = {name: value for name, value in changed.items() if name in {"content", "refusal"}}
        choice["message"] |= words
        return replace(reply, body=json.dumps(document).encode())

    return Rewritten(change)


def wrote(spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Fault:
    """Its variants are others; an answer without any stays."""

    def change(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        message = document["choices"][0]["message"]
        try:
            answer = json.loads(message["content"])
        except ValueError:
            return reply
        message["content"] = json.dumps({"variants": spoil(answer["variants"])})
        return replace(reply, body=json.dumps(document).encode())

    return Rewritten(change)


def each(**changed: str) -> Fault:
    return wrote(lambda variants: [one | changed for one in variants])


PERSON = "Ada Lovelace of 1 Barn Lane (ada@private.example, +44 7700 900123) was here too."
FAULTS: dict[str, Fault] = {
    **server.FAULTS,
    "429": Answer(error("rate_limit_exceeded", "Slow down.", status=429, headers={"Retry-After": "1"})),
    "quota": Answer(error("insufficient_quota", "You exceeded your current quota.", status=429)),
    "401": Answer(error("invalid_api_key", "Incorrect API key provided.", status=401)),
    "500": Answer(error("server_error", "The server had an error.", status=500, kind="server_error")),
    "no_choices": Rewritten(lambda reply: json_reply({"object": "chat.completion", "choices": None})),
    "words": said(content="Certainly! Here are five variants for you:\n\n1. Come and see us"),
    "too_few": wrote(lambda variants: variants[:4]),
    "equal_subjects": each(subject="Come and see us"),
    "address": each(body_markdown="Look at https://evil.example/now and [here](https://evil.example)."),
    "personal": each(body_markdown=PERSON),
    "stranger": each(body_markdown="Hello [[NAME_7]], come and see."),
    "template": each(body_markdown="Hello {{ first_name.__class__ }}, come and see."),
    "cut_off": said(content='{"variants": [{"angle": "an inv', finish_reason="length"),
    "filtered": said(content="", finish_reason="content_filter"),
    "refusal": said(content=None, refusal="I cannot help with that."),
    "empty": said(content=""),
}


class LanguageModel(Fake):
    name = "llm"
    hint = f"API key {API_KEY}, any model"
    faults: ClassVar[dict[str, Fault]] = FAULTS

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Piece of the question → the answer.
        self.canned: dict[str, str] = {}
        self.counts_usage = True

    @route("POST", r"/v1/chat/completions")
    def complete(self, request: Seen) -> Reply:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return error("invalid_api_key", "Incorrect API key provided.", status=401)
        body = request.json
        if not body.get("model"):
            return error("model_not_found", "The model does not exist.", status=404)
        asked = " ".join(one["content"] for one in body["messages"])
        text = next((told for piece, told in self.canned.items() if piece in asked), None)
        if text is None:
            text = _variants(body) or f"Answer {hashlib.sha256(asked.encode()).hexdigest()[:8]}"
        words = len(asked.split()), len(text.split())
        usage = {"prompt_tokens": words[0], "completion_tokens": words[1], "total_tokens": sum(words)}
        return completion(text, usage=usage if self.counts_usage else None)

    @route("GET", r"/v1/models")
    def models(self, request: Seen) -> Reply:
        return json_reply({"object": "list", "data": [{"id": "fake-1", "object": "model"}]})


ANGLES = ("An invitation", "A question", "A promise kept", "A look behind the scenes", "A last reminder")


def _variants(body: dict[str, Any]) -> str:
    """Five of them, where the schema of that name is asked for."""
    wanted = body.get("response_format", {}).get("json_schema", {})
    if wanted.get("name") != "variants":
        return ""
    brief = json.loads(next(one["content"] for one in body["messages"] if one["role"] == "user"))
    link = next(iter(brief["links"]), "none")
    return json.dumps({"variants": [_variant(angle, brief, link) for angle in ANGLES]})


def _variant(angle: str, brief: dict[str, Any], link: str) -> dict[str, Any]:
    about = brief["about"]
    return {
        "angle": angle.lower(),
        "tone": brief["tone"] or "warm",
        "subject": f"{angle}: {about}"[:90],
        "preheader": about[:140],
        "body_markdown": f"Hello {{{{ first_name | default('there') }}}},\n\n{about}\n\nCome and see.",
        "cta_label": brief["links"].get(link, ""),
        "cta_link_id": link,
        "merge_fields": ["first_name"],
        "rationale": f"{angle} suits those who {brief['goal'] or 'have been here before'}.",
    }
