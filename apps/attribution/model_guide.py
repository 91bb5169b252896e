"""What each model is called, which question it answers, and when it misleads."""

from dataclasses import dataclass

from apps.attribution import reports
from apps.attribution.maths.models import MODELS

DEFAULT = "shapley"
COMPARE = "all"


@dataclass(frozen=True, kw_only=True)
class Guide:
    """One model in plain words. short: its name within its family."""

    name: str
    short: str
    how: str
    answers: str
    misleads: str

    @property
    def label(self) -> str:
        return reports.MODEL_LABELS[self.name]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that differ in one setting, shown as one choice and its variants."""

    label: str
    models: tuple[str, ...]


FAMILIES = (
    Family(label="First touch", models=("first_touch",)),
    Family(label="Last touch", models=("last_touch", "last_non_direct")),
    Family(label="Linear", models=("linear",)),
    Family(label="Time decay", models=("time_decay",)),
    Family(label="Position", models=("position_based",)),
    Family(label="Shapley", models=("shapley", "shapley_rate", "shapley_ordered")),
    Family(label="Markov", models=("markov_auto", "markov_1", "markov_2", "markov_3", "markov_4")),
)

_MARKOV_MISLEADS = (
    "A chain cannot tell a channel that brings people from one that people already on their way pass "
    "through: brand search looks strong. It needs journeys without a conversion, and many of them."
)
_HIGHER_ORDER = (
    "It remembers more of the way, so it needs more journeys per way: with little data its figures jump. "
    + _MARKOV_MISLEADS
)

_GUIDES = (
    Guide(
        name="first_touch",
        short="First touch",
        how="All credit goes to the first touch of the journey.",
        answers="Where do the people who buy first hear of us?",
        misleads="It pays whoever is early and everywhere. A channel that needs a first visit, such as a "
        "newsletter, gets almost nothing, however well it works.",
    ),
    Guide(
        name="last_touch",
        short="Every channel",
        how="All credit goes to the last touch before the conversion.",
        answers="What stands at the door when somebody buys?",
        misleads="Who has decided searches for the name or types the address: brand search and direct get "
        "many times what they cause.",
    ),
    Guide(
        name="last_non_direct",
        short="Without direct",
        how="As last touch, but direct visits count only when there is nothing else.",
        answers="Which channel was the last that somebody could have worked on?",
        misleads="It hands the credit of direct to brand search and retargeting, which stand just as late.",
    ),
    Guide(
        name="linear",
        short="Linear",
        how="Every touch of the journey gets the same part.",
        answers="Which channels are present on the way to a conversion?",
        misleads="It pays frequency. Retargeting shows itself often, to people who were likely to buy.",
    ),
    Guide(
        name="time_decay",
        short="Time decay",
        how="A touch counts half as much for every seven days that it is older than the last one.",
        answers="Which channels are present shortly before a conversion?",
        misleads="It pays frequency and lateness at once. Slow decisions, such as a wedding, begin long "
        "before.",
    ),
    Guide(
        name="position_based",
        short="Position based",
        how="The first and the last touch get 40 % each, those between share 20 %.",
        answers="Who opens journeys and who closes them?",
        misleads="40, 20, 40 is a habit and no measurement. It shares the faults of first and of last touch.",
    ),
    Guide(
        name="shapley",
        short="By channel",
        how="A game of the channels: each gets its average contribution over every order in which they "
        "could have joined. Several touches of a channel share its part.",
        answers="What is each channel worth among the others that were there?",
        misleads="It looks at converting journeys only, and presence alone earns credit: a channel that "
        "causes nothing still gets its part.",
    ),
    Guide(
        name="shapley_ordered",
        short="By place in the journey",
        how="The same value, broken down by the place at which the channel was touched. Channels earn the "
        "same as under Shapley; single touches do not.",
        answers="At which place of the journey does a channel do its work?",
        misleads="As Shapley. Places far from the start rest on few journeys.",
    ),
    Guide(
        name="shapley_rate",
        short="By conversion rate",
        how="The same game, but what channels achieve together is the conversion rate of the journeys that "
        "met no others. A channel that lowers the rate earns nothing, and that is said.",
        answers="Which channels raise the chance that a journey converts?",
        misleads="It rests on journeys through few channels, and where those are few it jumps: look at its "
        "interval. People who would have come anyway still count for whoever met them alone.",
    ),
    Guide(
        name="markov_1",
        short="Order 1",
        how="Journeys become a chain of channels. A channel's credit is how many conversions the chain "
        "loses when the channel leads nowhere.",
        answers="Through which channels do journeys have to pass?",
        misleads=_MARKOV_MISLEADS,
    ),
    *(
        Guide(
            name=f"markov_{order}",
            short=f"Order {order}",
            how=f"As order 1, but the chain remembers the last {order} channels.",
            answers=f"The same, where what comes next depends on the last {order} touches.",
            misleads=_HIGHER_ORDER,
        )
        for order in (2, 3, 4)
    ),
    Guide(
        name="markov_auto",
        short="Order chosen",
        how="A chain of the order, 1 to 4, that predicts journeys it has not seen best; of those within one "
        "standard error of the best, the smallest. The overview says which and why.",
        answers="Through which channels do journeys have to pass, as far as the data can tell?",
        misleads="A better prediction of the next touch is no better measure of cause. " + _MARKOV_MISLEADS,
    ),
)
GUIDES: dict[str, Guide] = {name: guide for name in MODELS for guide in _GUIDES if guide.name == name}


@dataclass(frozen=True, kw_only=True)
class Belief:
    """model: empty where none of them is to be believed."""

    question: str
    model: str
    why: str

    @property
    def label(self) -> str:
        return reports.MODEL_LABELS[self.model] if self.model else "A lift test, and no model"


BELIEFS = (
    Belief(
        question="What would be missing if I switched a channel off?",
        model="",
        why="Models describe journeys; only a test that withholds the channel measures what it causes. Where "
        "there is one, its calibrated figure stands beside the model's.",
    ),
    Belief(
        question="Which channels raise the chance to convert?",
        model="shapley_rate",
        why="It alone compares journeys with a channel to journeys without it, and so sees those who left. "
        "Believe it where its interval is narrow.",
    ),
    Belief(
        question="Through which channels do journeys have to pass?",
        model="markov_auto",
        why="It follows the order of touches as far as that predicts unseen journeys, and no further.",
    ),
    Belief(
        question="How is a finished order shared out fairly?",
        model="shapley",
        why="Each channel that was there gets its part, however often it came. It is a rule for sharing.",
    ),
    Belief(
        question="Where do people first hear of us, and what closes?",
        model="first_touch",
        why="First touch and last touch answer these two and nothing else.",
    ),
)


def family_of(model: str) -> Family | None:
    """The family of a model; None for "all"."""
    return next((family for family in FAMILIES if model in family.models), None)


def label_of(model: str) -> str:
    return reports.MODEL_LABELS[model]


def choices() -> list[tuple[str, str]]:
    """Every model, and all of them side by side, as a form's field takes them."""
    return [*((name, label_of(name)) for name in MODELS), (COMPARE, "Compare all")]
