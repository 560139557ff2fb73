"""How the regimes of the study were chosen: one search and one rule for every arm, on circuits of its own.

No circuit of the study is among them. Every arm gets the same 16 candidates, by Latin hypercube, on two circuits; then
8 variations of its own best two, by the same numbers; and its best four on four circuits more. The one with the least
geometric mean of the output error on held-out directions over all six is chosen: by the very measure that the study
judges arms by. Similarity to the circuit has no part in it.

Run: python benchmarks/regime_search.py OUT.jsonl [arms] (goes on where it stopped)
"""

import os

os.environ.update(NPROC="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", JAX_PLATFORMS="cpu")

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import qmc

import recirc

recirc.enable_x64()

from recirc.runs.environment import keep_compiled_programs
from recirc.studies.salatiello2020.arms import REFERENCE_FRACTION, Regime, specification
from recirc.studies.salatiello2020.network import train_network

ARMS = ("hints", "no_hints", "force")
STUDY_SEED, FEW, MANY = 1000, range(2), range(6)
N_CANDIDATES, N_VARIED, N_LAST = 16, 8, 4
RANGES = {  # and whether sampled by logarithm
    "embedder_gain": (0.7, 1.5, False), "drive": (0.04, 0.8, True), "hint_gain": (2.0, 8.0, True),
    "input_scale": (0.2, 1.0, True), "bias_scale": (0.0, 0.2, False), "noise": (0.02, 0.12, False),
}  # fmt: skip
SPREAD = 0.12  # of a variation, as a share of the range


def regime_at(place) -> Regime:
    """The candidate at a place in the unit cube; beyond it, at its face."""
    values = {}
    for share, (name, (low, high, is_log)) in zip(np.clip(place, 0, 1), RANGES.items()):
        ends = np.log([low, high]) if is_log else np.array([low, high])
        value = ends[0] + share * (ends[1] - ends[0])
        values[name] = float(f"{np.exp(value) if is_log else value:.2g}")
    return Regime(**values)


def error(arm: str, regime: Regime, index: int, known: dict, out: Path) -> float:
    """Output error on held-out directions of one network on one circuit; infinite if training failed."""
    fraction = {"fraction": REFERENCE_FRACTION} if arm == "hints" else {}
    asked = specification({"arm": arm, "reading": "search", **fraction}, index, STUDY_SEED, dataclasses.asdict(regime))
    name = json.dumps([arm, dataclasses.astuple(regime), index])
    if name not in known:
        rows = train_network(asked).metadata.get("rows", [])
        errors = [row["value"] for row in rows if row["condition"] == {"set": "heldout_direction"}]
        known[name] = errors[0] if errors and np.isfinite(errors[0]) else None
        with out.open("a") as stream:
            stream.write(json.dumps([name, known[name]]) + "\n")
    return np.inf if known[name] is None else known[name]


def main(out: Path, arms: Sequence[str]) -> None:
    keep_compiled_programs()
    known = dict(map(json.loads, out.read_text().splitlines())) if out.exists() else {}
    cube = qmc.LatinHypercube(len(RANGES), rng=np.random.default_rng(0)).random(N_CANDIDATES)
    steps = SPREAD * np.random.default_rng(1).normal(size=(N_VARIED, len(RANGES)))
    for arm in arms:
        mean = lambda place, circuits: np.exp(  # noqa: E731
            np.mean([np.log(error(arm, regime_at(place), i, known, out)) for i in circuits])  # noqa: B023
        )
        best = sorted(cube, key=lambda place: mean(place, FEW))[:2]
        varied = [best[i % 2] + step for i, step in enumerate(steps)]
        last = sorted([*cube, *varied], key=lambda place: mean(place, FEW))[:N_LAST]
        for place in sorted(last, key=lambda place: mean(place, MANY)):
            few, many = (mean(place, circuits) for circuits in (FEW, MANY))
            print(
                f"{arm:9s} {many:.4f} on {len(MANY)} circuits ({few:.4f} on {len(FEW)}) {regime_at(place)}", flush=True
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ARMS)
