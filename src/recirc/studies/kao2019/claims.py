"""What the numbers of the delayed reach study say: its claims, judged."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim, Effect, judged, select
from recirc.analyses.levels import judge, numbers
from recirc.analyses.table import BASELINE
from recirc.compare.mechanism import DOMINANT, UNDETERMINED
from recirc.runs.report import read_words
from recirc.studies.kao2019.design import INPUT_NOISES, NETWORK, NONLINEARITIES, PERFORMS, SOURCE

SHARE = 0.9  # of a seed's networks that do the task, for the seed to count as one in which networks do
MISSING = 0.2  # of those whose units are alike that lack the population: four times what tests at 5 % give by chance
EITHER, MOST = 0.5, 0.9  # of seeds: as often as not, and what matters of a claim that is said of networks in general
FAILS, SUCCEEDS = 0.8, 0.9  # R² without training: twice the error of what passes is no success
SMALLEST_ANGLE = 0.05  # radians nearer to the reference that matter: 3 degrees
MATCHED = 1.5  # ratio of errors: up to it, two networks do the task equally well; beyond, noise makes a difference
WORST_R2, BEST_R2, WORST_ERROR = -1.0, 0.9999, 100.0  # a network that blew up in a test counts as the worst


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The part of the table that is of single trained networks."""
    return table[table["arm"].isin(list(NONLINEARITIES)) & table["seed"].notna()]


def judge_all(table: pd.DataFrame, mechanism: str | None) -> pd.DataFrame:
    """Every trained network on every level, and whether it `performs` the task.

    Args:
        table: of networks and reference.
        mechanism: the reference's, None if unknown.
    """
    networks = trained(table)
    levels = judge(networks, mechanism, by=NETWORK)
    reached = numbers(networks, NETWORK, "output_r2", set="train").reindex(levels.index)
    return levels.assign(performs=reached >= PERFORMS)


TRANSFERS = {  # a test without training, by the name of its claim
    "switch_in_delay": {"set": "target_switch", "time_s": -0.25},
    "switch_at_go": {"set": "target_switch", "time_s": 0.0},
    "new_directions": {"set": "heldout_direction"},
}
TEXTS = read_words(Path(__file__).with_name("report.toml"))["claims"]


def claims(table: pd.DataFrame, levels: pd.DataFrame, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims, in its order, and that training does more than its inputs do: one family, over seeds.

    Networks of a seed share their random numbers, and so are one draw: of each seed there is a mean, or whether the
    claim holds in it. What drives a network is what dominates in conflict.

    Args:
        table: a line per network and number.
        levels: `judge_all` of it.
        key: draws signs, where there are many seeds.
    """
    levels = levels.assign(dominant=levels["verdict"].map(DOMINANT).fillna(UNDETERMINED))
    networks, performing = trained(table), levels[levels["performs"]]
    like = performing[performing["units"].fillna(False)]
    missing = ~like["population"].fillna(True)
    both = like[like["population"].fillna(False) & (like["dominant"] != UNDETERMINED)]
    kinds = both.groupby("seed")["dominant"].agg(["nunique", "size"])
    held = {
        "performance": levels["performs"].groupby("seed").mean() >= SHARE,
        "units": missing.groupby("seed").mean() >= MISSING,
        "mechanisms": kinds["nunique"][kinds["size"] > 1] > 1,
    }
    effects = [Effect(TEXTS[name], seeds.to_numpy(bool), MOST, EITHER) for name, seeds in held.items()]
    beside = select(networks, "procrustes_angle", set="compared").set_index(NETWORK)
    nearer = beside.reindex(columns=[f"{BASELINE}untrained"]).iloc[:, 0] - beside["value"]
    effects.append(Effect(TEXTS["trained"], _by_seed(nearer.reindex(performing.index)), SMALLEST_ANGLE))
    text, ratios = TEXTS["noise"].format(matched=MATCHED), _by_seed(_noise_ratios(networks, levels))
    effects.append(Effect(text, ratios, np.log(MATCHED), shown=np.exp))
    driven = performing.index[performing["dominant"] == "state"]
    for name, condition in TRANSFERS.items():
        reached = numbers(networks, NETWORK, "output_r2", **condition).fillna(WORST_R2).clip(WORST_R2, BEST_R2)
        seeds = _by_seed(_precision(reached.reindex(driven)))
        effects.append(Effect(TEXTS[name], seeds, _precision(SUCCEEDS), _precision(FAILS), shown=_r2))
    return judged(effects, SOURCE, key=key)


def _by_seed(values: pd.Series) -> np.ndarray:
    """Mean of every seed."""
    return values.dropna().groupby("seed").mean().to_numpy(float)


def _precision(r2):
    """Logarithm of variance over error: less skewed than R² is, so that its mean can be tested by signs."""
    return -np.log1p(-r2)


def _r2(precision: float) -> float:
    return -np.expm1(-precision)


def _noise_ratios(networks: pd.DataFrame, levels: pd.DataFrame) -> pd.Series:
    """Of pairs that differ in the target line, log error under noise of the input driven over the other's."""
    noisy = [numbers(networks, NETWORK, "output_nmse", set="input_noise", sigma=sigma) for sigma in INPUT_NOISES]
    errors = [error.fillna(WORST_ERROR).clip(upper=WORST_ERROR).reindex(levels.index) for error in noisy]
    quiet = numbers(networks, NETWORK, "output_nmse", set="train").reindex(levels.index)
    every = levels.assign(noisy=np.mean(np.log(errors), axis=0), quiet=quiet)
    lines = every.index.get_level_values("target_line")
    own, other = (every[lines == line].droplevel("target_line") for line in ("on", "off_at_go"))
    other = other.reindex(own.index)
    pairs = own["performs"] & other["performs"].eq(True) & (own["dominant"] == "input") & (other["dominant"] == "state")
    before = own["quiet"], other["quiet"]
    pairs &= np.maximum(*before) <= MATCHED * np.minimum(*before)
    return (own["noisy"] - other["noisy"])[pairs]
