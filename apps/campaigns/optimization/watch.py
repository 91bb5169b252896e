"""Days unlike those before: while a campaign has one, nothing is changed on its figures."""

from datetime import timedelta

from apps.accounts.figures import money, number
from apps.campaigns.maths.anomalies import FALSE_ALARMS, Daily, Judged, Metric, judge
from apps.campaigns.optimization.figures import Figures

LOOKED_AT_DAYS = 2
NAMES = {
    Metric.SPEND: "Spend",
    Metric.CLICKS: "Clicks",
    Metric.CONVERSIONS: "Conversions",
    Metric.CPA: "The cost of a conversion",
    Metric.ROAS: "The return on spend",
}
OF_MONEY = {Metric.SPEND, Metric.CPA}


def unusual(figures: Figures) -> dict[int, str]:
    """What is unusual of a campaign's last days, in a sentence, by the campaign's key."""
    found = {}
    for row, campaign in enumerate(figures.campaigns):
        daily = Daily(
            spend=figures.spend[row],
            clicks=figures.clicks[row],
            conversions=figures.conversions[row],
            revenue=figures.conversion_value[row],
        )
        amiss = [one for one in judge(daily, days=LOOKED_AT_DAYS) if one.is_anomaly]
        if amiss:
            found[campaign.pk] = _told(figures, min(amiss, key=lambda one: one.p_value))
    return found


def _told(figures: Figures, one: Judged) -> str:
    day = figures.first_day + timedelta(days=one.day)
    value, low, high = (
        _shown(one.metric, amount, figures.purse.home) for amount in (one.value, one.low, one.high)
    )
    return (
        f"{NAMES[one.metric]} on {day:%-d %B} was {value}, where {low} to {high} was due "
        f"({FALSE_ALARMS:.0%} of ordinary days are told)."
    )


def _shown(metric: Metric, amount: float, home: str) -> str:
    if amount == float("inf"):
        return "without end"
    if metric in OF_MONEY:
        return money(amount, home, exact=True)
    return number(amount, 1)
