"""What can be asked of attribution: which models, over which period, of which conversions."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.accounts.errors import Invalid
from apps.accounts.models import Workspace
from apps.attribution.lenses import LOOKBACK_DAYS, MOST_DAYS, Counting, Direct, Lens, Transform, wrong_choices
from apps.attribution.maths.models import MODELS, resolve

LENS_FIELDS = tuple(field.name for field in fields(Lens))
GROUPS = ("channel", "platform", "campaign", "creative")
# Part of every digest: raise it when the same question on the same data gets another answer.
METHOD = 4


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question.

    models: names of maths.models. start (inclusive), end (exclusive): moments, None for no limit; a
    conversion counts when it occurred between them, a journey without one when its last touch did.
    conversion_types to direct: the lens (lenses.Lens). Raises Invalid naming the field.
    """

    models: tuple[str, ...] = tuple(MODELS)
    start: datetime | None = None
    end: datetime | None = None
    group_by: str = "channel"
    half_life_days: float = 7.0
    conversion_types: tuple[str, ...] = ()
    lookback_days: float = LOOKBACK_DAYS
    counting: Counting = "every"
    transform: Transform = "unique"
    trim_touches: int = 0
    direct: Direct = "kept"

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", model_names(self.models))
        object.__setattr__(self, "conversion_types", tuple(sorted(set(self.conversion_types))))
        if self.transform != "trim":
            object.__setattr__(self, "trim_touches", 0)
        errors = _period_errors(self.start, self.end) | wrong_choices(self.lens)
        if self.group_by not in GROUPS:
            errors["group_by"] = [f"Choose from {', '.join(GROUPS)}."]
        if not 0 < self.half_life_days <= MOST_DAYS:
            errors["half_life_days"] = [f"This must be more than 0 and at most {MOST_DAYS:,} days."]
        if errors:
            raise Invalid(errors)

    @property
    def lens(self) -> Lens:
        """Which journeys the question is about."""
        return Lens(**{name: getattr(self, name) for name in LENS_FIELDS})

    @property
    def conversion_type(self) -> str | None:
        """The type that counts, where it is exactly one."""
        return self.conversion_types[0] if len(self.conversion_types) == 1 else None

    @property
    def digest(self) -> str:
        """The question without its models and grouping: one stored run answers all of those."""
        basis = self.as_params() | {"method": METHOD}
        del basis["models"], basis["group_by"]
        return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()

    def as_params(self) -> dict[str, Any]:
        """Plain values for JSON; `of_params` reads them back."""
        return asdict(self) | {
            "models": list(self.models),
            "start": self.start and self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "conversion_types": list(self.conversion_types),
            "lookback_days": float(self.lookback_days),
            "half_life_days": float(self.half_life_days),
        }

    @classmethod
    def of_params(cls, params: dict[str, Any]) -> "Query":
        """Also of a run that was kept when a question named one type or none."""
        moments = {
            name: datetime.fromisoformat(params[name]) if params[name] else None for name in ("start", "end")
        }
        given = dict(params)
        one = given.pop("conversion_type", None)
        types = tuple(given.pop("conversion_types", [one] if one else []))
        return cls(**(given | moments | {"models": tuple(params["models"]), "conversion_types": types}))

    def before(self) -> "Query | None":
        """The equally long period before this one; None for an open period."""
        if self.start is None or self.end is None:
            return None
        try:
            return replace(self, start=self.start - (self.end - self.start), end=self.start)
        except OverflowError:
            return None


def model_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Resolve aliases, drop repeats, keep the display order. Raises Invalid naming the models there are."""
    try:
        wanted = {resolve(name).name for name in names}
    except ValueError:
        raise Invalid({"model_type": [f"Choose from {', '.join(MODELS)}, markov or all."]}) from None
    if not wanted:
        raise Invalid({"model_type": ["Name at least one model."]})
    return tuple(name for name in MODELS if name in wanted)


def period(
    workspace: Workspace, since: date | datetime | None, until: date | datetime | None
) -> tuple[datetime | None, datetime | None]:
    """As (start, end) moments. Days are of the workspace's clock and both inclusive; a moment stands for
    itself.
    """
    zone = workspace.zone
    start = since if since is None or isinstance(since, datetime) else _midnight(since, zone)
    if until is None or isinstance(until, datetime):
        return start, until
    return start, _midnight(until + timedelta(days=1), zone)


def days_of(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> tuple[date | None, date | None]:
    """The first and last day, on that clock, that a period touches."""
    last = None if end is None else (end - timedelta(microseconds=1)).astimezone(zone).date()
    return (None if start is None else start.astimezone(zone).date()), last


def lookback_of(workspace: Workspace) -> float:
    """The look-back that the workspace has set, or the house's."""
    return float(workspace.settings.get("lookback_days", LOOKBACK_DAYS))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def _period_errors(start: datetime | None, end: datetime | None) -> dict[str, list[str]]:
    if start is not None and end is not None and start >= end:
        return {"to": ["This is before the start of the period."]}
    return {}
