"""Unseen units on left-out directions: networks beside interpolations, at several shares of units recorded.

    python benchmarks/recording.py FILE.nc [--fractions 0.1 0.75] [--jobs 2] [--out DIR]

Runs `recirc fit` with its defaults at every share and prints one table; a finished run is read and not repeated.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from recirc.analyses import FitConfig
from recirc.analyses.fit_table import METRIC
from recirc.analyses.table import number
from recirc.runs import experiment, is_done, read_metrics
from recirc.studies import fit
from recirc.types import enable_x64

CONDITION_SET = "heldout_direction"


def table(folder: Path) -> list[str]:
    """Lines of Markdown: R² per direction, mean and median, of networks and baselines."""
    rows = [
        row for row in read_metrics((folder / "metrics.json").read_text())[1] if row.condition["set"] == CONDITION_SET
    ]
    single = [row for row in rows if row.metric == METRIC and "direction" in row.condition]
    joint = [row for row in single if row.arm == "ensemble"]
    places = [row.condition["direction"] for row in joint]
    seeds = sorted({row.condition["seed"] for row in single if row.arm == "network"})
    methods = {"mean of networks": [row.value for row in joint]}
    methods |= {
        f"network, seed {seed}": [row.value for row in single if row.condition.get("seed") == seed] for seed in seeds
    }
    methods |= {name.replace("_", " "): [row.baselines[name] for row in joint] for name in fit.BASELINES}
    header = ["method", "mean", "median", *(f"{place}°" for place in places)]
    lines = [header, ["---"] * len(header)]
    lines += [
        [name, *(number(float(value)) for value in (np.mean(values), np.median(values), *values))]
        for name, values in methods.items()
    ]
    return [f"| {' | '.join(line)} |" for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description="R² of unseen units on left-out directions.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.1, 0.75])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("recirc-benchmark-recording"))
    asked = parser.parse_args()
    enable_x64()
    for fraction in asked.fractions:
        folder, began = asked.out / f"{100 * fraction:g}", time.perf_counter()
        if not is_done(folder):
            config = FitConfig(recorded_fraction=fraction)
            experiment.run(fit.experiment(asked.data, config, seed=0), folder, jobs=asked.jobs)
        print(f"\n{100 * fraction:g} % recorded, {time.perf_counter() - began:.0f} s\n", *table(folder), sep="\n")


if __name__ == "__main__":
    main()
