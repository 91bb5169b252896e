import pytest
from hypothesis import given

from apps.attribution.maths import transforms
from apps.attribution.maths.journeys import Journeys

from .strategies import journeys_of, rows
from .vectors import load

CASES = load("path_transforms.json")["cases"]
TRANSFORMS = {
    "unique": transforms.unique,
    "exposure": transforms.exposure,
    "first": transforms.first,
    "frequency": transforms.frequency,
    "trim_long_path_2": lambda journeys: transforms.trim(journeys, touches=2),
    "trim_long_path_3": lambda journeys: transforms.trim(journeys, touches=3),
    "remove_if_not_all_D": lambda journeys: transforms.remove_if_not_all(journeys, channel="D"),
    "remove_if_last_and_not_all_D": lambda journeys: transforms.remove_if_last_and_not_all(
        journeys, channel="D"
    ),
}


def paths_of(journeys: Journeys) -> list[list[str]]:
    bounds = zip(journeys.offsets[:-1], journeys.offsets[1:], strict=True)
    return [[journeys.channels[code] for code in journeys.codes[start:end]] for start, end in bounds]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_all_paths_at_once_agree_with_the_published_cases(name):
    cases = [case for case in CASES if name in case]
    journeys = Journeys.of_paths([case["path"] for case in cases], conversions=[1] * len(cases))

    assert paths_of(TRANSFORMS[name](journeys)) == [case[name] for case in cases]


@pytest.mark.parametrize("name", TRANSFORMS)
@given(found=rows(channels=("A", "B", "D"), touched=False, converting=False))
def test_counts_stay_and_one_pass_is_like_journey_by_journey(name, found):
    journeys = journeys_of(found, channels=("A", "B", "D"))

    changed = TRANSFORMS[name](journeys)

    assert (changed.conversions == journeys.conversions).all()
    assert (changed.nulls == journeys.nulls).all()
    singly = [TRANSFORMS[name](journeys_of([row], channels=("A", "B", "D"))) for row in found]
    assert paths_of(changed) == [paths_of(one)[0] for one in singly]


def test_ages_stay_with_their_touches():
    journeys = Journeys(
        channels=("A", "B"),
        codes=[0, 0, 1],
        offsets=[0, 3],
        conversions=[1.0],
        value=[2.0],
        nulls=[0.0],
        age_days=[3.0, 2.0, 1.0],
    )

    assert transforms.exposure(journeys).age_days.tolist() == [3, 1]
    assert transforms.frequency(journeys).age_days.tolist() == [3, 1]


def test_an_unknown_channel_is_in_no_path():
    journeys = Journeys.of_paths([["A", "B"]], conversions=[1])

    assert paths_of(transforms.remove_if_not_all(journeys, channel="X")) == [["A", "B"]]


def test_trimming_to_nothing_is_refused():
    with pytest.raises(ValueError, match="touches must be >= 1; got 0"):
        transforms.trim(Journeys.of_paths([["A"]], conversions=[1]), touches=0)
