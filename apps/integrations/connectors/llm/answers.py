"""What a model answered: its words, or why there are none; a document that keeps to a schema; its cost."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema

from apps.accounts.errors import DomainError

# Bytes of a text that are one token at the least, so that a reservation is rarely too small.
BYTES_PER_TOKEN = 3
# What a schema says of how many or how long.
SIZES = {
    "minItems": "{has} where at least {asked} are asked for",
    "maxItems": "{has} where at most {asked} are asked for",
    "minLength": "{has} characters where at least {asked} are asked for",
    "maxLength": "{has} characters where at most {asked} are asked for",
}
UNFINISHED = {"length": "It was cut short.", "content_filter": "It was filtered."}


class NoAnswer(DomainError):
    """The model gave nothing to use. why: refusal, length, content_filter, invalid or empty."""

    code = "no_answer"
    status = 502

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


def text(document: Mapping[str, Any]) -> str:
    """The words of the first choice. Raises NoAnswer."""
    choices = document.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message = _object(choice.get("message"))
    if message.get("refusal"):
        raise NoAnswer("refusal", f"The model refused: {message['refusal']}"[:300])
    if (reason := choice.get("finish_reason")) in UNFINISHED:
        raise NoAnswer(reason, f"{UNFINISHED[reason]} Ask for less, or differently.")
    if not message.get("content"):
        raise NoAnswer("empty", "The model answered with nothing.")
    return str(message["content"])


def parsed(text: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """The document and what is wrong with it, or nothing."""
    try:
        document = json.loads(_unfenced(text))
    except ValueError as error:
        return None, f"it is not JSON ({error})"
    validator = jsonschema.Draft202012Validator(schema)
    fault = next(iter(sorted(validator.iter_errors(document), key=str)), None)
    return document, "" if fault is None else f"{fault.json_path}: {_words(fault)}"[:300]


def _words(fault: jsonschema.ValidationError) -> str:
    """Of a list or a text only how long it is: the whole of it tells nobody anything."""
    if (words := SIZES.get(str(fault.validator))) is not None:
        return words.format(has=len(fault.instance), asked=fault.validator_value)
    return str(fault.message)


def _unfenced(text: str) -> str:
    """Without the fence that some models put around JSON."""
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```"):
        return inner[3:-3].removeprefix("json")
    return inner


def used(document: Mapping[str, Any], asked: int) -> int:
    """As the server counts; by our estimate where it does not say."""
    total = _object(document.get("usage")).get("total_tokens")
    if isinstance(total, int) and total >= 0:
        return total
    return asked + estimate(json.dumps(document.get("choices"), ensure_ascii=False))


def estimate(text: str) -> int:
    return len(text.encode()) // BYTES_PER_TOKEN + 1


def _object(found: Any) -> Mapping[str, Any]:
    """Compatible servers are not always."""
    return found if isinstance(found, dict) else {}
