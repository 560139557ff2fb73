"""What the students' numbers say: the claims, judged, and what the same numbers are where there should be nothing."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, Effect, by_seed, judged, select
from recirc.analyses.table import BASELINE
from recirc.compare import sign_flip_power
from recirc.runs.report import read_words
from recirc.studies.qian2024.design import (
    CENTRAL,
    CONTROL,
    FEEDFORWARD,
    FRACTION,
    HALF,
    LONG,
    LOW_RANK,
    N_HIDDEN,
    N_TRIALS,
    NOISE,
    OTHERS,
    RANDOM,
    SECONDS,
    SOURCE,
    TRIAL,
    Preset,
)  # fmt: skip

SLOWEST, MATCHED, TWIN = "slowest_mode_s", "recorded_r2", f"{BASELINE}untrained"
N_SLOW = "n_spurious_slow"
MATCHES, MATCHES_WELL = 0.5, 0.6  # R² from which recorded units count as matched, and that which is claimed
SPURIOUS = 3.0  # times the time constant: what makes a mode spurious, in `n_spurious_slow`
RATIO = 2.0  # of slowest time constants, between kinds of circuits and numbers of units
HELP = 1.5  # by which something must shorten the slowest time constant to be called a help
OURS = "ours"
SOURCES = dict.fromkeys(
    ["part", "part_trials", "hidden", "hidden_trials", "task", "units_trials", "force", "force_task", "force_part"],
    OURS,
)
FORCE_PART = "force_part"  # the claim about large students, which small presets do not have
RECORDING = {"data": "recording", "fraction": FRACTION, "length_s": SECONDS, "n_hidden": 0}
RECORDING |= {"noise": NOISE, "recorded": RANDOM}
TRIALS = RECORDING | {"data": "trials", "length_s": N_TRIALS * TRIAL}
# The s.d. of what each claim averages, over so many circuits of each kind that the study does not use.
N_KNOWN = 3
SPREADS = {
    "matched": 0.07, "slow": 0.26, "part": 0.71, "part_trials": 0.38, "feedforward": 0.32, "low_rank": 0.76,
    "hidden": 0.55, "hidden_trials": 0.43, "task": 0.16, "time": 0.17, "units": 0.62, "units_trials": 0.46,
    "force": 0.1, "force_task": 0.1, "force_part": 0.1,  # assumed; they were 0, .04 and .03
}  # fmt: skip
TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def log_slowest(table: pd.DataFrame, arm: str, *, column: str = "value", **place) -> pd.Series:
    """Log of the slowest time constant by seed, of a student; with `column` of its twin or its circuit."""
    return _by_seed(table, SLOWEST, arm, column, place).map(np.log)


def log_n_slow(table: pd.DataFrame, arm: str, *, column: str = "value", **place) -> pd.Series:
    """Log of the number of spurious slow modes, and one, by seed."""
    return _by_seed(table, N_SLOW, arm, column, place).map(np.log1p)


def _by_seed(table: pd.DataFrame, metric: str, arm: str, column: str, place: dict) -> pd.Series:
    rows = select(table, metric, arm, **place).dropna(subset="seed").set_index("seed")
    return rows.reindex(columns=[column])[column].astype(float).dropna()


def effects(table: pd.DataFrame, *, circuit: str = CENTRAL, column: str = "value") -> dict[str, np.ndarray]:
    """What each claim averages, a value per seed, by claim.

    Log ratios of slowest time constants; but `matched` an R², and `force_task` and `force_part` log ratios of numbers
    of slow modes, since the slowest ones of students by full-FORCE all grow.

    Args:
        table: of single students.
        circuit: of which students are compared.
        column: "value" of the students; or `TWIN`, of the same students untrained.
    """
    of = lambda arm, **place: log_slowest(table, arm, column=column, circuit=circuit, **place)  # noqa: E731
    changed = lambda place, **other: of("ridge", **place | other)  # noqa: E731
    hidden = lambda arm, place: of(arm, **place | {"n_hidden": N_HIDDEN})  # noqa: E731
    ridge, many = of("ridge", **RECORDING), of("ridge", **TRIALS)
    bptt, bptt_hidden = of("bptt", **RECORDING), hidden("bptt", RECORDING)
    task = bptt - of("bptt_task", **RECORDING) + bptt_hidden - hidden("bptt_task", RECORDING)
    n_slow = lambda arm, share=FRACTION: log_n_slow(  # noqa: E731
        table, arm, column=column, circuit=circuit, **RECORDING | {"fraction": share}
    )
    matched = _by_seed(table, MATCHED, "ridge", column, RECORDING | {"circuit": circuit, "set": "train"})
    match = by_seed(table, MATCHED, "ridge", circuit=circuit, set="train", **RECORDING)
    truth = log_slowest(table, "ridge", column="teacher", circuit=circuit, **RECORDING)
    found = {
        "matched": matched.clip(lower=-1.0),
        "slow": (ridge - truth).reindex(match.index[match >= MATCHES]),
        "part": ridge - changed(RECORDING, fraction=1.0),
        "part_trials": many - changed(TRIALS, fraction=1.0),
        "hidden": bptt - bptt_hidden,
        "hidden_trials": of("bptt", **TRIALS) - hidden("bptt", TRIALS),
        "task": task / 2,
        "time": changed(RECORDING, length_s=LONG) - ridge,
        "units": ridge - changed(RECORDING, fraction=HALF),
        "units_trials": many - changed(TRIALS, fraction=HALF),
        "force": of("full_force", **RECORDING) - truth,
        "force_task": n_slow("full_force") - n_slow("full_force_task"),
        "force_part": n_slow("full_force_large") - n_slow("full_force_large", 1.0),
    }
    return {name: values.dropna().sort_index().to_numpy(float) for name, values in found.items()}


def kinds(table: pd.DataFrame, *, column: str = "value") -> dict[str, np.ndarray]:
    """How much slower than the circuit's the slowest modes are, of feedforward and low-rank circuits less others."""

    def too_slow(names) -> pd.Series:
        each = [log_slowest(table, "ridge", column=column, circuit=name, **RECORDING) -
                log_slowest(table, "ridge", column="teacher", circuit=name, **RECORDING) for name in names]  # fmt: skip
        return pd.concat(each, axis=1).dropna().mean(axis=1)

    others = too_slow(OTHERS)
    differences = {"feedforward": too_slow(FEEDFORWARD) - others, "low_rank": too_slow(LOW_RANK) - others}
    return {name: values.dropna().sort_index().to_numpy(float) for name, values in differences.items()}


def _ratio(smallest: float, **more) -> dict:
    return {"smallest": float(np.log(smallest)), "shown": np.exp, **more}


BOUNDS = {
    "matched": {"smallest": MATCHES_WELL, "none": MATCHES},
    "slow": _ratio(SPURIOUS), "part": _ratio(RATIO), "part_trials": _ratio(RATIO),
    "feedforward": _ratio(RATIO), "low_rank": _ratio(RATIO),
    "hidden": _ratio(HELP), "hidden_trials": _ratio(HELP), "task": _ratio(HELP),
    "time": _ratio(1 / HELP, none=-float(np.log(HELP)), planned=0.0),
    "units": _ratio(RATIO), "units_trials": _ratio(RATIO),
    "force": _ratio(SPURIOUS), "force_task": _ratio(HELP), "force_part": _ratio(RATIO),
}  # fmt: skip


def stated(values: dict[str, np.ndarray]) -> dict[str, Effect]:
    """The claims, each with the smallest effect that matters, and the values that it is judged by.

    All of them, but for that about large students where there is none.
    """
    asked = {name: bounds for name, bounds in BOUNDS.items() if name != FORCE_PART or len(values[name])}
    return {name: Effect(TEXTS[name], values[name], **bounds) for name, bounds in asked.items()}


def claims(table: pd.DataFrame, *, key: PRNGKeyArray) -> list[Claim]:
    """One family, over seeds: circuits of one seed, and students of one circuit, are held against each other in pairs.

    Args:
        table: of single students.
        key: draws signs, where there are many seeds.
    """
    family = stated(effects(table) | kinds(table))
    found = judged(list(family.values()), SOURCE, key=key)
    return [dataclasses.replace(claim, source=SOURCES.get(name, SOURCE)) for name, claim in zip(family, found)]


def controls(table: pd.DataFrame) -> list[list]:
    """A line per claim: its effect, that of the students untrained, and that of students of the control's circuits."""
    columns = [
        effects(table) | kinds(table),
        effects(table, column=TWIN) | kinds(table, column=TWIN),
        effects(table, circuit=CONTROL),
    ]
    lines = []
    for name in stated(columns[0]):
        shown = BOUNDS[name].get("shown", float)
        means = [float(shown(np.mean(each[name]))) if len(each.get(name, ())) else None for each in columns]
        lines.append([TEXTS[name].split(" (")[0], *means])
    return lines


def powers(preset: Preset) -> dict[str, float]:
    """Power of each claim to find the smallest effect that matters, at Holm's first level."""
    sizes = dict.fromkeys(BOUNDS, preset.n_seeds) | {FORCE_PART: preset.n_large}
    planned = stated({name: np.zeros(n) for name, n in sizes.items()})
    return {
        name: sign_flip_power(SPREADS[name], effect.aim - effect.none, sizes[name], alpha=0.05 / len(planned))
        for name, effect in planned.items()
    }
