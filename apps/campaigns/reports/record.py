"""The track record in a sentence: what was claimed, and what came of it."""

from apps.accounts.figures import count
from apps.campaigns import wording
from apps.campaigns.models import AutoRule
from apps.campaigns.optimization.track_record import Record
from apps.campaigns.wording import Line


def line_of(record: Record, currency: str) -> Line:
    if not record.measured:
        return Line("", "Nothing", "was measured yet.")
    if not record.decided:
        measured = count(record.measured, "change was", "changes were")
        them = "it" if record.measured == 1 else "them"
        return Line(f"{measured} measured, and", "chance alone", f"could still explain what came of {them}.")
    they = "they perhaps" if record.gain_low <= 0 <= record.gain_high else "they"
    return Line(
        f"{record.came_true} of {count(record.decided, 'claim')} came true, and together {they}",
        f"{'bring' if record.gain >= 0 else 'cost'} {wording.amount(abs(record.gain), currency)} a day.",
        "",
    )


def demoted() -> list[AutoRule]:
    """Kinds that lost the right to be carried out by themselves."""
    return list(AutoRule.objects.filter(is_on=False, demoted_at__isnull=False).order_by("-demoted_at"))
