"""How often chance passes for likeness: p <= 0.05 between unrelated populations, by structure, measure and null.

    python benchmarks/false_alarms.py OUT.jsonl [--n-tests 1000] [--n-draws 19] [--measures ...] [--table]

One row per design and kind of noise (`noises.py`), measure and null, each of fresh pairs. Rows that OUT.jsonl has are
not run again. An exact test gives 5 %; a row is out of range if its 99.9 % interval (Clopper and Pearson's) excludes
5 %, or, where arrangements are so few that p cannot be 5 %, lies above it.
"""

import argparse
import dataclasses
import json
import time
import warnings
from pathlib import Path
from zlib import crc32

import timing  # first: it asks for one thread per library  # isort: skip

import jax
import noises
import numpy as np
import scipy.stats

import recirc
from recirc import compare

ALPHA = 0.05


def cases(metrics: list[str] | None) -> list[tuple]:
    """Measure, null, design and kind of every row; portraits on two structures, dynamics on another besides."""
    half = 17 * noises.DT
    portraits = [compare.JPCA(), compare.JPCA(statistic="r2_skew"), compare.Tangling(),
                 compare.AlignmentIndex((0.0, half), (half, 2 * half))]  # fmt: skip
    nulls = [compare.TensorMaximumEntropy(), compare.FlippedComponents()]
    dynamics = [("8 even", kind) for kind in ("plain", "tuned", "rotating")]
    measures = (*compare.similarities(), *compare.similarities("unit"))
    places = {measure: dynamics if measure.metric == "dsa" else noises.cases() for measure in measures}
    rows = [(m, null, *place) for m, of_measure in places.items() for null in m.nulls for place in of_measure]
    turned = [place for place in noises.cases() if place[0] in ("8 even", "4 even") and place[1] != "loud"]
    rings = (compare.LinearCKA(), compare.Procrustes())
    rows += [(m, compare.TurnedConditions(), *place) for m in rings for place in turned]
    rows += [(m, null, "8 even", kind) for m in portraits for null in nulls for kind in ("plain", "tuned")]
    return [row for row in rows if metrics is None or row[0].metric in metrics]


def alarms(measure, null, design: str, kind: str, *, n_tests: int, n_draws: int) -> dict:
    """The row: how many of the pairs have p <= 0.05, and what the null took the conditions for."""
    name = f"{design}|{kind}|{measure.metric}|{null.kind}"
    random, key = np.random.default_rng(crc32(name.encode())), jax.random.key(crc32(name.encode()))
    count, structures, certified, began = 0, {}, 0, time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(n_tests):
            a, b = (noises.noise(random, design, kind) for _ in "ab")
            if isinstance(null, compare.RotatedConditions):
                null = dataclasses.replace(null, exchangeable="named" in design)
            other = b if isinstance(measure, compare.AbstractSimilarity) else None
            found = compare.null_distribution(measure, a, other, null, n_draws=n_draws, key=jax.random.fold_in(key, i))
            count += found.p <= ALPHA + 1e-9
            certified += found.is_certified
            structure = null.structure(a)
            structures[structure] = structures.get(structure, 0) + 1
    return {"design": design, "kind": kind, "metric": measure.metric, "null": null.kind, "n": n_tests, "alarms": count,
            "structures": structures, "certified": certified, "seconds": time.process_time() - began}  # fmt: skip


def is_in_range(row: dict) -> bool:
    """Whether 5 % is inside the row's 99.9 % interval, or the row below 5 %: with few arrangements p is too large."""
    low, high = scipy.stats.binomtest(row["alarms"], row["n"]).proportion_ci(0.999)
    is_few = row["design"][0] in "45" or any(name.startswith("loud") for name in row["structures"])
    return low <= ALPHA and (high >= ALPHA or is_few)


def table(rows: list[dict]) -> str:
    """All rows of one design and kind in a line, measures as columns, in percent."""
    named = lambda row: row["metric"] if row["null"] == "rotated_conditions" else f"{row['metric']}, {row['null']}"  # noqa: E731
    metrics = list(dict.fromkeys(map(named, rows)))
    lines = ["| conditions | noise | " + " | ".join(f"`{metric}`" for metric in metrics) + " |"]
    lines.append("| --- " * (2 + len(metrics)) + "|")
    places = dict.fromkeys((row["design"], row["kind"]) for row in rows)
    for place in places:
        own = {named(row): row for row in rows if (row["design"], row["kind"]) == place}
        cells = []
        for metric in metrics:
            row = own.get(metric)
            mark = "" if row is None or is_in_range(row) else " **!**"
            if row is not None and row["certified"] < row["n"] / 2:
                mark = " (not certified)"
            cells.append("" if row is None else f"{100 * row['alarms'] / row['n']:.1f}{mark}")
        lines.append(f"| {place[0]} | {place[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--n-tests", type=int, default=1000)
    parser.add_argument("--n-draws", type=int, default=19)
    parser.add_argument("--measures", nargs="*", help="metrics, all of rates by default")
    parser.add_argument("--table", action="store_true", help="print what there is and stop")
    arguments = parser.parse_args()
    text = arguments.out.read_text() if arguments.out.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    if not arguments.table:
        print(f"{vars(arguments)}; {timing.load()}", flush=True)
        done = {tuple(row[name] for name in ("design", "kind", "metric", "null")) for row in rows}
        for measure, null, design, kind in cases(arguments.measures):
            if (design, kind, measure.metric, null.kind) in done:
                continue
            row = alarms(measure, null, design, kind, n_tests=arguments.n_tests, n_draws=arguments.n_draws)
            rows.append(row)
            with arguments.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, "" if is_in_range(row) else "OUT OF RANGE", flush=True)
    print(table(rows))


if __name__ == "__main__":
    recirc.enable_x64()
    main()
