"""Dynamical similarity analysis of driven activities: state and input matrices apart."""

import dataclasses
import warnings
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from recirc.compare.dsa import (
    angle_between,
    angles,
    check_settings,
    common_rank,
    delay_vectors,
    one_step,
    persistence_error,
)
from recirc.compare.samples import comparable, condition_groups
from recirc.scores import Score
from recirc.types import Activity, Trials


class InputDSA(eqx.Module):
    r"""Angles between the state matrices, and between the input matrices, of two activities whose inputs are known.

    $$v_{t+1} \approx A v_t + B u_{t+1} + c, \qquad
      d_A = \min_{C^\top C = I} \angle(A_1,\, C A_2 C^\top), \qquad d_B = \min_{C^\top C = I} \angle(B_1,\, C B_2)$$

    $\angle$ is the angle of two matrices as vectors; u is what drove the step, in the unit of the trials. `DSA` takes
    what inputs do for dynamics, so that one circuit under two inputs looks like two; here A and B are fitted together
    by ridge, and each is compared at its own best C, which for B has a closed form. At the one C that fits both,
    by Procrustes of $K = [B, AB, A^\top B, \ldots]$, the two angles are part `joint`: larger where the same
    dynamics are driven along other directions.

    The matrix A does not depend on the inputs where v holds the whole state: all units and one delay (the default), or
    delays where few units were recorded, then only as far as `rank` components of them hold it. So v are components
    of one common scale; whitened, as in `DSA`, the state matrix would change with what inputs make of the variance.
    Inputs that follow from the state (a go signal in every trial alike, say) cannot be told from it: A and B share
    what both explain. Look at `heldout_error`.

    Args:
        n_components, n_delays, interval, rank, penalty, n_starts: as of `DSA`; the penalty is in units of the mean
            variance of v, and of that of each input.

    Returns (when called with two activities and the trials behind each): metric `input_dsa`, d_A in rad, lower is
    better. Parts: `input_angle`, d_B; `flow_angle` as of `DSA`; `joint`, of A and of B; and for the first and the
    second activity `matrices` (A), `input_matrices` (B, v of variance 1 on average), `heldout_error`,
    `persistence_error` and `variance_kept` as of `DSA`.

    Raises:
        ValueError: as `DSA`; or, when called, if inputs do not fit the activity's trials and times, differ in number
            between the sides, or none changes on both sides. Inputs that do not are left out with a warning.

    Source: Huang et al. 2025 (arXiv 2510.25943). Departures: ridge on delay vectors in place of subspace
    identification; A compared by `best_orthogonal_map`, not at the C of K, which is kept as a part.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=50, key=jax.random.key(1))
        >>> a = recirc.simulate(network, trials, key=jax.random.key(2))
        >>> bool(recirc.compare.InputDSA(rank=6)(a, a, trials, trials).value < 1e-3)
        True
    """

    n_components: int = eqx.field(static=True, default=10)
    n_delays: int = eqx.field(static=True, default=1)
    interval: int = eqx.field(static=True, default=1)
    rank: int = eqx.field(static=True, default=10)
    penalty: float = eqx.field(static=True, default=1e-3)
    n_starts: int = eqx.field(static=True, default=32)
    metric: ClassVar[str] = "input_dsa"
    label: ClassVar[str] = "input-aware dynamical similarity (rad)"

    def __check_init__(self):
        check_settings(self)

    def __call__(self, a: Activity, b: Activity, inputs_a: Trials, inputs_b: Trials) -> Score:
        driven = [_inputs_of_steps(*side) for side in ((a, inputs_a, "first"), (b, inputs_b, "second"))]
        driven = _changing(*(u[:, (self.n_delays - 1) * self.interval :] for u in driven))
        sides = [delay_vectors(side.rates, self) for side in comparable(a, b)]
        rank, groups = common_rank([v for v, _ in sides], self.rank), list(condition_groups(a.conditions).values())
        states = [v[:, :, :rank] / np.sqrt(np.mean(v[:, :, :rank] ** 2)) for v, _ in sides]
        fits = [self._fit(v, u, groups) for v, u in zip(states, driven)]
        (first, into_first, _), (second, into_second, _) = fits
        value, flow_angle = angles(first, second, n_starts=self.n_starts)
        parts = {
            "input_angle": angle_between(into_first, _procrustes(into_first, into_second) @ into_second),
            "flow_angle": flow_angle,
            "joint": _joint_angles(first, into_first, second, into_second),
            "matrices": np.stack([first, second]),
            "input_matrices": np.stack([into_first, into_second]),
            "heldout_error": np.array([error for _, _, error in fits]),
            "persistence_error": np.array([persistence_error(v) for v in states]),
            "variance_kept": np.array([kept for _, kept in sides]),
        }
        parts = {name: np.asarray(part) for name, part in parts.items()}
        settings: dict[str, object] = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return Score(self.metric, value, "population", "lower", "rad", parts, settings | {"rank": rank})

    def _fit(self, states: np.ndarray, inputs: np.ndarray, groups) -> tuple[np.ndarray, np.ndarray, float]:
        """A, B and the error of left-out conditions."""
        scales, rank = inputs.std((0, 1)), states.shape[2]
        now = np.concatenate([states[:, :-1], inputs / scales], axis=2)
        following = states[:, 1:]
        now, following = (side - side.mean((0, 1)) for side in (now, following))
        both, error = one_step(now, following, groups, self.penalty)
        return both[:, :rank], both[:, rank:] / scales, error


def _inputs_of_steps(a: Activity, trials: Trials, name: str) -> Float[np.ndarray, "trial step input"]:
    """Mean input over every step from one sample of the activity to the next; both clocks begin with the trial."""
    every = round(a.dt / trials.dt)
    first, n_steps = round((a.start + a.dt) / trials.dt), a.rates.shape[1] - 1
    if a.conditions != trials.conditions:
        raise ValueError(
            f"the {name} activity has the conditions {a.conditions[:4]} and its trials {trials.conditions[:4]}; give "
            "the trials that drove it, in order."
        )
    if every < 1 or not np.isclose(every * trials.dt, a.dt, rtol=1e-6):
        raise ValueError(
            f"the {name} activity has steps of {a.dt} s, no multiple of the {trials.dt} s of its trials; resample one."
        )
    if first < 0 or first + every * n_steps > trials.n_steps:
        raise ValueError(
            f"the {name} activity runs from {a.start:g} to {a.time[-1]:g} s and its trials from 0 to "
            f"{trials.time[-1]:g} s; set `start` to the time in the trial."
        )
    inputs = np.asarray(trials.inputs, np.float64)[:, first : first + every * n_steps]
    return inputs.reshape(len(inputs), n_steps, every, -1).mean(axis=2)


def _changing(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """The inputs that change on both sides."""
    n = first.shape[2], second.shape[2]
    if n[0] != n[1]:
        raise ValueError(f"the first trials have {n[0]} inputs and the second {n[1]}; give the same inputs in order.")
    changes = np.all([np.ptp(u, axis=(0, 1)) > 0 for u in (first, second)], axis=0)
    if not changes.any():
        raise ValueError("no input changes on both sides; compare with DSA.")
    if not changes.all():
        silent = np.flatnonzero(~changes).tolist()
        warnings.warn(f"inputs {silent} do not change on both sides and are left out.", stacklevel=3)
    return [first[:, :, changes], second[:, :, changes]]


def _procrustes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The orthogonal C that makes C y most like x."""
    left, _, right = np.linalg.svd(x @ y.T)
    return left @ right


def _joint_angles(a: np.ndarray, into_a: np.ndarray, b: np.ndarray, into_b: np.ndarray) -> Float[np.ndarray, "2"]:
    """Of the state and of the input matrices at the C that aligns what inputs reach, by powers of A and of A'."""

    def reached(matrix: np.ndarray, into: np.ndarray) -> np.ndarray:
        blocks, forward, backward = [into], into, into
        for _ in range(len(matrix) - 1):
            forward, backward = matrix @ forward, matrix.T @ backward
            blocks += [forward, backward]
        return np.concatenate(blocks, axis=1)

    turn = _procrustes(reached(a, into_a), reached(b, into_b))
    return np.array([angle_between(a, turn @ b @ turn.T), angle_between(into_a, turn @ into_b)])
