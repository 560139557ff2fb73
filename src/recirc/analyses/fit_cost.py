"""How much work a fit is, before it begins."""

import time

import numpy as np

from recirc.analyses.fit_choice import inner_pairs
from recirc.analyses.fit_conditions import left_out_groups
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_trials import network_clock
from recirc.train import FullForce
from recirc.types import Activity

# Products of matrices per step, and seconds per step, per network and to begin: measured (benchmarks/README.md).
PRODUCTS, STEP, NETWORK, START = 3.0, 80e-6, 0.4, 30.0


def work(activity: Activity, config: FitConfig) -> tuple[int, int]:
    """How many networks a fit trains, and how many untrained ones it runs.

    Args:
        activity: a recording made ready.
        config: of the fit.
    """
    n_groups, candidates = len(left_out_groups(activity, config, seed=0)), config.candidates
    outer, untrained = n_groups * config.n_folds * config.n_seeds, 0
    trained = outer
    if config.has_choice:
        n_pairs = len(inner_pairs(n_groups))
        trained += n_pairs * len(candidates)
        untrained += n_pairs * sum(not each.is_for_training for each in candidates)
    return trained, untrained + outer


def seconds(activity: Activity, config: FitConfig) -> float | None:
    """Time that a fit takes on one core of this machine; None if the trainer is not full-FORCE.

    It is that of products of matrices of the networks' size, which are timed here, times what networks cost over them
    elsewhere: right within a factor of two.
    """
    if not isinstance(config.trainer, FullForce):
        return None
    trained, untrained = work(activity, config)
    n_steps, n_trials = len(network_clock(activity.time, config)), 2 * activity.n_trials
    step = PRODUCTS * _product(config.network.n_units, n_trials) + STEP
    return START + trained * config.trainer.n_passes * n_steps * step + (trained + untrained) * NETWORK


def sentence(activity: Activity, config: FitConfig) -> str:
    """The same in words, with the time that it takes if that is known."""
    (trained, untrained), time = work(activity, config), seconds(activity, config)
    said = f"A fit trains {trained} networks and runs {untrained} untrained ones"
    if time is None:
        return f"{said}."
    minutes = max(round(time / 60), 1)
    return f"{said}: about {minutes} minute{'s' * (minutes > 1)} of one core, shared by those that there are."


def _product(n_units: int, n_trials: int) -> float:
    """Seconds of one product of a network's weights and its rates; the median of several."""
    random = np.random.default_rng(0)
    weights, rates, times = random.normal(size=(n_units, n_units)), random.normal(size=(n_units, n_trials)), []
    for _ in range(50):
        began = time.perf_counter()
        np.matmul(weights, rates)
        times.append(time.perf_counter() - began)
    return float(np.median(times))
