"""What the numbers of the delayed reach study say: its claims, judged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, Effect, judged, select
from recirc.analyses.levels import judge, numbers
from recirc.analyses.reference import HALVES
from recirc.analyses.table import BASELINE
from recirc.compare.mechanism import MechanismSummary
from recirc.runs.report import read_words
from recirc.studies.kao2019.design import ARMS, NETWORK, NOISE, NOISES, PERFORMS, SOURCE, TARGET_OFF_SHARES

FAILS, DOES = 0.9, 0.95  # R² of the task: twice the error of what counts as doing it is no success
NEAREST = 3  # networks of a seed of which one counts as near: a third
MISSING, DIFFER = 0.25, 0.5  # of near networks that lack the population; range of their shares of the state
NONE = 0.1  # of either: what a slip or two would make
MORE_STATE = 0.25  # share of the state, of 1 in all
MISSED, SUCCEEDS = 0.8, 0.9  # R² without training: twice the error of what passes is no success
SMALLEST_ANGLE = 0.05  # radians nearer to the reference that matter: 3 degrees
ERROR_RATIO = 1.5  # of errors under noise, between networks whose movements the input makes alone and the state alone
WORST_R2, BEST_R2, WORST_ERROR = -1.0, 0.9999, 100.0  # a network that blew up in a test counts as the worst


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The part of the table that is of single trained networks."""
    return table[table["arm"].isin(list(ARMS)) & table["seed"].notna()]


def judge_all(table: pd.DataFrame, mechanism: str | None) -> pd.DataFrame:
    """Every trained network on every level.

    Args:
        table: of networks and reference.
        mechanism: the reference's, None if unknown.

    Returns:
        As `judge`, and whether it `performs` the task, its `r2`, the share of the `state` in conflict and of `silent`
        units, and how far its units and its population are from the reference (`unit_far`, `population_far`): the mean
        over features of the distance, in units of that between the reference's halves in 95 % of splits.
    """
    networks = trained(table)
    levels = judge(networks, mechanism, by=NETWORK)
    beside = networks[networks["null_kind"] == HALVES]
    far = (beside["value"] / beside["null_p95"]).groupby([beside[name] for name in (*NETWORK, "level")]).mean()
    far = far.unstack("level").reindex(levels.index, columns=["unit", "population"])

    def number(metric, **condition):
        return numbers(networks, NETWORK, metric, **condition).reindex(levels.index)

    r2 = number("output_r2", set="train")
    return levels.assign(
        performs=r2 >= PERFORMS, r2=r2, state=number("state_share", set="crossed_at_go"),
        silent=number("silent_units", set="compared"), unit_far=far["unit"], population_far=far["population"],
    )  # fmt: skip


TRANSFERS = {  # a test without training, by the name of its claim
    "switch_in_delay": {"set": "target_switch", "time_s": -0.25},
    "switch_at_go": {"set": "target_switch", "time_s": 0.0},
    "new_directions": {"set": "heldout_direction"},
}
TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def claims(table: pd.DataFrame, levels: pd.DataFrame, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims, in its order, what decides the mechanism, and that training does more than inputs do.

    One family, over seeds: networks of a seed share their random numbers, and so are one draw. What drives a network is
    what dominates in conflict.

    Args:
        table: a line per network and number.
        levels: `judge_all` of it.
        key: draws signs, where there are many seeds.
    """
    networks, performing = trained(table), levels[levels["performs"]]
    worst = _precisions(levels["r2"]).groupby("seed").min().to_numpy(float)
    effects = [
        Effect(TEXTS["performance"], worst, _precision(DOES), _precision(FAILS), shown=_r2),
        Effect(TEXTS["units"], _each_seed(performing, _missing), MISSING, NONE),
        Effect(TEXTS["mechanisms"], _each_seed(performing, _state_range), DIFFER, NONE),
        Effect(TEXTS["training"], _more_state(levels), MORE_STATE),
    ]
    beside = select(networks, "procrustes_angle_crossfit_distance", set="halves").set_index(NETWORK)
    nearer = beside.reindex(columns=[f"{BASELINE}untrained"]).iloc[:, 0] - beside["value"]
    effects.append(Effect(TEXTS["trained"], _by_seed(nearer.reindex(performing.index)), SMALLEST_ANGLE))
    for name in NOISES:
        error = numbers(networks, NETWORK, "output_nmse", set=name, sigma=NOISE).fillna(WORST_ERROR)
        noisy = performing.assign(error=error.clip(upper=WORST_ERROR).map(np.log).reindex(performing.index))
        effects.append(Effect(TEXTS[name], -_slopes(noisy), np.log(ERROR_RATIO), shown=np.exp))
    driven = performing.index[performing["state"] >= MechanismSummary.least_share]
    for name, condition in TRANSFERS.items():
        reached = numbers(networks, NETWORK, "output_r2", **condition).reindex(driven)
        seeds = _by_seed(_precisions(reached))
        effects.append(Effect(TEXTS[name], seeds, _precision(SUCCEEDS), _precision(MISSED), shown=_r2))
    return judged(effects, SOURCE, key=key)


def _by_seed(values: pd.Series) -> np.ndarray:
    """Mean of every seed."""
    return values.dropna().groupby("seed").mean().to_numpy(float)


def _precision(r2: float) -> float:
    """Logarithm of variance over error: less skewed than R² is, so that its mean can be tested by signs."""
    return float(-np.log1p(-r2))


def _precisions(r2: pd.Series) -> pd.Series:
    return r2.astype(float).fillna(WORST_R2).clip(WORST_R2, BEST_R2).map(_precision)


def _r2(precision: float) -> float:
    return -np.expm1(-precision)


def _each_seed(networks: pd.DataFrame, number: Callable[[pd.DataFrame], float]) -> np.ndarray:
    """A number of the networks of every seed that has it."""
    found = np.array([number(own) for _, own in networks.groupby("seed")], float)
    return found[np.isfinite(found)]


def _nearest(far: pd.Series) -> pd.Series:
    """Which networks are among the nearest third."""
    return far.rank(method="first") <= round(len(far) / NEAREST)


def _missing(own: pd.DataFrame) -> float:
    """Of the third whose units are nearest to the reference's, the share whose populations are not."""
    own = own.dropna(subset=["unit_far", "population_far"])
    return (
        float(1 - _nearest(own["population_far"])[_nearest(own["unit_far"])].mean()) if len(own) >= NEAREST else np.nan
    )


def _state_range(own: pd.DataFrame) -> float:
    """Range of the share of the state in the third that is nearest to the reference in units and population."""
    own = own.dropna(subset=["unit_far", "population_far", "state"])
    state = own["state"][_nearest(own["unit_far"] * own["population_far"])].astype(float)
    return float(np.ptp(state)) if len(state) > 1 else np.nan


def _more_state(levels: pd.DataFrame) -> np.ndarray:
    """Of every seed, the share of the state where the target went off most often less that where it never did."""
    shares = levels["state"].groupby(["seed", "target_off_share"]).mean().unstack("target_off_share")
    shares = shares.reindex(columns=[TARGET_OFF_SHARES[-1], TARGET_OFF_SHARES[0]])
    return (shares.iloc[:, 0] - shares.iloc[:, 1]).dropna().to_numpy(float)


def _slopes(networks: pd.DataFrame) -> np.ndarray:
    """Of every seed what it adds to the slope of log error on the share of the state, which is their mean.

    Networks are held against the mean of those of their seed that were trained alike. A seed in which their shares of
    the state hardly differ adds little, as in the slope of all.
    """
    about = networks[["state", "error"]].astype(float).dropna()
    about = about - about.groupby(["seed", "target_off_share"]).transform("mean")
    products = (about["state"] * about["error"]).groupby("seed").sum()
    spread = float((about["state"] ** 2).groupby("seed").sum().mean())
    return products.to_numpy(float) / spread if spread > 0 else np.zeros(0)
