"""The name and the colour of a channel, the same on every page."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.attribution.maths.models import NONE
from apps.attribution.models import Channel
from apps.attribution.results import NONE_LABEL
from apps.attribution.run_figures import BETWEEN, POOLED

COLOURS = 14
MUTED = "muted"
CONVERTED, MISSED = "(converted)", "(not converted)"
_WORDS = {
    NONE: NONE_LABEL,
    POOLED: "Other channels",
    BETWEEN: "Nothing between",
    CONVERTED: "Converted",
    MISSED: "Not converted",
}


@dataclass(frozen=True, kw_only=True)
class ChannelName:
    """token: c1 … c14 by the channel's position, or muted for what is no channel."""

    key: str
    label: str
    token: str


class Names(Mapping[str, ChannelName]):
    """Every key has a name: a channel's own, the words for what is no channel, or the key itself."""

    def __init__(self, channels: list[ChannelName]) -> None:
        self._known = {channel.key: channel for channel in channels}

    def __getitem__(self, key: str) -> ChannelName:
        return self._known.get(key) or ChannelName(key=key, label=_WORDS.get(key, key), token=MUTED)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def names() -> Names:
    """The workspace's channels in their order."""
    found = Channel.objects.order_by("position", "key").values_list("key", "label", "position")
    return Names([ChannelName(key=k, label=label, token=token(place)) for k, label, place in found])


def token(position: int | None) -> str:
    return MUTED if position is None else f"c{position % COLOURS + 1}"
