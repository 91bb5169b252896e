"""What stands against publishing a draft: its graph, and what it names."""

from typing import Any

from apps.accounts import traits as trait_rules
from apps.accounts.errors import Invalid
from apps.campaigns.journeys import effects, graph
from apps.campaigns.journeys.graph import Fault
from apps.campaigns.models import Audience, Campaign, Journey, Topic

NOBODY = [0]
NOT_AWAITED = (
    "This message is for what people wait for, and asks nobody's consent: who enters for being in an "
    "audience does not wait for it. Take a campaign of another topic."
)


def faults(journey: Journey, *, now: Any) -> list[Fault]:
    """All of it, each with the step that it lies in."""
    found = graph.faults(journey.draft)
    if found:
        return found
    has_audience = any(entry["kind"] == "audience" for entry in journey.draft["entries"])
    for key, step in journey.draft["steps"].items():
        check = _CHECKS.get(step["kind"])
        if check is not None and (words := check(step, now)):
            found.append(Fault(key, words))
        elif step["kind"] == "message" and has_audience and _is_awaited(step):
            found.append(Fault(key, NOT_AWAITED))
    for entry in journey.draft["entries"]:
        if entry["kind"] == "audience" and not _audiences().filter(public_id=entry["audience"]).exists():
            found.append(Fault("entries", "There is no such audience any more."))
    return found


def _audiences() -> Any:
    return Audience.objects.filter(archived_at=None)


def _is_awaited(step: dict[str, Any]) -> bool:
    return bool(
        Campaign.objects.filter(public_id=step["campaign"], topic__basis=Topic.Basis.SERVICE).exists()
    )


def _of_message(step: dict[str, Any], now: Any) -> str:
    campaign = Campaign.objects.filter(public_id=step["campaign"]).first()
    if campaign is None:
        return "There is no such campaign any more."
    if campaign.kind != Campaign.Kind.TRIGGERED:
        return f"{campaign.name} is sent to an audience at once. A journey sends triggered campaigns."
    if campaign.state not in effects.SENDS:
        return (
            f"{campaign.name} is {campaign.state}. Launch it first: it waits for whom the journey sends it."
        )
    return ""


def _of_condition(step: dict[str, Any], now: Any) -> str:
    if not step.get("rules"):
        return ""
    try:
        effects.who_fits(step["rules"], NOBODY, now=now)
    except Invalid as error:
        return " ".join(text for texts in error.errors.values() for text in texts) or error.detail
    return ""


def _of_tag(step: dict[str, Any], now: Any) -> str:
    try:
        personal, _ = trait_rules.split({step["trait"]: step.get("value")})
    except Invalid as error:
        return " ".join(text for texts in error.errors.values() for text in texts)
    return "This trait says who somebody is; choose another name." if personal else ""


_CHECKS = {"message": _of_message, "condition": _of_condition, "tag": _of_tag}
