"""What the door did, for /metrics: beside the requests by route, how they shared their transactions."""

from prometheus_client import Counter, Histogram

GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)

GROUPS = Histogram("bellwether_tracking_group_requests", "Requests stored together.", buckets=GROUP_SIZES)
GROUP_SECONDS = Histogram(
    "bellwether_tracking_group_seconds", "Time to parse, store and commit a group.", buckets=SECONDS
)
TURNED_AWAY = Counter("bellwether_tracking_turned_away", "Requests refused because too many waited.")


def observe_group(size: int, seconds: float) -> None:
    GROUPS.observe(size)
    GROUP_SECONDS.observe(seconds)
