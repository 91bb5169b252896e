"""From a channel's number to what it is made of, to the journeys behind it, to one person's."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import consent, people
from apps.accounts.doors import chart_page, page
from apps.accounts.errors import DomainError, NotHere
from apps.accounts.models import Person
from apps.accounts.permissions import require
from apps.attribution import channel_colours, journey_credit, reports
from apps.attribution.journey_credit import JourneyCredit, ModelNotTrained
from apps.attribution.journey_lists import Entry, JourneyPage, JourneyRow, Timeline
from apps.attribution.models import Conversion
from apps.attribution.reports import ChannelRow
from apps.attribution.results import Row
from apps.attribution.views import figures
from apps.attribution.views.asking import Asked, asked

GROUPS = (("campaign", "Campaigns"), ("creative", "Creatives"), ("platform", "Platforms"))
GROUP_LABELS = {"campaign": "Campaign", "creative": "Creative", "platform": "Platform"}
NAMED = ("channel", "platform", "campaign_id", "creative_id")
STEPS_SHOWN = 8


@chart_page
@require_safe
@page("attribution:read")
def channel(request: HttpRequest, key: str) -> HttpResponse:
    question = asked(request)
    by = _group(request)
    found = reports.overview(request.actor, question.query, model=question.model, now=question.now)
    row = next((one for one in found.rows if one.key == key), None)
    names = channel_colours.names()
    if row is None and key not in names:
        raise NotHere("There is no such channel in this workspace.")
    context = {
        **question.context(),
        "found": found,
        "row": row,
        "label": names[key].label,
        "by": by,
        "groups": GROUPS,
        "group_label": GROUP_LABELS[by],
        "link": _link(request.GET, by=None),
        "kept": {"by": by},
    }
    if row is not None:
        context |= _parts(request, question, row, by)
        context["spans"] = figures.spans(found, row)
    return render(request, "attribution/channel.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page("attribution:read")
def journeys(request: HttpRequest) -> HttpResponse:
    """The conversions behind a number. A POST shows who they are, this once, and is audited."""
    question = asked(request)
    named = {name: request.GET.get(name, "") for name in NAMED}
    path = request.GET.getlist("path")
    found = reports.journeys_behind(
        question.query,
        channel=named["channel"],
        platform=named["platform"],
        campaign_id=named["campaign_id"],
        creative_id=named["creative_id"],
        path=path,
        before=request.GET.get("before"),
    )
    names = _names(request, found) if request.method == "POST" else {}
    shown = [_shown(request, row, names.get(row.person_public_id)) for row in found.rows]
    context = {
        **question.context(),
        "journeys": found,
        "shown": shown,
        "names": bool(names),
        "narrowed": _narrowed(named, path),
        "is_untouched": not found.rows and not Conversion.objects.filter(is_counted=True).exists(),
        "first_event_url": reverse("attribution:first-event") + "#conversion",
        "kept": {name: value for name, value in named.items() if value},
        "kept_path": path,
    }
    return render(request, "attribution/journeys.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page("attribution:read")
def person(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """All that one person did, and what each touch earned. A POST shows who they are, this once, audited."""
    question = asked(request)
    timeline = reports.person_timeline(public_id)
    found = journey_credit.find_person(person_id=public_id)
    credit, refusal = _credit(request, question, found, timeline)
    personal: Any = None
    if request.method == "POST":
        require(request.actor, "people:read")
        personal = people.reveal(request.actor, found, now=timezone.now(), reason="looked at a journey")
    context = {
        **question.context(),
        "timeline": timeline,
        "who": (personal or {}).get("name") or "this person",
        "personal": personal,
        "allowed": sorted(name for name, one in consent.latest(found).items() if one.is_granted),
        "credit": credit,
        "refusal": refusal.detail if refusal else "",
        "needs_training": isinstance(refusal, ModelNotTrained),
        "steps": _steps(request, timeline, credit),
        "kept": {"conversion": request.GET.get("conversion", "")},
    }
    return render(request, "attribution/person.html", context)


def _group(request: HttpRequest) -> str:
    by = request.GET.get("by", "")
    return by if by in GROUP_LABELS else "campaign"


def _parts(request: HttpRequest, question: Asked, row: ChannelRow, by: str) -> dict[str, Any]:
    found = reports.breakdown(
        request.actor, question.query, model=question.model, channel=row.key, group_by=by, now=question.now
    )
    parts = [_part(request, one, row) for one in found or []]
    best = max(parts, key=lambda part: part["share"], default=None)
    is_worth_a_word = best is not None and len(parts) > 1 and best["share"] > 0.5
    return {
        "parts": parts,
        "most": max((part["share"] for part in parts), default=1) or 1,
        "best": best["row"] if best and is_worth_a_word else None,
        "best_share": best["share"] if best else None,
    }


def _part(request: HttpRequest, one: Row, whole: ChannelRow) -> dict[str, Any]:
    """A row inside the channel; its share is of the channel's revenue, or of its conversions without any."""
    if whole.revenue:
        share = float(one.revenue / whole.revenue)
    else:
        share = one.conversions / whole.conversions if whole.conversions else 0.0
    named = {name: getattr(one, name) for name in NAMED}
    link = _link(request.GET, by=None, **named)
    beside = one.platform if one.label != one.platform else ""
    return {"row": one, "share": share, "beside": beside, "href": reverse("attribution:journeys") + link}


def _names(request: HttpRequest, found: JourneyPage) -> dict[UUID, Any]:
    """Name and address by pseudonym; one entry in the audit log."""
    require(request.actor, "people:read")
    ids = {row.person_public_id for row in found.rows}
    persons = list(Person.objects.filter(public_id__in=ids))
    revealed = people.reveal_many(
        request.actor, persons, now=timezone.now(), reason="looked at the journeys behind a number"
    )
    return {one.public_id: revealed[one.pk] for one in persons}


def _shown(request: HttpRequest, row: JourneyRow, personal: dict[str, Any] | None) -> dict[str, Any]:
    known = personal or {}
    address = reverse("attribution:person", args=[row.person_public_id])
    return {
        "row": row,
        "pseudonym": str(row.person_public_id)[:8],
        "name": known.get("name"),
        "email": known.get("email"),
        "steps": row.path[:STEPS_SHOWN],
        "more": max(len(row.path) - STEPS_SHOWN, 0),
        "href": address + _link(_question(request.GET), conversion=str(row.conversion_id)),
    }


def _narrowed(named: dict[str, str], path: list[str]) -> str:
    """In words, what the journeys have in common."""
    names = channel_colours.names()
    if path:
        return " → ".join(names[key].label for key in path)
    finest = named["creative_id"] or named["campaign_id"] or named["platform"]
    channel = names[named["channel"]].label if named["channel"] else ""
    return f"{finest} ({channel})" if finest and channel else finest or channel


def _credit(
    request: HttpRequest, question: Asked, found: Person, timeline: Timeline
) -> tuple[JourneyCredit | None, DomainError | None]:
    """The chosen conversion explained, or the latest; or why it cannot be."""
    if not timeline.conversions:
        return None, None
    chosen = request.GET.get("conversion", "")
    conversion_id = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else None
    try:
        return journey_credit.explain(
            request.actor,
            found,
            model_type=question.model,
            conversion_id=conversion_id,
            lens=question.query.lens,
            now=question.now,
        ), None
    except NotHere:
        raise
    except DomainError as refusal:
        return None, refusal


def _steps(request: HttpRequest, timeline: Timeline, credit: JourneyCredit | None) -> list[dict[str, Any]]:
    """Each entry with what it earned, or, for a conversion, the way to its explanation."""
    earned = {touch.event_id: touch for touch in credit.touchpoints} if credit else {}
    explained = credit.conversion.pk if credit else None
    question = _question(request.GET)
    return [
        {
            "entry": entry,
            "credit": earned.get(entry.event_id),
            "where": " / ".join(part for part in _place(entry) if part),
            "is_explained": entry.conversion_id is not None and entry.conversion_id == explained,
            "href": _link(question, conversion=str(entry.conversion_id)),
        }
        for entry in timeline.entries
    ]


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.platform, entry.campaign_id, entry.creative_id


def _question(given: QueryDict) -> QueryDict:
    """The part of an address that is the question, without what a list was narrowed to."""
    kept = given.copy()
    for name in (*NAMED, "path", "before", "by", "conversion"):
        kept.pop(name, None)
    return kept


def _link(given: QueryDict, **changes: str | None) -> str:
    """The address's query with some parts changed; None and "" leave a part out."""
    made = given.copy()
    for name, value in changes.items():
        made.pop(name, None)
        if value:
            made[name] = value
    return f"?{made.urlencode()}"
