"""What the neighbours take for a file of paths; run by models_in_process.py in the environment of the peers.

.bellwether/peers/bin/python benchmarks/peers/measure.py PATHS.csv WARM-UP.csv ChannelAttribution|DP6
"""

import contextlib
import io
import json
import sys

from benchmarks._measure import Steps

COLUMNS = ("path", "total_conversions", "total_conversion_value", "total_null")


def channel_attribution(file: str, steps: Steps) -> dict[str, dict[str, float]]:
    import pandas  # noqa: PLC0415 - importing is no part of what is measured
    from ChannelAttribution import heuristic_models, markov_model  # noqa: PLC0415

    path, sold, value, lost = COLUMNS
    with steps.step("read"):
        data = pandas.read_csv(file)
    with steps.step("heuristics"):
        rules = heuristic_models(data, path, sold, var_value=value, flg_pro=False)
    for order in (1, 2, 3):
        with steps.step(f"markov_{order}"):
            found = markov_model(data, path, sold, value, lost, order=order, verbose=False, flg_pro=False)
        if order == 1:
            chain = found
    return {
        "linear": dict(zip(rules["channel_name"], rules["linear_touch_conversions"], strict=True)),
        "markov_1": dict(zip(chain["channel_name"], chain["total_conversions"], strict=True)),
    }


def dp6(file: str, steps: Steps) -> dict[str, dict[str, float]]:
    import polars  # noqa: PLC0415
    from mam import MAM  # noqa: PLC0415

    path, sold, value, lost = COLUMNS
    with steps.step("read"):
        table = polars.read_csv(file)
        halves = [
            table.filter(polars.col(count) > 0).select(
                path, polars.col(count).alias("times"), polars.col(money).alias("value"), is_sold=is_sold
            )
            for count, money, is_sold in ((sold, value, True), (lost, value, False))
        ]
        mam = MAM(
            polars.concat(halves),
            format_type="grouped_journey",
            channels_colname=path,
            journey_with_conv_colname="is_sold",
            occurrences_colname="times",
            conversion_value_colname="value",
        )
    with steps.step("heuristics"):
        mam.run_first_click()
        mam.run_last_click()
        mam.run_linear()
    with steps.step("markov_1"):
        mam.run_markov()
    with steps.step("shapley, at most 4 channels"):
        mam.run_shapley(max_size=4)
    return {}


def main() -> None:
    file, warm_up, name = sys.argv[1:]
    steps = Steps()
    peer = {"ChannelAttribution": channel_attribution, "DP6": dp6}[name]
    with contextlib.redirect_stdout(io.StringIO()):
        peer(warm_up, Steps())
        credits = peer(file, steps)
    told = {step: vars(spent) for step, spent in steps.done.items()}
    print(json.dumps({"steps": told, "credits": credits}))


if __name__ == "__main__":
    main()
