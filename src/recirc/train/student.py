"""What students share: trainers whose units are the recorded ones, fitted to how rates follow one another."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Array, Float

from recirc.circuits import RateNetwork, Restarted, linear, simulate
from recirc.ranges import check_within
from recirc.train.base import AbstractTrainer, State
from recirc.types import Trials

LEARNABLE = ("input_weights", "bias", "readout")  # besides J, which always learns
BLOCK = 8192  # one-step pairs that are held at a time
FAR = 1e3  # a free run this many times larger than any recorded rate has diverged


class AbstractStudent(AbstractTrainer):
    r"""A trainer that makes unit i of the network do what recorded unit i, hint i, did.

    Recorded rates give states, $x = f^{-1}(r)$, and these what the leak left to be made in every step of the network,

    $$a_t = \frac{x_t - (1 - \epsilon) x_{t-1}}{\epsilon} = J r_{t-1} + U u_t + b, \qquad
      \epsilon = 1 - e^{-dt/\tau} .$$

    What `learns` does not name is taken from the network. A readout of the targets is fitted to the recorded rates by
    ridge. Every pass logs `one_step_r2`, of a; and, of a run by itself without noise from each trial's first recorded
    state, for at most `free_run` steps, `free_run_r2` of the rates and `output_nmse` (nan without targets). If rates
    then come to a thousand times the largest recorded, the fit has diverged.

    `init` raises a ValueError if there is not one hint per unit, two are the same, the network has feedback, f is
    neither tanh nor linear, rates are beyond what tanh can make, there are more weights per unit than one-step pairs,
    or the student cannot keep a constraint that the network has.

    Example:
        >>> recirc.train.Cornn.one_to_one and issubclass(recirc.train.Cornn, AbstractStudent)
        True
    """

    uses_hints = True
    one_to_one = True
    is_random = False
    mend: ClassVar[str] = "Try a larger penalty, a longer recording, or fewer units."
    keeps: ClassVar[tuple[str, ...]] = ()  # of "connections" and "signs"
    hides: ClassVar[bool] = False  # whether there may be further, hidden units, after the recorded ones
    penalty: eqx.AbstractVar[float]
    learns: eqx.AbstractVar[tuple[str, ...]]
    free_run: eqx.AbstractVar[int]

    def __check_init__(self):
        check_within("[1, inf)", n_passes=self.n_passes, free_run=self.free_run)
        check_within("[0, inf)", penalty=self.penalty)
        if unknown := sorted(set(self.learns) - set(LEARNABLE)):
            raise ValueError(f"learns names {', '.join(unknown)}; choose from {', '.join(LEARNABLE)}.")

    def sums(self, network: RateNetwork, trials: Trials) -> "Sums":
        """Checks, and what least squares needs of the recording."""
        self.check(network, trials)
        return sums_of(network, trials, self.learns)

    def check(self, network: RateNetwork, trials: Trials) -> None:
        """Raise ValueError unless the trials can be this student's, as the class says."""
        name = type(self).__name__
        check_recorded(name, network, trials, self.learns, hides=self.hides)
        for field, what in {"connections": "a sparse J", "signs": "Dale's law"}.items():
            if getattr(network, field) is not None and field not in self.keeps:
                raise ValueError(f"{name} cannot keep {what}; use OneStepRidge, or a network without {field}.")

    def finished(self, network: RateNetwork, trials: Trials, one_step_r2: float, learner) -> tuple[State, dict]:
        """The state after a pass, and what to log of it."""
        entry = {"one_step_r2": one_step_r2} | run_freely(network, trials, self.free_run)
        return State(network, None, learner), entry


def check_recorded(name: str, network: RateNetwork, trials: Trials, learns, *, hides: bool = False) -> None:
    """Raise ValueError unless hints can be the rates of the network's units, and determine its weights.

    Where `hides`, there may be more units, which are not recorded.
    """
    if trials.hints is None:
        raise ValueError(f"{name} fits recorded rates and the trials have no hints; give trials with hints.")
    hints, n_units = np.asarray(trials.hints), network.n_units
    if (n_hints := hints.shape[2]) != n_units and not (hides and n_hints < n_units):
        mend = f"build the network with n_units={n_hints}{' or more' if hides else ''}"
        raise ValueError(f"{name}'s units are the recorded ones: {n_units} units, {n_hints} hints; {mend}.")
    sums = hints.sum(axis=(0, 1))
    order = np.argsort(sums, kind="stable")
    for i, j in itertools.pairwise(order):
        if sums[i] == sums[j] and np.array_equal(hints[:, :, i], hints[:, :, j]):
            names = trials.hint_units or range(n_hints)
            found = f"hints {names[min(i, j)]} and {names[max(i, j)]} are the same"
            raise ValueError(f"{found} (a unit recorded twice, or silent ones?); drop one.")
    if network.feedback is not None:
        raise ValueError(f"{name} fits networks without output feedback; set the network's feedback to None.")
    if network.nonlinearity is not linear and network.nonlinearity is not jnp.tanh:
        raise ValueError(f"{name} needs states for recorded rates; use a network with f = tanh or linear.")
    if network.nonlinearity is jnp.tanh and (largest := float(max(hints.max(), -hints.min()))) >= 1:
        mend = f"scale all by {0.9 / largest:.2g} or less, or use a linear network"
        raise ValueError(f"hints reach {largest:.3g}, and rates of tanh units stay within 1; {mend}.")
    mask = np.asarray(trials.mask) > 0
    n_pairs = int((mask[:, 1:] & mask[:, :-1]).sum())
    n_weights = n_units + ("input_weights" in learns) * trials.inputs.shape[2] + ("bias" in learns)
    if n_weights > n_pairs:
        found = f"{n_weights} weights per unit (of {n_units} units) from {n_pairs} pairs of successive samples"
        raise ValueError(f"{found} have no single best value; give more samples, or fewer units.")


def states_of(network: RateNetwork, rates: np.ndarray) -> np.ndarray:
    """States that have these rates, $f^{-1}(r)$."""
    return rates if network.nonlinearity is linear else np.arctanh(rates)


def first_states(network: RateNetwork, trials: Trials) -> Float[Array, "unit trial"]:
    """Where every trial starts: recorded units as they were first recorded, hidden ones as the network's do."""
    recorded = states_of(network, np.asarray(trials.hints)[:, 0]).T
    hidden = np.tile(np.asarray(network.start)[len(recorded) :, None], (1, trials.n_trials))
    return jnp.asarray(np.concatenate([recorded, hidden]))


@functools.partial(jax.jit, static_argnums=2)
def _currents(rates, kept, is_linear):
    """What the leak, which keeps so much of a state, left to be made in every step: one loop over all of it."""
    states = rates if is_linear else jnp.arctanh(rates)
    return (states[1:] - kept * states[:-1]) / (1 - kept)


class Block(NamedTuple):
    """Pairs of successive samples: what they regress on (rates, learned inputs, a one), a, and targets beside rates."""

    regressors: np.ndarray
    currents: np.ndarray
    targets: np.ndarray


def blocks(network: RateNetwork, trials: Trials, learns: tuple[str, ...]) -> Iterator[Block]:
    """All pairs that count, in blocks, so that nothing but the recording is ever whole in memory."""
    kept = float(np.exp(-trials.dt / network.time_constant))
    hints, inputs, targets = (np.asarray(a) for a in (trials.hints, trials.inputs, trials.targets))
    mask = np.asarray(trials.mask) > 0
    bias, input_weights = np.asarray(network.bias), np.asarray(network.input_weights)
    for trial in range(trials.n_trials):
        for first in range(1, trials.n_steps, BLOCK):
            here = slice(first, min(first + BLOCK, trials.n_steps))
            before = slice(first - 1, here.stop - 1)
            rates = hints[trial, before.start : here.stop]
            currents = np.asarray(_currents(rates, kept, network.nonlinearity is linear))
            parts = [hints[trial, before]]
            if "input_weights" in learns:
                parts.append(inputs[trial, here])
            else:
                currents = currents - inputs[trial, here] @ input_weights.T
            if "bias" in learns:
                parts.append(np.ones((len(currents), 1), currents.dtype))
            else:
                currents = currents - bias
            regressors = parts[0] if sum(part.shape[1] for part in parts[1:]) == 0 else np.concatenate(parts, axis=1)
            counts = mask[trial, here] & mask[trial, before]
            block = Block(regressors, currents, targets[trial, before])
            yield block if counts.all() else Block(*(part[counts] for part in block))


class Sums(NamedTuple):
    """Sums over all pairs: products of regressors, of currents and of targets with them, and squared currents."""

    gram: np.ndarray  # (regressor, regressor)
    cross: np.ndarray  # (unit, regressor)
    readout: np.ndarray  # (output, unit)
    squares: np.ndarray  # (unit,)
    totals: np.ndarray  # (unit,), of the currents themselves
    n_pairs: int


def sums_of(network: RateNetwork, trials: Trials, learns: tuple[str, ...], transform=lambda currents: currents) -> Sums:
    """The sums, of currents as `transform` changes them."""

    def sums(block: Block) -> Sums:
        regressors, wanted = block.regressors, transform(block.currents)
        readout = block.targets.T @ regressors[:, : network.n_units]
        products = (regressors.T @ regressors, wanted.T @ regressors, readout)
        return Sums(*products, np.sum(wanted**2, axis=0, dtype=float), np.sum(wanted, axis=0, dtype=float), len(wanted))

    return added(map(sums, blocks(network, trials, learns)))


def added(parts: Iterable[Sums]) -> Sums:
    """Sums over all parts, one of which is held at a time."""
    total = None
    for part in parts:
        if total is None:
            total = copy.deepcopy(part)
            continue
        for old, new in zip(total[:-1], part[:-1]):
            old += new
        total = total._replace(n_pairs=total.n_pairs + part.n_pairs)
    return total  # pyright: ignore[reportReturnType]


def strength(sums: Sums, n_units: int, penalty: float) -> float:
    """The penalty on squared weights: `penalty` times the summed squared rates per unit."""
    return penalty * float(np.trace(sums.gram[:n_units, :n_units])) / n_units


def penalized(sums: Sums, n_units: int, penalty: float) -> np.ndarray:
    """The matrix of the normal equations."""
    gram = sums.gram.copy()
    gram[np.diag_indices(len(gram))] += strength(sums, n_units, penalty)
    return gram


def factor(matrix: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor; a ValueError where regressors depend on one another."""
    try:
        return scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        found = "recorded rates or inputs are linear combinations of one another, so that many weights do as well"
        raise ValueError(f"{found}; give a larger penalty, or leave some out.") from None


def solved(matrix: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Rows w with w M = answers."""
    return scipy.linalg.cho_solve((factor(matrix), True), answers.T, check_finite=False).T


def constrained_rows(matrix: np.ndarray, cross: np.ndarray, network: RateNetwork) -> np.ndarray:
    """Rows of least squares under the network's `connections` and `signs`, exactly."""
    n_units, weights = network.n_units, np.zeros_like(cross)
    present = np.ones(cross.shape, bool)
    if network.connections is not None:
        present[:, :n_units] = np.asarray(network.connections)
    if network.signs is not None:
        signs = np.concatenate([np.asarray(network.signs), np.zeros(cross.shape[1] - n_units)])
        low, high = np.where(signs > 0, 0, -np.inf), np.where(signs < 0, 0, np.inf)
    for unit, there in enumerate(present):
        columns = np.flatnonzero(there)
        lower = factor(matrix[np.ix_(columns, columns)])
        right = scipy.linalg.solve_triangular(lower, cross[unit, columns], lower=True)
        if network.signs is None:
            weights[unit, columns] = scipy.linalg.solve_triangular(lower.T, right)
        else:
            bounds = low[columns], high[columns]  # pyright: ignore[reportPossiblyUnboundVariable]
            best = scipy.optimize.lsq_linear(lower.T, right, bounds, method="bvls").x
            weights[unit, columns] = np.clip(best, *bounds)  # it steps over them by rounding
    return weights


def with_weights(network: RateNetwork, weights: np.ndarray, readout: np.ndarray | None, learns) -> RateNetwork:
    """The network with J, and whatever else learned, from rows of weights."""
    n_units, changes = network.n_units, {"recurrent": weights[:, : network.n_units]}
    if "input_weights" in learns:
        changes["input_weights"] = weights[:, n_units : n_units + network.input_weights.shape[1]]
    if "bias" in learns:
        changes["bias"] = weights[:, -1]
    if readout is not None and "readout" in learns:
        changes["readout"] = readout
    dtype = network.recurrent.dtype
    return dataclasses.replace(network, **{name: jnp.asarray(value, dtype) for name, value in changes.items()})


def one_step_r2(sums: Sums, weights: np.ndarray) -> float:
    """R² of a over all pairs and units, from the sums."""
    explained = 2 * np.sum(weights * sums.cross, dtype=float) - np.sum((weights @ sums.gram) * weights, dtype=float)
    spread = np.sum(sums.squares - sums.totals**2 / sums.n_pairs)
    return float(1 - max(np.sum(sums.squares) - explained, 0.0) / spread)


def run_freely(network: RateNetwork, trials: Trials, n_steps: int) -> dict[str, float]:
    """`free_run_r2` and `output_nmse` of a run by itself, and where it diverged, if it did."""
    hints = np.asarray(trials.hints)[:, : n_steps + 1]
    later, n_hints = slice(1, hints.shape[1]), hints.shape[2]
    start = first_states(network, trials)
    targets, mask = np.asarray(trials.targets)[:, later], np.asarray(trials.mask)[:, later, None]
    rest = Trials(trials.inputs[:, later], targets, dt=trials.dt, conditions=trials.conditions)
    quiet = Restarted(dataclasses.replace(network, noise=None), start)
    made = simulate(quiet, rest, key=jax.random.key(0))  # the key is for noise, and there is none
    rates, outputs = np.asarray(made.rates), np.asarray(made.outputs)
    wild, hints = ~(np.abs(rates) <= FAR * np.abs(hints).max()).all(axis=2), hints[:, 1:]
    rates = rates[:, :, :n_hints]
    with np.errstate(all="ignore"):
        mean = np.sum(mask * hints, (0, 1)) / mask.sum()
        spread = np.sum(mask * (hints - mean) ** 2, dtype=float)
        entry = {"free_run_r2": float(1 - np.sum(mask * (rates - hints) ** 2, dtype=float) / spread)}
        asked = np.sum(mask * targets**2, dtype=float)
        entry["output_nmse"] = float(np.sum(mask * (outputs - targets) ** 2, dtype=float) / asked) if asked else np.nan
    if wild.any():
        step, trial = np.argwhere(wild.T)[0]
        entry |= {"bad_step": int(step) + 1, "bad_trial": int(trial)}
    return entry
