"""What the numbers of the delayed reach study say: its five claims, judged."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.compare import bootstrap_interval, paired_test
from recirc.runs import Claim, Row
from recirc.studies.kao2019 import NOISES, SOURCE, Preset
from recirc.studies.levels import Levels, judge_network, value_of

ENOUGH = 10  # seeds from which on a claim that is not supported counts as failed
ENOUGH_SEEDS = 5  # seeds from which on a claim is judged at all
SUCCEEDS = 0.9  # R² from which on a test without training counts as passed
SHARE = 0.9  # of networks that must do the task
MATCHED = 1.5  # largest ratio of the errors without noise of two networks that are compared under noise
WORST_R2, WORST_ERROR = -1.0, 100.0  # what a network that blew up in a test counts as
IC, INPUT = "initial-condition driven", "input driven"

Network = tuple[str, str, float, int]  # arm, target line, rate penalty, seed


def by_network(rows: Sequence[Row]) -> dict[Network, list[Row]]:
    """Rows of every trained network."""
    found: dict[Network, list[Row]] = {}
    for row in rows:
        c = row.condition
        if "seed" in c and not row.arm.startswith("untrained"):
            found.setdefault((row.arm, c["target_line"], c["rate_penalty"], c["seed"]), []).append(row)
    return found


def judge_all(rows: Sequence[Row], reference: Sequence[Row], mechanism: str | None) -> dict[Network, Levels]:
    """Every network on every level."""
    intervals = {row.metric: row.ci for row in reference if row.arm == "reference" and np.isfinite(row.ci).all()}
    return {name: judge_network(own, intervals, mechanism) for name, own in by_network(rows).items()}


def claims(rows: Sequence[Row], levels: Mapping[Network, Levels], preset: Preset, *, key: PRNGKeyArray) -> list[Claim]:
    """The paper's claims, in its order.

    Args:
        rows: one per network and number.
        levels: `judge_all` of them.
        preset: how many networks there were.
        key: of the bootstrap.
    """
    networks, keys = by_network(rows), jax.random.split(key, 4)
    return [
        _performance_claim(levels),
        _units_claim(levels, preset),
        _mechanisms_claim(levels, preset),
        _noise_claim(networks, levels, keys[0]),
        _transfer_claim(networks, levels, "the target jumps in the delay", keys[1], set="target_switch", time_s=-0.25),
        _transfer_claim(
            networks,
            levels,
            "the target jumps at the go cue, shown from then on although it was never shown after go in training",
            keys[2],
            set="target_switch",
            time_s=0.0,
        ),
        _transfer_claim(networks, levels, "targets lie between the trained ones", keys[3], set="heldout_direction"),
    ]


def _performance_claim(levels: Mapping[Network, Levels]) -> Claim:
    text = (
        "Networks of either nonlinearity and every rate penalty learn the delayed reach (share of networks with R² of "
        "velocity and position of .95 or more)"
    )
    done, n = sum(each.performs for each in levels.values()), len(levels)
    if not n:
        return Claim(text, SOURCE, None)
    return Claim(text, SOURCE, done / n >= SHARE, done / n, n=n)  # networks of a seed are no independent draws


def _cells(levels: Mapping[Network, Levels]) -> dict[tuple, list[Levels]]:
    cells: dict[tuple, list[Levels]] = {}
    for (*cell, _), each in levels.items():
        cells.setdefault(tuple(cell), []).append(each)
    return cells


def _most(cell: Sequence[Levels], test) -> bool:
    return sum(bool(test(each)) for each in cell) > len(cell) / 2


def _units_claim(levels: Mapping[Network, Levels], preset: Preset) -> Claim:
    text = (
        "Networks that do the task and whose single units look like the reference's may still miss its population "
        "features (share of those networks that do)"
    )

    def is_like(each: Levels) -> bool:
        return each.performs and bool(each.units)

    like = [each for each in levels.values() if is_like(each)]
    missing = [each for each in like if each.population is False]
    some = any(_most(cell, lambda e: is_like(e) and e.population is False) for cell in _cells(levels).values())
    return Claim(
        text,
        SOURCE,
        some if like and preset.n_seeds >= ENOUGH_SEEDS else None,
        len(missing) / len(like) if like else float("nan"),
        n=len(like),
    )


def _mechanisms_claim(levels: Mapping[Network, Levels], preset: Preset) -> Claim:
    text = (
        "Networks that match both units and population work by different mechanisms (number of mechanisms among cells "
        "most of whose networks do the task and match both; with the target off at go a network can only use its state)"
    )

    def matches(each: Levels) -> bool:
        return each.performs and bool(each.units and each.population)

    matching = [cell for cell in _cells(levels).values() if _most(cell, matches)]
    verdicts = {each.verdict for each in levels.values()} - {"undetermined"}
    kinds = {v for v in verdicts for cell in matching if _most(cell, lambda e, v=v: e.verdict == v)}
    supported = len(kinds) > 1 if matching and preset.n_seeds >= ENOUGH_SEEDS else None
    return Claim(text, SOURCE, supported, float(len(kinds)), n=sum(map(len, matching)))


def _noise_claim(networks: Mapping, levels: Mapping[Network, Levels], key) -> Claim:
    text = (
        "Networks driven by their initial condition withstand input noise better (error of the input driven network "
        "over that of its pair, geometric mean over noise levels, median per seed; pairs share nonlinearity, penalty "
        f"and seed, both do the task, and without noise neither error is over {MATCHED:g} times the other)"
    )
    differences: dict[int, list[float]] = {}
    for (arm, line, penalty, seed), own in levels.items():
        other = (arm, "off_at_go", penalty, seed)
        if line != "on" or other not in levels or not (own.performs and levels[other].performs):
            continue
        pair = [networks[name] for name in ((arm, line, penalty, seed), other)]
        before = [value_of(rows, "output_nmse", set="train") for rows in pair]
        if (own.verdict, levels[other].verdict) == (INPUT, IC) and max(before) <= MATCHED * min(before):
            differences.setdefault(seed, []).append(_noise_error(pair[0]) - _noise_error(pair[1]))
    if not differences:
        return Claim(text, SOURCE, None)
    values = _by_seed(differences)
    test, effect = paired_test(values, np.zeros(len(values)), "greater"), float(np.exp(np.median(values)))
    low, high = np.exp(bootstrap_interval(values, key=key))
    supported = None
    if test.p < 0.05 and effect > 1:
        supported = True
    elif len(values) >= ENOUGH_SEEDS and (high < 1 or len(values) >= ENOUGH):
        supported = False
    return Claim(text, SOURCE, supported, effect, (float(low), float(high)), test.p, len(values))


def _by_seed(found: Mapping[int, Sequence[float]]) -> np.ndarray:
    """Median of every seed: its networks share their random numbers, and so are one draw."""
    return np.array([np.median(values) for values in found.values()])


def _noise_error(rows: Sequence[Row]) -> float:
    errors = [value_of(rows, "output_nmse", set="input_noise", sigma=sigma) for sigma in NOISES]
    return float(np.mean(np.log(np.minimum(errors, WORST_ERROR))))


def _transfer_claim(networks: Mapping, levels: Mapping[Network, Levels], what: str, key, **condition) -> Claim:
    text = (
        f"Networks driven by their initial condition reach without further training when {what} (R², median per seed)"
    )
    found: dict[int, list[float]] = {}
    for name, each in levels.items():
        value = value_of(networks[name], "output_r2", **condition)
        if each.performs and each.verdict == IC and not np.isnan(value):
            found.setdefault(name[-1], []).append(max(value, WORST_R2))
    if not found:
        return Claim(text, SOURCE, None)
    values = _by_seed(found)
    low, high = bootstrap_interval(values, key=key)
    supported = None
    if len(values) >= ENOUGH_SEEDS and np.isfinite(low):
        supported = True if low >= SUCCEEDS else False if high < SUCCEEDS or len(values) >= ENOUGH else None
    return Claim(text, SOURCE, supported, float(np.median(values)), (low, high), n=len(values))
