"""Numbers and moments as people read them, the same on every page, in mails and in sentences."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

Number = int | float | Decimal

NOTHING = DASH = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "AUD": "A$", "CAD": "C$", "NZD": "NZ$", "INR": "₹"}
# ISO 4217 currencies whose smallest coin is not a hundredth.
EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3,
    "LYD": 3, "OMR": 3, "TND": 3, "CLF": 4, "UYW": 4,
}  # fmt: skip
# Nothing that is yet to happen is surer.
CERTAIN = 0.99
STEPS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def number(value: Number | None, decimals: int = 0) -> str:
    """1240 → "1,240"; a missing number is a dash."""
    if value is None:
        return NOTHING
    text = f"{abs(value):,.{decimals}f}"
    is_negative = value < 0 and any(digit not in "0,." for digit in text)
    return MINUS + text if is_negative else text


def money(amount: Number | None, currency: str, *, exact: bool = False) -> str:
    """447340.4, GBP → "£447,340"; exact adds the currency's minor units."""
    if amount is None:
        return NOTHING
    places = minor_digits(currency) if exact else 0
    rounded = Decimal(amount).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    text = f"{SIGNS.get(currency, currency + SPACE)}{abs(rounded):,.{places}f}"
    return MINUS + text if rounded < 0 else text


def minor_digits(currency: str) -> int:
    """How many decimals the currency's smallest coin has."""
    return EXPONENTS.get(currency, 2)


def percent(share: Number | None, decimals: int = 1) -> str:
    """0.412 → "41.2 %"."""
    return NOTHING if share is None else f"{number(share * 100, decimals)}{SPACE}%"


def sure(confidence: float) -> str:
    """A confidence in whole percent; of what is yet to happen nothing is certain: "over 99 %"."""
    return f"over {percent(CERTAIN, 0)}" if confidence > CERTAIN else percent(confidence, 0)


def times(ratio: Number | None, decimals: int = 1) -> str:
    """4.6 → 4.6 and the sign of multiplication."""
    return NOTHING if ratio is None else f"{number(ratio, decimals)}{TIMES}"


def interval(low: Number | None, high: Number | None, decimals: int = 1) -> str:
    """Both ends with a dash between them; a dash alone when either is missing."""
    if low is None or high is None:
        return NOTHING
    return f"{number(low, decimals)}{DASH}{number(high, decimals)}"


def count(amount: int, one: str, many: str = "") -> str:
    """2, "key" → "2 keys"."""
    return f"{number(amount)}{SPACE}{one if amount == 1 else many or one + 's'}"


def when(moment: datetime, zone: ZoneInfo) -> str:
    """The moment on the workspace's clock: "20 Nov 2026, 14:45"."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M}"


def ago(moment: datetime, *, now: datetime) -> str:
    """How long since, or until: "4 minutes ago", "in 3 days"."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 45:
        return "just now" if seconds >= 0 else "in a moment"
    span = duration(abs(seconds))
    return f"{span} ago" if seconds > 0 else f"in {span}"


def duration(seconds: float) -> str:
    """In its largest unit: "40 s", "2 min", "3 hours", "12 days"."""
    for unit, size in STEPS:
        if seconds >= 1.5 * size or (unit != "minute" and seconds >= size):
            return count(round(seconds / size), unit)
    return count(1, "minute") if seconds >= 45 else f"{round(seconds)}{SPACE}s"


def time_left(*, done: int, total: int | None, started_at: datetime | None, now: datetime) -> str:
    """What a job's pace so far says about its rest; empty while it says nothing."""
    if not total or not done or started_at is None or done >= total:
        return ""
    elapsed = (now - started_at) / timedelta(seconds=1)
    return f"about {duration(elapsed / done * (total - done))} left" if elapsed > 2 else ""
