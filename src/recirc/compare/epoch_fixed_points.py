"""Fixed points of every epoch of a task, and what they come to: how many, and how slow."""

import abc
from collections.abc import Mapping

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.circuits.base import numpy_generator
from recirc.compare.base import AbstractProbe
from recirc.compare.fixed_points import FixedPoints, gather, search_ends
from recirc.compare.states import epoch_steps, states_along
from recirc.types import Score, Trials


def fixed_points_in_epoch(
    circuit: AbstractCircuit, trials: Trials, epoch: str, *, key: PRNGKeyArray, n_starts: int = 10, jitter: float = 0.3
) -> dict[str, FixedPoints]:
    """Fixed points under the input of each condition, held as it is in the middle of an epoch.

    Searches start from states that the circuit passes through in the epoch, without noise, and from a
    jittered copy of each. Conditions with equal inputs share all their starts, and so one result.

    Args:
        circuit: whose fixed points are sought.
        trials: conditions, inputs and epochs; trials in which the epoch is empty are left out.
        epoch: its name.
        key: for the jitter.
        n_starts: states per condition, equally spaced over its trials and times.
        jitter: s.d. of the Gaussian noise in a copy, as a share of the root-mean-square s.d. of a unit over
            all states of the epoch.

    Returns:
        One result per condition, in the order of the trials. Their number is a lower bound: more starts may find more.

    Raises:
        RuntimeError: if 64-bit floats are off.
        ValueError: if there is no such epoch, it is empty in every trial, `n_starts` is not positive, or the
            circuit blows up.

    Example:
        >>> trials = recirc.tasks.DelayedReach(hold=0.1, delay=0.2).trials(2, key=jax.random.key(0))
        >>> size = {"n_units": 5, "n_inputs": 3, "n_outputs": 4, "gain": 0.5}
        >>> network = recirc.circuits.RateNetwork.random(**size, key=jax.random.key(1))
        >>> found = fixed_points_in_epoch(network, trials, "delay", key=jax.random.key(2), n_starts=2)
        >>> {label: len(each.points) for label, each in found.items()}
        {'0': 1, '45': 1}
    """
    if n_starts < 1:
        raise ValueError(f"n_starts must be positive, got {n_starts}.")
    inputs, visited = _starts(circuit, trials, epoch, n_starts)
    held = np.repeat(np.stack(list(inputs.values())), 2 * n_starts, axis=0)
    if not np.isfinite(visited).all():
        raise ValueError(f"the circuit's states in epoch {epoch!r} are not finite; leave it out.")
    scale = jitter * np.sqrt(visited.reshape(-1, visited.shape[2]).var(axis=0).mean())
    noise = scale * numpy_generator(key).standard_normal(visited.shape)
    states = np.concatenate([visited, visited + noise], axis=1).reshape(-1, visited.shape[2])
    ends = search_ends(circuit, held, states)
    found: dict[bytes, FixedPoints] = {}
    for row in inputs.values():
        shared = (held == row[None, :]).all(axis=1)
        if row.tobytes() not in found:
            found[row.tobytes()] = gather(circuit, row, states[shared], ends[:, shared])
    return {condition: found[row.tobytes()] for condition, row in inputs.items()}


def _starts(circuit, trials: Trials, epoch: str, n_starts: int) -> tuple[dict, np.ndarray]:
    """The held input of each condition, and states that it visits, `(condition, start, unit)`."""
    all_states, all_inputs = states_along(circuit, trials), np.asarray(trials.inputs, np.float64)
    inputs, visited = {}, {}
    for i, (first, last) in zip(*epoch_steps(trials, epoch)):
        condition = trials.conditions[i]
        inputs.setdefault(condition, all_inputs[i, (first + last) // 2] + 0.0)  # no -0.0
        visited.setdefault(condition, []).append(all_states[i, first:last])
    runs = map(np.concatenate, visited.values())
    return inputs, np.stack([run[np.round(np.linspace(0, len(run) - 1, n_starts)).astype(int)] for run in runs])


class AbstractFixedPointProbe(AbstractProbe):
    """A number drawn from the fixed points of an epoch.

    Args:
        epoch: its name.
        n_starts, jitter: as in `fixed_points_in_epoch`.

    Returns (when called): settings `{"set": "fixed_points", "epoch": epoch}`; parts `condition` and
    `per_condition`. `of` draws the number from fixed points that were found before.
    """

    epoch: str = eqx.field(static=True, default="movement")
    n_starts: int = eqx.field(static=True, default=10)
    jitter: float = eqx.field(static=True, default=0.3)

    @abc.abstractmethod
    def of(self, found: Mapping[str, FixedPoints]) -> Score:
        """The score of fixed points by condition."""

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        how = {"n_starts": self.n_starts, "jitter": self.jitter}
        return self.of(fixed_points_in_epoch(circuit, trials, self.epoch, key=key, **how))

    def _score(self, metric: str, found: Mapping[str, FixedPoints], values, unit="1", **parts) -> Score:
        values = np.asarray(values, float)
        there = values[np.isfinite(values)]
        settings: dict[str, object] = {"set": "fixed_points", "epoch": self.epoch}
        if not len(there):
            settings["outcome"] = "no stable fixed point was found in any condition"
        value = float(there.mean()) if len(there) else np.nan
        parts = {"per_condition": values, "condition": np.array(list(found))} | parts
        return Score(metric, value, "mechanism", "lower", unit, parts=parts, settings=settings)


class FixedPointCount(AbstractFixedPointProbe):
    """Number of fixed points under the input of an epoch, the mean over conditions.

    Neither more nor fewer is better: the number is there to be compared with that of another circuit.

    Returns (when called): metric `n_fixed_points`; further parts `stable` and `slow`, the numbers of stable
    fixed points and of slow points per condition.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(4, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(
        ...     n_units=10, n_inputs=3, gain=0.5, key=jax.random.key(1)
        ... )
        >>> recirc.compare.FixedPointCount("delay", n_starts=2)(network, trials, key=jax.random.key(2)).value
        1.0
    """

    def of(self, found: Mapping[str, FixedPoints]) -> Score:
        counts = [len(each.points) for each in found.values()]
        stable = np.array([int(each.stable.sum()) for each in found.values()])
        slow = np.array([len(each.slow_points) for each in found.values()])
        return self._score("n_fixed_points", found, counts, stable=stable, slow=slow)


class SlowestMode(AbstractFixedPointProbe):
    """Longest time constant at a stable fixed point under the input of an epoch, the mean over conditions.

    Neither slow nor fast is better: the number is there to be compared with that of another circuit.

    Returns (when called): metric `slowest_mode_s`, seconds; conditions without a stable fixed point are nan in
    `per_condition` and not in the mean. If there is none at all the value is nan and the settings have an "outcome".

    Example:
        >>> trials = recirc.tasks.DelayedReach(hold=0.1, delay=0.2).trials(2, key=jax.random.key(0))
        >>> size = {"n_units": 5, "n_inputs": 3, "n_outputs": 4, "gain": 0.5}
        >>> network = recirc.circuits.RateNetwork.random(**size, key=jax.random.key(1))
        >>> SlowestMode(n_starts=2)(network, trials, key=jax.random.key(2)).unit
        's'
    """

    def of(self, found: Mapping[str, FixedPoints]) -> Score:
        slowest = [each.slowest_mode_s[each.stable].max(initial=-np.inf) for each in found.values()]
        return self._score("slowest_mode_s", found, np.where(np.isfinite(slowest), slowest, np.nan), "s")
