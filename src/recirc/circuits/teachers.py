"""Teachers: circuits whose mechanism is known, driven by noise, and what is recorded of them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.stats
from jaxtyping import Complex, PRNGKeyArray

from recirc.circuits.base import numpy_generator, simulate
from recirc.circuits.rate_network import RateNetwork
from recirc.circuits.stability_optimization import stability_optimized
from recirc.circuits.updates import linear
from recirc.ranges import check_within
from recirc.types import Trials


class Teacher(NamedTuple):
    r"""A circuit and the eigenvalues of its J, by construction where they are known so.

    A mode with eigenvalue $\lambda$ of J has the time constant $\tau / (1 - \mathrm{Re} \lambda)$ around the origin,
    which is a fixed point of every teacher, and turns at $|\mathrm{Im} \lambda| / 2\pi\tau$ cycles per second. Those of
    strongly non-normal J cannot be computed: rounding moves the zeros of a chain of 500 units out to .9.

    Example:
        >>> teacher = recirc.circuits.teacher("line_attractor", n_units=20, key=jax.random.key(0))
        >>> teacher.network.n_units
        20
    """

    network: RateNetwork
    eigenvalues: Complex[np.ndarray, " unit"]


def teacher(
    kind: str,
    *,
    key: PRNGKeyArray,
    n_units: int = 500,
    time_constant: float = 0.1,
    nonlinearity: Callable = linear,
    n_inputs: int | None = None,
) -> Teacher:
    r"""A network with a known mechanism; every unit has an input of its own, or all share those of a task.

    | kind | J |
    |---|---|
    | random | Gaussian, gain .8 |
    | line_attractor | symmetric; eigenvalues .999 and evenly from .4 to -.4 |
    | low_rank_oscillation | rank 2, non-normal; eigenvalues .5 ± .5i |
    | low_rank_normal | rank 2, symmetric; eigenvalues .9 and .2 |
    | feedforward | Schur form of a Gaussian matrix of gain 2.8, without its diagonal blocks, in its own basis |
    | delay_line | a chain of weight 1, the first of which also sums all others with .5, in a random basis |
    | stability_optimized | weights of `stability_optimized` |

    Args:
        kind: name of the mechanism.
        key: random key.
        n_units: their number, 4 or more.
        time_constant: tau, seconds.
        nonlinearity: `linear` or `jnp.tanh`.
        n_inputs: of a task that is to drive it, with weights from N(0, 1 / n_inputs); None for an input per unit, as
            `noise_trials` gives.

    Raises:
        ValueError: if there is no such kind, too few units, or fewer than one input.

    Source: the teachers of Qian et al. 2024 (NeurIPS 37), from their code. There, too, .999 is an eigenvalue of J: its
    mode takes 1,000 tau, and its eigenvalue in one step of .01 tau is .99999. Departures: the real Schur form, so that
    J has no eigenvalue but 0; .9 for .999 in the low-rank normal one, which is else another line attractor; the last.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> made = recirc.circuits.teacher("line_attractor", n_units=20, key=jax.random.key(0))
        >>> float(made.eigenvalues.real.max())
        0.999
    """
    check_within("[4, inf)", n_units=n_units)
    check_within("[1, inf]", n_inputs=np.inf if n_inputs is None else n_inputs)
    if kind not in TEACHERS:
        raise ValueError(f"there is no teacher {kind!r}; choose from {', '.join(TEACHERS)}.")
    weights, eigenvalues = TEACHERS[kind](n_units, key)
    if eigenvalues is None:
        eigenvalues = np.linalg.eigvals(weights)
    inputs = jnp.eye(n_units)
    if n_inputs is not None:
        inputs = jax.random.normal(jax.random.fold_in(key, n_units), (n_units, n_inputs)) / np.sqrt(n_inputs)
    network = RateNetwork(
        recurrent=jnp.asarray(weights), input_weights=inputs, readout=jnp.zeros((0, n_units)),
        bias=jnp.zeros(n_units), start=jnp.zeros(n_units), time_constant=time_constant, nonlinearity=nonlinearity,
    )  # fmt: skip
    return Teacher(network, np.concatenate([eigenvalues, np.zeros(n_units - len(eigenvalues))]).astype(complex))


def noise_trials(
    n_units: int, *, n_steps: int, key: PRNGKeyArray, n_trials: int = 1, dt: float = 0.001, noise: float = 0.2
) -> Trials:
    """Trials without a task: white noise as the input of every unit, and no targets.

    Args:
        n_units, n_steps, n_trials: sizes.
        key: of the noise.
        dt: seconds per step.
        noise: s.d. of the noise current averaged over 1 ms, as in `RateNetwork`.

    Raises:
        ValueError: if there is nothing of something, or noise is negative.

    Example:
        >>> noise_trials(5, n_steps=100, key=jax.random.key(0)).inputs.shape
        (1, 100, 5)
    """
    check_within("[1, inf)", n_units=n_units, n_steps=n_steps, n_trials=n_trials)
    check_within("(0, inf)", dt=dt)
    check_within("[0, inf)", noise=noise)
    draws = jax.random.normal(key, (n_trials, n_steps, n_units)) * (noise * np.sqrt(0.001 / dt))
    return Trials(draws, draws[:, :, :0], dt=dt, conditions=[str(i) for i in range(n_trials)])


def recorded(
    network: RateNetwork, trials: Trials, units: Sequence[int], *, key: PRNGKeyArray, inputs_known: bool = False
) -> tuple[RateNetwork, Trials]:
    """What an experimenter has of a driven teacher: a student of the recorded units' number, and their rates as hints.

    Args:
        network, trials: the teacher, and what drives it.
        units: which ones are recorded, in order.
        key: for the teacher's private noise, if it has any.
        inputs_known: whether the student gets the recorded units' own inputs; if not, it has none.

    Returns:
        A network with zero J, otherwise the teacher cut down to those units, and trials for it.

    Raises:
        ValueError: if a unit is named twice, or is none of the network's.

    Example:
        >>> teacher = recirc.circuits.teacher("line_attractor", n_units=20, key=jax.random.key(0))
        >>> trials = recirc.circuits.noise_trials(20, n_steps=100, key=jax.random.key(1))
        >>> student, seen = recorded(teacher.network, trials, [0, 3, 5], key=jax.random.key(2))
        >>> student.n_units, seen.hints.shape
        (3, (1, 100, 3))
    """
    units = list(units)
    if len(set(units)) < len(units):
        twice = next(unit for unit in units if units.count(unit) > 1)
        raise ValueError(f"unit {twice} is recorded twice; name every unit once.")
    if beyond := [unit for unit in units if not 0 <= unit < network.n_units]:
        raise ValueError(f"unit {beyond[0]} is none of the network's, which are 0 to {network.n_units - 1}.")
    rates, index, n_units = simulate(network, trials, key=key).rates, np.array(units, int), len(units)
    channels = index if inputs_known else index[:0]
    student = dataclasses.replace(
        network, recurrent=jnp.zeros((n_units, n_units)), input_weights=network.input_weights[np.ix_(index, channels)],
        readout=network.readout[:, index], bias=network.bias[index], start=network.start[index], noise=None,
    )  # fmt: skip
    names = [str(unit) for unit in units]
    return student, trials.replace(inputs=trials.inputs[:, :, channels], hints=rates[:, :, index], hint_units=names)


def with_hidden(student: RateNetwork, n_hidden: int, *, key: PRNGKeyArray, gain: float = 0.8) -> RateNetwork:
    """A student with further units after its own: ready for trainers by gradient, which no J of zeros is.

    Args:
        student: gives everything that it has; hidden units have no inputs, bias or readout yet.
        n_hidden: their number, 0 or more.
        key: draws all of J, from N(0, g² / units).
        gain: g.

    Example:
        >>> student = recirc.circuits.RateNetwork.random(n_units=3, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> with_hidden(student, 2, key=jax.random.key(1)).n_units
        5
    """
    check_within("[0, inf)", n_hidden=n_hidden, gain=gain)
    n_units = student.n_units + n_hidden
    padded = {name: jnp.pad(getattr(student, name), [(0, n_hidden), (0, 0)][:n]) for name, n in
              {"input_weights": 2, "bias": 1, "start": 1}.items()}  # fmt: skip
    recurrent = gain / np.sqrt(n_units) * jax.random.normal(key, (n_units, n_units))
    readout = jnp.pad(student.readout, [(0, 0), (0, n_hidden)])
    return dataclasses.replace(student, recurrent=recurrent, readout=readout, **padded)


def _basis(n_units: int, random: np.random.Generator) -> np.ndarray:
    return scipy.stats.ortho_group.rvs(n_units, random_state=random)


def _random(n_units: int, key):
    return numpy_generator(key).normal(size=(n_units, n_units)) * 0.8 / np.sqrt(n_units), None


def _line_attractor(n_units: int, key):
    eigenvalues = np.append(0.999, np.linspace(0.4, -0.4, n_units - 1))
    basis = _basis(n_units, numpy_generator(key))
    return (basis * eigenvalues) @ basis.T, eigenvalues


def _low_rank_normal(n_units: int, key):
    eigenvalues = np.array([0.9, 0.2])
    basis = _basis(n_units, numpy_generator(key))[:, :2]
    return (basis * eigenvalues) @ basis.T, eigenvalues


def _low_rank_oscillation(n_units: int, key):
    random = numpy_generator(key)
    left, shift = random.normal(size=(n_units, 2)), random.normal(size=(2, n_units)) * 12 / np.sqrt(n_units)
    right = np.linalg.pinv(left)
    right = right + shift - (shift @ left) @ right  # the shift does not see `left`, so that eigenvalues stay
    return left @ (np.array([[0.5, -0.5], [0.5, 0.5]]) @ right), np.array([0.5 + 0.5j, 0.5 - 0.5j])


def _feedforward(n_units: int, key):
    gaussian = numpy_generator(key).normal(size=(n_units, n_units)) * 2.8 / np.sqrt(n_units)
    triangle, basis = scipy.linalg.schur(gaussian)[:2]
    pairs = np.flatnonzero(np.diag(triangle, -1))  # 2 by 2 blocks hold complex pairs
    triangle[pairs, pairs + 1] = 0
    return basis @ np.triu(triangle, 1) @ basis.T, np.zeros(n_units)


def _delay_line(n_units: int, key):
    chain = np.diag(np.ones(n_units - 1), 1)
    chain[0, 2:] = 0.5
    basis = _basis(n_units, numpy_generator(key))
    return basis @ chain @ basis.T, np.zeros(n_units)


def _stability_optimized(n_units: int, key):
    return np.asarray(stability_optimized(n_units=n_units, key=key).recurrent, float), None


TEACHERS = {
    "random": _random, "line_attractor": _line_attractor, "low_rank_oscillation": _low_rank_oscillation,
    "low_rank_normal": _low_rank_normal, "feedforward": _feedforward, "delay_line": _delay_line,
    "stability_optimized": _stability_optimized,
}  # fmt: skip
