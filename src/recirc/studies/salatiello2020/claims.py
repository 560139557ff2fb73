"""What the numbers of the study say: its claims, judged over seeds, and the paragraph that sums them up."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, Effect, by_seed, judged, select
from recirc.analyses.table import BASELINE, having
from recirc.runs.report import read_words
from recirc.studies.salatiello2020.arms import PLACE, REFERENCE_FRACTION, REGIMES, SOURCE, Preset

SVCCA, ERROR, NEURONS = "svcca5_concatenated", "output_nmse", "heldout_neuron_r2"
UNSEEN = "heldout_direction"
SUFFICES = 0.1  # similarity that a small sample may lack against the whole circuit
SMALLEST_GAIN = 0.05  # of similarity that matters: half of what a small sample may lack
SMALLEST_RATIO = 1.5  # of squared errors that matters: outputs that are off by a fifth more
MAIN = dict.fromkeys(("null", *PLACE))  # the networks that are no ablation, with the first null
HINTED, PLAIN = {"arm": "hints", "fraction": REFERENCE_FRACTION}, {"arm": "no_hints"}

TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def claims(table: pd.DataFrame, preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims in both regimes, and that training does more than its inputs do: one family, over seeds.

    All is judged on directions that were not trained. Networks of a seed share their random numbers. That a small
    sample suffices can only be judged beside the whole circuit.

    Args:
        table: of single networks.
        preset: says which sample is the largest.
        key: draws signs, where there are many seeds.
    """
    effects, largest = [], max(preset.fractions)
    for regime in REGIMES:
        place = MAIN | {"set": UNSEEN, "regime": regime}
        text = {name: text.format(regime=regime, suffices=SUFFICES, percent=100 * largest) for name, text in _CLAIMS}
        rows = having(select(table, SVCCA, **place | HINTED), "seed")
        rows = rows.reindex(columns=["value", f"{BASELINE}untrained"]).dropna()
        whole = HINTED | {"fraction": largest}
        errors = np.log(_pairs(table, ERROR, PLAIN, HINTED, place))
        effects += [
            Effect(text["trained"], rows.diff(-1, axis=1)["value"].to_numpy(float), SMALLEST_GAIN),
            Effect(text["similarity"], _difference(_pairs(table, SVCCA, HINTED, PLAIN, place)), SMALLEST_GAIN),
            Effect(text["sample"], _difference(_pairs(table, SVCCA, HINTED, whole, place)), -SUFFICES, -SUFFICES, 0.0),
            Effect(text["generalization"], _difference(errors), np.log(SMALLEST_RATIO), shown=np.exp),
        ]
    found = judged(effects, SOURCE, key=key)
    if largest < 1:
        found[2::4] = [dataclasses.replace(claim, supported=None, needs=None) for claim in found[2::4]]
    return found


_CLAIMS = [(name, TEXTS[name]) for name in ("trained", "similarity", "sample", "generalization")]


def _pairs(table: pd.DataFrame, metric: str, first: dict, second: dict, place: dict) -> np.ndarray:
    """A number of two arms (seed, arm), for the seeds that both have."""
    sides = [by_seed(table, metric, **place | arm) for arm in (first, second)]
    return pd.concat(sides, axis=1, join="inner").sort_index().to_numpy(float)


def _difference(pairs: np.ndarray) -> np.ndarray:
    return pairs[:, 0] - pairs[:, 1]


def verdict(table: pd.DataFrame, judged: Sequence[Claim], preset: Preset) -> str:
    """A paragraph that the numbers write.

    Args:
        table: of single networks.
        judged: the claims.
        preset: says how many networks an arm has.
    """
    place = MAIN | {"regime": "tuned"}
    arms = {"hints": HINTED, "no_hints": PLAIN, "untrained": {"arm": "untrained"}}
    asked = {"similar": (SVCCA, "train"), "unseen": (SVCCA, UNSEEN), "errors": (ERROR, UNSEEN)}
    medians = {
        name: {arm: _median(by_seed(table, metric, **place | own, set=where)) for arm, own in arms.items()}
        for name, (metric, where) in (asked | {"neurons": (NEURONS, UNSEEN)}).items()
    }
    verdicts, chance = [claim.supported for claim in judged], select(table, SVCCA, **place | HINTED, set="train")
    return TEXTS["verdict"].format(
        n_claims=len(judged), supported=verdicts.count(True), contradicted=verdicts.count(False),
        undecided=verdicts.count(None), n_seeds=preset.n_seeds, chance=_median(chance["null_p95"].dropna()), **medians,
    )  # fmt: skip


def _median(values: pd.Series) -> str:
    return f"{values.median():.2g}" if len(values) else "no number"
