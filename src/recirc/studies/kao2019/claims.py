"""What the numbers of the delayed reach study say: its five claims, judged."""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from recirc.analyses import Claim
from recirc.analyses.levels import judge, numbers
from recirc.compare import bootstrap_interval, paired_test
from recirc.compare.mechanism import DOMINANT, UNDETERMINED
from recirc.runs.report import read_words
from recirc.studies.kao2019.design import INPUT_NOISES, NETWORK, NONLINEARITIES, PERFORMS, SOURCE, Preset

ENOUGH_SEEDS, ENOUGH = 5, 10  # seeds from which on a claim is judged at all, and counts as failed if not supported
SUCCEEDS, SHARE = 0.9, 0.9  # R² that passes a test without training; networks that must do the task
MATCHED = 1.5  # largest ratio of the errors without noise of two networks that are compared under noise
WORST_R2, WORST_ERROR = -1.0, 100.0  # what a network that blew up in a test counts as
CELL = NETWORK[:-1]


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


def claims(table: pd.DataFrame, levels: pd.DataFrame, preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims, in its order; what drives a network is what dominates in conflict.

    Args:
        table: a line per network and number.
        levels: `judge_all` of it.
        preset: how many networks there were.
        key: of the bootstrap.
    """
    networks, keys, enough = trained(table), jax.random.split(key, 4), preset.n_seeds >= ENOUGH_SEEDS
    levels = levels.assign(dominant=levels["verdict"].map(DOMINANT).fillna(UNDETERMINED))
    share = float(levels["performs"].mean())  # networks of a seed are no independent draws
    judged = [Claim(TEXTS["performance"], SOURCE, share >= SHARE if len(levels) else None, share, n=len(levels))]
    judged += [_units_claim(levels, enough), _mechanisms_claim(levels, enough)]
    judged.append(_noise_claim(networks, levels, keys[0]))
    for (name, condition), own in zip(TRANSFERS.items(), keys[1:]):
        judged.append(_transfer_claim(networks, levels, TEXTS[name], condition, own))
    return judged


def _in_most(networks: pd.Series) -> pd.Series:
    """Per network, whether it holds for most of its cell."""
    return networks.astype(float).groupby(CELL, sort=False).transform("mean") > 0.5


def _units_claim(levels: pd.DataFrame, enough: bool) -> Claim:
    like = levels["performs"] & levels["units"].fillna(False)
    missing, n = like & ~levels["population"].fillna(True), int(like.sum())
    share = float(missing.sum() / n) if n else np.nan
    return Claim(TEXTS["units"], SOURCE, bool(_in_most(missing).any()) if n and enough else None, share, n=n)


def _mechanisms_claim(levels: pd.DataFrame, enough: bool) -> Claim:
    matching = levels[_in_most(levels["performs"] & levels[["units", "population"]].fillna(False).all(axis=1))]
    shares = matching.groupby(CELL, sort=False)["dominant"].value_counts(normalize=True)
    kinds = set(shares[shares > 0.5].index.get_level_values("dominant")) - {UNDETERMINED}
    supported = len(kinds) > 1 if len(matching) and enough else None
    return Claim(TEXTS["mechanisms"], SOURCE, supported, float(len(kinds)), n=len(matching))


def _noise_claim(networks: pd.DataFrame, levels: pd.DataFrame, key) -> Claim:
    text = TEXTS["noise"].format(matched=MATCHED)
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
    values = _by_seed((own["noisy"] - other["noisy"])[pairs])
    if not len(values):
        return Claim(text, SOURCE, None)
    test, effect = paired_test(values, np.zeros(len(values)), "greater"), float(np.exp(np.median(values)))
    low, high = np.exp(bootstrap_interval(values, key=key))
    supported = None
    if test.p < 0.05 and effect > 1:
        supported = True
    elif len(values) >= ENOUGH_SEEDS and (high < 1 or len(values) >= ENOUGH):
        supported = False
    return Claim(text, SOURCE, supported, effect, (float(low), float(high)), test.p, len(values))


def _by_seed(values: pd.Series) -> np.ndarray:
    """Median of every seed: its networks share their random numbers, and so are one draw."""
    return values.groupby("seed", sort=False).median().to_numpy()


def _transfer_claim(networks: pd.DataFrame, levels: pd.DataFrame, text: str, condition: dict, key) -> Claim:
    found = numbers(networks, NETWORK, "output_r2", **condition).fillna(WORST_R2).clip(lower=WORST_R2)
    reached = found.reindex(levels.index)
    values = _by_seed(reached[levels["performs"] & (levels["dominant"] == "state")].dropna())
    if not len(values):
        return Claim(text, SOURCE, None)
    low, high = bootstrap_interval(values, key=key)
    supported = None
    if len(values) >= ENOUGH_SEEDS and np.isfinite(low):
        supported = True if low >= SUCCEEDS else False if high < SUCCEEDS or len(values) >= ENOUGH else None
    return Claim(text, SOURCE, supported, float(np.median(values)), (low, high), n=len(values))
