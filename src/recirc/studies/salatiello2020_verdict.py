"""What the numbers of the study say: its claims, judged, and the sentence that sums them up."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare import bootstrap_interval, paired_test
from recirc.runs import Claim, Row
from recirc.studies.salatiello2020 import REFERENCE_FRACTION, REGIMES, SOURCE, Preset
from recirc.studies.summaries import by_seed

SVCCA, NEURONS = "svcca5_concatenated", "heldout_neuron_r2"
UNSEEN, OTHERS = "heldout_direction", ("no_hints", "untrained")
SUFFICES = 0.1  # similarity that a small sample may lack against the whole circuit
ENOUGH = 10  # pairs from which on a claim that is not supported counts as failed; fewer cannot say
MAIN = {"kind": None, "hint_gain": None, "normalization": None, "left_out": None, "null": None}


def claims(rows: Sequence[Row], preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims in both regimes, judged over seeds."""
    judged = []
    for index, regime in enumerate(REGIMES):
        keys = jax.random.split(jax.random.fold_in(key, index), 3)
        judged += [
            _similarity_claim(rows, regime, keys[0]),
            _sample_claim(rows, preset, regime, keys[1]),
            _generalization_claim(rows, regime, keys[2]),
        ]
    return judged


def _pairs(first: dict[int, float], second: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    seeds = sorted(set(first) & set(second))
    return np.array([first[s] for s in seeds]), np.array([second[s] for s in seeds])


def _similarity_claim(rows, regime: str, key) -> Claim:
    place = {**MAIN, "set": "train", "regime": regime}
    hints = by_seed(rows, SVCCA, "hints", fraction=REFERENCE_FRACTION, **place)
    a, b = _pairs(hints, by_seed(rows, SVCCA, "no_hints", fraction=None, **place))
    text = f"Hints from 5 % of the units raise dynamic similarity (SVCCA₅, concatenated; {regime} regime)"
    return _judged(text, a - b, a, b, "greater", lambda effect: effect > 0, key)


def _generalization_claim(rows, regime: str, key) -> Claim:
    place = {**MAIN, "set": "heldout_direction", "regime": regime}
    hints = by_seed(rows, "output_nmse", "hints", fraction=REFERENCE_FRACTION, **place)
    a, b = _pairs(by_seed(rows, "output_nmse", "no_hints", fraction=None, **place), hints)
    text = (
        "Hints improve generalization: output error on held-out directions without hints over that with hints "
        f"from 5 % of the units ({regime} regime)"
    )
    return _judged(text, a / b, np.log(a), np.log(b), "greater", lambda effect: effect > 1, key)


def _sample_claim(rows, preset: Preset, regime: str, key) -> Claim:
    largest = max(preset.fractions)
    place = {**MAIN, "set": "train", "regime": regime}
    small = by_seed(rows, SVCCA, "hints", fraction=REFERENCE_FRACTION, **place)
    a, b = _pairs(by_seed(rows, SVCCA, "hints", fraction=largest, **place), small)
    text = (
        f"A small sample suffices: SVCCA₅ with 5 % of the units recorded lacks less than {SUFFICES:g} of that with "
        f"{100 * largest:g} % ({regime} regime)"
    )
    if len(a) == 0:
        return Claim(text, SOURCE, None)
    loss, ci = a - b, _interval(a - b, key)
    supported = bool(ci[1] < SUFFICES) if largest == 1.0 and np.isfinite(ci[1]) else None
    return Claim(text, SOURCE, supported, float(np.median(loss)), ci, n=len(a))


def _judged(text: str, effects, a, b, alternative: str, holds, key) -> Claim:
    if len(a) == 0:
        return Claim(text, SOURCE, None)
    test, effect, ci = paired_test(a, b, alternative), float(np.median(effects)), _interval(effects, key)
    contradicted = np.isfinite(ci[1]) and not holds(ci[1])
    supported = None
    if test.p < 0.05 and holds(effect):
        supported = True
    elif contradicted or len(a) >= ENOUGH:
        supported = False
    return Claim(text, SOURCE, supported, effect, ci, test.p, len(a))


def _interval(values, key) -> tuple[float, float]:
    return bootstrap_interval(values, key=key)


def verdict(rows: Sequence[Row], judged: Sequence[Claim], preset: Preset) -> str:
    """A paragraph that the numbers write."""
    place = {**MAIN, "regime": "tuned"}

    def middle(metric: str, arm: str, name: str, fraction=None, **more) -> str:
        values = list(by_seed(rows, metric, arm, set=name, fraction=fraction, **place, **more).values())
        return f"{np.median(values):.2g}" if values else "no number"

    small = REFERENCE_FRACTION
    count = {True: 0, False: 0, None: 0}
    for claim in judged:
        count[claim.supported] += 1
    asked = {**place, "set": "train", "fraction": small}
    null = [
        row.null["p95"]
        for row in rows
        if row.metric == SVCCA and row.arm == "hints" and row.null and "seed" in row.condition
        if all(row.condition.get(name) == value for name, value in asked.items())
    ]
    chance = f"{np.median(null):.2g}" if null else "no number"
    similar = [middle(SVCCA, "hints", "train", small), *(middle(SVCCA, a, "train") for a in OTHERS)]
    errors = [middle("output_nmse", "hints", UNSEEN, small), middle("output_nmse", "no_hints", UNSEEN)]
    neurons = [middle(NEURONS, "hints", UNSEEN, small), *(middle(NEURONS, a, UNSEEN) for a in OTHERS)]
    return (
        f"Of {len(judged)} claims (three in two regimes), supported: {count[True]}, not supported: {count[False]}, "
        f"beyond a run of this size: {count[None]} ({preset.n_seeds} networks per arm). In the "
        f"tuned regime, networks trained with hints from 5 % of the units reach SVCCA₅ {similar[0]} against the "
        f"circuit; without hints {similar[1]}, untrained {similar[2]}, and 95 % of circuits with shuffled "
        f"directions stay below {chance}. On directions never trained, their output error (nMSE) is "
        f"{errors[0]} with hints and {errors[1]} without; a linear map from the network explains {neurons[0]} of "
        f"the variance of neurons that were never recorded (without hints {neurons[1]}, untrained {neurons[2]})."
    )
