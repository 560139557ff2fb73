"""What the numbers of the study say: its claims, judged over circuits, and the paragraph that sums them up."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, Effect, by_seed, judged, select
from recirc.analyses.table import BASELINE
from recirc.compare import sign_flip_power
from recirc.runs.report import read_words
from recirc.studies.salatiello2020.arms import PLACE, REFERENCE_FRACTION, SOURCE, Preset
from recirc.studies.salatiello2020.readings import ERROR, UNSEEN, outcomes

SVCCA, NEURONS, TWIN = "svcca5_concatenated", "heldout_neuron_r2", f"{BASELINE}untrained"
SUFFICES = 0.1  # similarity that a small sample may lack against the whole circuit
SMALLEST_GAIN = 0.1  # of similarity that matters: as much
SMALLEST_RATIO = 2.0  # of squared errors that matters: half
HALF, SMALLEST_SHARE = 0.5, 0.75  # of readings: as often as not, and what matters
MAIN = dict.fromkeys(("null", *PLACE))  # the networks that are no ablation and no reading
HINTED, PLAIN = {"arm": "hints", "fraction": REFERENCE_FRACTION}, {"arm": "no_hints"}
WHOLE = HINTED | {"fraction": 1.0}
# The s.d. of what each claim averages, over so many circuits that the study does not use: benchmarks/no_effect.py.
N_KNOWN = 24
SPREADS = {"trained": 0.038, "similarity": 0.068, "sample": 0.051, "generalization": 0.81}

TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def effects(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What each claim averages, a value per circuit: differences of similarity, log ratios of errors, by claim.

    All is measured on directions that were not trained, of networks that share their circuit and random numbers.
    """
    place = MAIN | {"set": UNSEEN}
    rows = select(table, SVCCA, **place | HINTED).reindex(columns=["seed", "value", TWIN]).dropna()
    return {
        "trained": (rows["value"] - rows[TWIN]).to_numpy(float),
        "similarity": _differences(table, SVCCA, HINTED, PLAIN, place),
        "sample": _differences(table, SVCCA, HINTED, WHOLE, place),
        "generalization": _differences(table, ERROR, PLAIN, HINTED, place, np.log),
    }


def _differences(table: pd.DataFrame, metric: str, first: dict, second: dict, place: dict, scale=np.asarray):
    """A number of one arm less that of another, on a scale, for the seeds that both have."""
    sides = [by_seed(table, metric, **place | arm) for arm in (first, second)]
    pairs = scale(pd.concat(sides, axis=1, join="inner").sort_index().to_numpy(float))
    return pairs[:, 0] - pairs[:, 1]


def stated(values: dict[str, np.ndarray]) -> list[Effect]:
    """The claims, each with the smallest effect that matters, and the values that it is judged by."""
    bounds = {
        "trained": {"smallest": SMALLEST_GAIN},
        "similarity": {"smallest": SMALLEST_GAIN},
        "sample": {"smallest": -SUFFICES, "none": -SUFFICES, "planned": -SUFFICES / 2},
        "generalization": {"smallest": float(np.log(SMALLEST_RATIO)), "shown": np.exp},
        "readings": {"smallest": SMALLEST_SHARE, "none": HALF},
    }
    return [Effect(TEXTS[name].format(suffices=SUFFICES), values[name], **bounds[name]) for name in values]


def claims(table: pd.DataFrame, preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims, and that training does more than its inputs do: one family, over circuits.

    Where the paper's settings were read in several ways, one more: in how many of the readings in which both arms do
    the task hints generalize better.

    Args:
        table: of single networks.
        preset: says how many readings there are.
        key: draws signs, where there are many seeds.
    """
    values = effects(table)
    if preset.n_readings:
        found = outcomes(table)
        values["readings"] = (found["effect"][found["trains"]] > 0).to_numpy(bool)
    return judged(stated(values), SOURCE, key=key)


def powers(preset: Preset) -> dict[str, float]:
    """Power of each claim over circuits to find the smallest effect that matters, at Holm's first level."""
    planned = stated({name: np.zeros(0) for name in SPREADS})
    alpha = 0.05 / (len(SPREADS) + bool(preset.n_readings))
    return {
        name: sign_flip_power(SPREADS[name], effect.aim - effect.none, preset.n_seeds, alpha=alpha)
        for name, effect in zip(SPREADS, planned)
    }


def verdict(table: pd.DataFrame, judged: Sequence[Claim], preset: Preset) -> str:
    """A paragraph that the numbers write.

    Args:
        table: of single networks.
        judged: the claims.
        preset: says how many circuits there are.
    """
    arms, values = {"hints": HINTED, "no_hints": PLAIN}, {}
    asked = {"similar": (SVCCA, "train"), "unseen": (SVCCA, UNSEEN), "errors": (ERROR, UNSEEN)}
    for name, (metric, where) in (asked | {"neurons": (NEURONS, UNSEEN)}).items():
        own = {arm: select(table, metric, **MAIN | place, set=where) for arm, place in arms.items()}
        values[name] = {arm: _median(found["value"]) for arm, found in own.items()}
        values[name]["untrained"] = _median(own["hints"].reindex(columns=[TWIN])[TWIN])
    verdicts = [claim.supported for claim in judged]
    return TEXTS["verdict"].format(
        n_claims=len(judged), supported=verdicts.count(True), contradicted=verdicts.count(False),
        undecided=verdicts.count(None), n_seeds=preset.n_seeds, n_known=N_KNOWN,
        power={name: f"{power:.2f}" for name, power in powers(preset).items()}, **values,
    )  # fmt: skip


def _median(values: pd.Series) -> str:
    values = values.dropna()
    return f"{values.median():.2g}" if len(values) else "no number"
