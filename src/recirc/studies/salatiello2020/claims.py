"""What the numbers of the study say: its claims, judged over seeds, and the paragraph that sums them up."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, by_seed, select
from recirc.compare import bootstrap_interval, paired_test
from recirc.runs.report import read_words
from recirc.studies.salatiello2020.arms import PLACE, REFERENCE_FRACTION, REGIMES, SOURCE, Preset

SVCCA, ERROR, NEURONS = "svcca5_concatenated", "output_nmse", "heldout_neuron_r2"
UNSEEN = "heldout_direction"
SUFFICES = 0.1  # similarity that a small sample may lack against the whole circuit
ENOUGH = 10  # pairs from which on a claim that is not supported counts as failed; fewer cannot say
MAIN = dict.fromkeys(("null", *PLACE))  # the networks that are no ablation, with the first null
HINTED, PLAIN = {"arm": "hints", "fraction": REFERENCE_FRACTION}, {"arm": "no_hints"}

TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def claims(table: pd.DataFrame, preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims in both regimes, judged over seeds.

    Args:
        table: of single networks.
        preset: says which sample is the largest.
        key: draws the intervals.
    """
    judged = []
    for index, regime in enumerate(REGIMES):
        keys = jax.random.split(jax.random.fold_in(key, index), 3)
        a, b = _pairs(table, SVCCA, HINTED, PLAIN, set="train", regime=regime)
        judged.append(_judged(TEXTS["similarity"].format(regime=regime), a - b, a, b, 0, keys[0]))
        judged.append(_sample_claim(table, max(preset.fractions), regime, keys[1]))
        a, b = _pairs(table, ERROR, PLAIN, HINTED, set=UNSEEN, regime=regime)
        judged.append(_judged(TEXTS["generalization"].format(regime=regime), a / b, np.log(a), np.log(b), 1, keys[2]))
    return judged


def _pairs(table: pd.DataFrame, metric: str, first: dict, second: dict, **place) -> tuple[np.ndarray, np.ndarray]:
    """A number of two arms, for the seeds that both have."""
    sides = [by_seed(table, metric, **MAIN | arm | place) for arm in (first, second)]
    both = pd.concat(sides, axis=1, join="inner").sort_index().to_numpy()
    return both[:, 0], both[:, 1]


def _sample_claim(table: pd.DataFrame, largest: float, regime: str, key) -> Claim:
    a, b = _pairs(table, SVCCA, HINTED | {"fraction": largest}, HINTED, set="train", regime=regime)
    text = TEXTS["sample"].format(suffices=SUFFICES, percent=100 * largest, regime=regime)
    if len(a) == 0:
        return Claim(text, SOURCE, None)
    ci = bootstrap_interval(a - b, key=key)
    supported = bool(ci[1] < SUFFICES) if largest == 1.0 and np.isfinite(ci[1]) else None
    return Claim(text, SOURCE, supported, float(np.median(a - b)), ci, n=len(a))


def _judged(text: str, effects: np.ndarray, a: np.ndarray, b: np.ndarray, none: float, key) -> Claim:
    """Whether effects are greater than `none`, the effect if hints did nothing."""
    if len(a) == 0:
        return Claim(text, SOURCE, None)
    test, effect, ci = paired_test(a, b, "greater"), float(np.median(effects)), bootstrap_interval(effects, key=key)
    supported = None
    if test.p < 0.05 and effect > none:
        supported = True
    elif (np.isfinite(ci[1]) and ci[1] <= none) or len(a) >= ENOUGH:
        supported = False
    return Claim(text, SOURCE, supported, effect, ci, test.p, len(a))


def verdict(table: pd.DataFrame, judged: Sequence[Claim], preset: Preset) -> str:
    """A paragraph that the numbers write.

    Args:
        table: of single networks.
        judged: the claims.
        preset: says how many networks an arm has.
    """
    place = MAIN | {"regime": "tuned"}
    arms = {"hints": HINTED, "no_hints": PLAIN, "untrained": {"arm": "untrained"}}
    asked = {"similar": (SVCCA, "train"), "errors": (ERROR, UNSEEN), "neurons": (NEURONS, UNSEEN)}
    medians = {
        name: {arm: _median(by_seed(table, metric, **place | own, set=where)) for arm, own in arms.items()}
        for name, (metric, where) in asked.items()
    }
    verdicts, chance = [claim.supported for claim in judged], select(table, SVCCA, **place | HINTED, set="train")
    return TEXTS["verdict"].format(
        n_claims=len(judged), supported=verdicts.count(True), contradicted=verdicts.count(False),
        undecided=verdicts.count(None), n_seeds=preset.n_seeds, chance=_median(chance["null_p95"].dropna()), **medians,
    )  # fmt: skip


def _median(values: pd.Series) -> str:
    return f"{values.median():.2g}" if len(values) else "no number"
