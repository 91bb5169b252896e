"""Five variants from a brief: by a language model where one is connected, answers and may; by our own rules
otherwise, with the reason said. Whatever fails, there are five.

The model is asked in a job, never while a page waits. It sees the brief with names, addresses and numbers
taken out, labels of links and names of fields; nothing of any recipient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts import audit, jobs
from apps.accounts.errors import Invalid, NotHere
from apps.accounts.models import Job
from apps.accounts.permissions import Actor, require
from apps.campaigns.content import ai_switch, angles, briefs, contract, predictions, variants
from apps.campaigns.content.briefs import Brief
from apps.campaigns.content.contract import Unusable, Variant
from apps.campaigns.models import AiDraft, Campaign, Content
from apps.integrations import errors, metrics
from apps.integrations.client import Client
from apps.integrations.connectors.llm import chat
from apps.integrations.connectors.llm.answers import NoAnswer
from apps.integrations.connectors.llm.budget import TokensSpent
from apps.integrations.connectors.llm.chat import Completion, Prompt
from apps.integrations.models import Connection

KIND = "campaigns.ai_content"
# Of the whole answer: five times some two hundred words, and what stands around them.
MOST_TOKENS = 4_000
TEMPERATURE = 0.8
MadeBy = Content.MadeBy
# Why no model may be asked, in a sentence; empty when one may.
Hold = Callable[[], str]
_holds: list[Hold] = [ai_switch.reason_off]


@dataclass(frozen=True, kw_only=True)
class Written:
    """why, reason: why no model wrote them, as a word and as a sentence; empty where one did."""

    variants: Sequence[Variant]
    made_by: str
    why: str = ""
    reason: str = ""
    model: str = ""
    tokens: int = 0


def held() -> str:
    """Why no model may be asked here, in a sentence; empty where one may."""
    return next((words for hold in _holds if (words := hold())), "")


def holds(hold: Hold) -> Hold:
    """Have the function say whether models may be asked: a flag of the floor above, for instance."""
    _holds.append(hold)
    return hold


@transaction.atomic
def ask(actor: Actor, campaign: Campaign, brief: Mapping[str, Any], *, now: datetime) -> tuple[AiDraft, Job]:
    """Have five variants written, in the background. Who asks the same again while it is under way gets that
    one. Audited. Raises Invalid for a brief that cannot be used.
    """
    require(actor, "campaigns:write")
    asked = briefs.of(brief)
    Campaign.objects.select_for_update().get(pk=campaign.pk)
    waiting = AiDraft.objects.filter(campaign=campaign, brief_hash=asked.digest, state=AiDraft.State.ASKED)
    if (known := waiting.order_by("-pk").first()) and (job := _working(known)):
        return known, job
    draft = AiDraft.objects.create(
        workspace_id=actor.workspace_id,
        campaign=campaign,
        brief=asked.as_json(),
        brief_hash=asked.digest,
        asked_by=actor.label[:200],
        asked_at=now,
    )
    job = jobs.begin(actor, KIND, title=f"Write variants for {campaign.name}", params={"draft": draft.pk})
    audit.record(actor, "ai_content.asked", campaign, now=now, after={"draft": str(draft.public_id)})
    return draft, job


def _working(draft: AiDraft) -> Job | None:
    found: Job | None = Job.objects.filter(
        kind=KIND, state__in=jobs.UNFINISHED, params__draft=draft.pk
    ).first()
    return found


@jobs.work(KIND)
def _work(job: Job) -> dict[str, Any]:
    """Once: a worker may have died between the answer and the end of its job."""
    draft = AiDraft.objects.get(pk=job.params["draft"])
    if draft.state == AiDraft.State.ASKED:
        write(draft, now=timezone.now())
    return {"draft": str(draft.public_id), "made_by": draft.made_by, "why": draft.why}


def write(draft: AiDraft, *, now: datetime) -> Written:
    """Fill the draft in."""
    found = written(briefs.of(draft.brief), now=now)
    draft.variants, draft.made_by = list(found.variants), found.made_by
    draft.why, draft.reason = found.why[:40], found.reason[:300]
    draft.model, draft.tokens = found.model[:120], found.tokens
    draft.state, draft.done_at = AiDraft.State.DONE, now
    draft.save()
    return found


def written(brief: Brief, *, now: datetime) -> Written:
    """Never fails for what a model or its service does."""
    if reason := held():
        return _by_rules(brief, "switched_off", f"Language models are switched off here: {reason}")
    there = Connection.objects.filter(service=chat.KEY).exclude(state=Connection.State.DISCONNECTED)
    connection = there.filter(state=Connection.State.CONNECTED).order_by("pk").first()
    if connection is None:
        return _by_rules(brief, "not_connected", _not_connected(there.order_by("-pk").first()))
    try:
        answer = _asked(Client(connection, clock=lambda: now), brief)
        found = contract.reviewed(answer.document, brief)
    except NoAnswer as error:
        return _by_rules(brief, error.why, error.detail)
    except TokensSpent as error:
        return _by_rules(brief, error.code, error.detail)
    except errors.ServiceError as error:
        return _by_rules(brief, error.outcome.kind.value, error.detail)
    except Unusable as error:
        metrics.observe("ai.success", 0.0)
        return _by_rules(brief, "unusable", str(error))
    return Written(variants=found, made_by=MadeBy.MODEL, model=answer.model, tokens=answer.tokens)


def _not_connected(held: Connection | None) -> str:
    """held: one that is there, and may not be asked as it is."""
    if held is None:
        return "No language model is connected; see Integrations."
    why = f" ({held.state_reason})" if held.state_reason else ""
    return f"{held.label} cannot be asked: {held.get_state_display()}{why}. See Integrations."


def _asked(client: Client, brief: Brief) -> Completion:
    prompt = Prompt(
        messages=contract.messages(brief),
        schema=contract.schema(brief),
        schema_name="variants",
        most_tokens=MOST_TOKENS,
        temperature=TEMPERATURE,
        names=briefs.names_of(brief),
    )
    return chat.complete(client, prompt)


def _by_rules(brief: Brief, why: str, reason: str) -> Written:
    return Written(variants=angles.written(brief), made_by=MadeBy.RULES, why=why, reason=reason)


def get(public_id: UUID | str) -> AiDraft:
    """Raises NotHere."""
    found: AiDraft | None = AiDraft.objects.select_related("campaign").filter(public_id=public_id).first()
    if found is None:
        raise NotHere("There is no such draft.")
    return found


def proposals(draft: AiDraft, *, now: datetime) -> list[dict[str, Any]]:
    """The draft's variants, each with what it may come to under `foretold`."""
    brief = briefs.of(draft.brief)
    texts = [
        Content(
            subject=one["subject"],
            preheader=one["preheader"],
            body=one["body_markdown"],
            cta_label=one["cta_label"],
            cta_url=brief.url(one["cta_link_id"]),
        )
        for one in draft.variants
    ]
    told = predictions.foretell(draft.campaign, texts, now=now)
    return [{**one, "foretold": foretold} for one, foretold in zip(draft.variants, told, strict=True)]


@transaction.atomic
def take(actor: Actor, draft: AiDraft, numbers: Sequence[int], *, now: datetime) -> list[Content]:
    """Make contents of the campaign out of variants, by their numbers from 1; a person edits and approves
    them there. Audited. Raises Invalid, or variants.NotADraft.
    """
    require(actor, "campaigns:write")
    picked = list(dict.fromkeys(numbers))
    if not picked or not all(1 <= one <= len(draft.variants) for one in picked):
        raise Invalid({"variants": [f"Numbers from 1 to {len(draft.variants)}, at least one."]})
    brief = briefs.of(draft.brief)
    made = [_taken(actor, draft, draft.variants[one - 1], brief, now=now) for one in picked]
    after = {"draft": str(draft.public_id), "variants": picked, "made_by": draft.made_by}
    audit.record(actor, "ai_content.taken", draft.campaign, now=now, after=after)
    return made


def _taken(actor: Actor, draft: AiDraft, one: Variant, brief: Brief, *, now: datetime) -> Content:
    url = brief.url(one["cta_link_id"])
    return variants.add(
        actor,
        draft.campaign,
        now=now,
        subject=one["subject"],
        preheader=one["preheader"],
        body=one["body_markdown"],
        cta_label=one["cta_label"] if url else "",
        cta_url=url,
        made_by=draft.made_by,
        angle=one["angle"],
        tone=one["tone"],
        rationale=one["rationale"],
    )
