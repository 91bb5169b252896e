"""What a model is asked for, and what its answer must be: exactly five variants that can be sent as they are.

It picks a link by its id and writes no address, names fields and no person, and says nothing of rates.
"""

import json
import re
from typing import Any

from apps.campaigns.content import body, merge_fields, sandbox
from apps.campaigns.content.body import Marks
from apps.campaigns.content.briefs import Brief
from apps.campaigns.content.sandbox import BadTemplate, fields_in
from apps.integrations.connectors.llm import placeholders

VARIANTS = 5
LONGEST_SUBJECT, LONGEST_PREHEADER, LONGEST_BODY, LONGEST_LABEL = 90, 140, 6_000, 60
NO_LINK = "none"
WORDS = ("subject", "preheader", "body_markdown", "cta_label")
# What a model need not place: an address in a text helps nobody.
WITHHELD = {"email", "phone"}
_MARKDOWN_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\([^)]*\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(r"<?\b(?:https?://|www\.)[^\s<>)\]]+>?", re.IGNORECASE)
_ANCHOR = re.compile(r"</?a\b[^>]*>", re.IGNORECASE)
Variant = dict[str, Any]


class Unusable(ValueError):
    """An answer that keeps to the schema and still cannot be sent."""


def allowed_fields() -> list[str]:
    return [one.name for one in merge_fields.listed() if one.name not in WITHHELD]


def schema(brief: Brief) -> dict[str, Any]:
    """JSON schema of the answer: every property is required, and no other may be there."""
    properties = {
        "angle": {"type": "string", "minLength": 1, "maxLength": 60},
        "tone": {"type": "string", "minLength": 1, "maxLength": 60},
        "subject": {"type": "string", "minLength": 1, "maxLength": LONGEST_SUBJECT},
        "preheader": {"type": "string", "minLength": 1, "maxLength": LONGEST_PREHEADER},
        "body_markdown": {"type": "string", "minLength": 1, "maxLength": LONGEST_BODY},
        "cta_label": {"type": "string", "maxLength": LONGEST_LABEL},
        "cta_link_id": {"type": "string", "enum": [*brief.link_ids, NO_LINK]},
        "merge_fields": {"type": "array", "items": {"type": "string", "enum": allowed_fields()}},
        "rationale": {"type": "string", "minLength": 1, "maxLength": 600},
    }
    variant = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    variants = {"type": "array", "items": variant, "minItems": VARIANTS, "maxItems": VARIANTS}
    return {
        "type": "object",
        "properties": {"variants": variants},
        "required": ["variants"],
        "additionalProperties": False,
    }


def messages(brief: Brief) -> list[tuple[str, str]]:
    """(role, text), without addresses of links; names are taken out by whoever sends them."""
    rules = (
        f"You write marketing e-mails. Answer with exactly {VARIANTS} variants that differ in their angle "
        f"and have distinct subjects. subject: at most {LONGEST_SUBJECT} characters; preheader: at most "
        f"{LONGEST_PREHEADER}. body_markdown: Markdown of 60 to 200 words with one heading at most, no "
        "signature, no unsubscribe text. Never write an address of the web, an e-mail address or a number to "
        f"call: choose cta_link_id from the links, or {NO_LINK!r}. Personalise only by these fields, written "
        "{{ field | default('…') }} with a fallback that reads well, and list those that you used in "
        "merge_fields. Leave texts like [[NAME_1]] as they are. Claim nothing that the brief does not say; "
        "promise no figures; no capitals for emphasis. rationale: why this angle may suit the audience."
    )
    fields = {one.name: one.label for one in merge_fields.listed() if one.name not in WITHHELD}
    labels = (label for label, _ in brief.links)
    asked = {
        "about": brief.about,
        "audience": brief.audience,
        "goal": brief.goal,
        "tone": brief.tone,
        "language": brief.language,
        "links": dict(zip(brief.link_ids, labels, strict=True)),
        "fields": fields,
    }
    return [("system", rules), ("user", json.dumps(asked, ensure_ascii=False))]


def reviewed(document: Any, brief: Brief) -> list[Variant]:
    """The variants, with addresses that slipped in taken out. Raises Unusable."""
    variants = [_repaired(one, brief) for one in document["variants"]]
    if len({one["subject"].casefold() for one in variants}) < VARIANTS:
        raise Unusable("Two of the variants have the same subject.")
    for one in variants:
        one["merge_fields"] = _fields_of(one)
    return variants


def _repaired(given: Variant, brief: Brief) -> Variant:
    one = {name: sandbox.cleaned(value) if isinstance(value, str) else value for name, value in given.items()}
    for name in ("subject", "preheader", "cta_label"):
        one[name] = " ".join(_without_addresses(one[name]).split())
    one["body_markdown"] = _without_addresses(one["body_markdown"]).strip()
    if not brief.url(one["cta_link_id"]):
        one["cta_link_id"], one["cta_label"] = NO_LINK, ""
    elif not one["cta_label"]:
        one["cta_label"] = brief.label(one["cta_link_id"])[:LONGEST_LABEL]
    if not one["subject"] or not one["body_markdown"]:
        raise Unusable("A variant has no words left once addresses are taken out.")
    words = [one[name] for name in WORDS]
    if any("[[" in text for text in words):
        raise Unusable("A variant speaks of somebody who is not in the brief.")
    if placeholders.reached("\n".join(words)) - placeholders.reached(_told_in(brief)):
        raise Unusable("A variant holds an e-mail address or a telephone number that is not in the brief.")
    return one


def _told_in(brief: Brief) -> str:
    labels = (label for label, _ in brief.links)
    return "\n".join([brief.about, brief.audience, brief.goal, *brief.names, *labels])


def _without_addresses(text: str) -> str:
    """Links keep their words; pictures go."""
    for pattern, kept in ((_IMAGE, ""), (_MARKDOWN_LINK, r"\1"), (_ANCHOR, ""), (_URL, "")):
        text = pattern.sub(kept, text)
    return text


def _fields_of(variant: Variant) -> list[str]:
    """The fields that its templates really use. Raises Unusable for templates that cannot be sent."""
    known = frozenset(allowed_fields())
    used: set[str] = set()
    try:
        for name in WORDS:
            used |= fields_in(sandbox.check(variant[name], known))
        body.read(sandbox.pieces(variant["body_markdown"]), Marks())
    except BadTemplate as error:
        raise Unusable(
            f"A template of the variant {variant['angle']!r} cannot be used: {error.detail}"
        ) from error
    return sorted(used)
