"""What a trainer is, and the only training loop."""

import abc
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.types import Activity, Outcome, Trials, require_x64


class TrainingDiverged(ArithmeticError):
    """Raised by `fit(..., throw=True)` when a training diverges; its text is the fit's message."""


class State(eqx.Module):
    """A training between two passes.

    Args:
        network: the network with the weights learned so far.
        embedder: what the target-generating network did, if the trainer has one.
        learner: whatever else the trainer needs.
    """

    network: RateNetwork
    embedder: Activity | None
    learner: Any


class AbstractTrainer(eqx.Module):
    """A way to train; its fields are its configuration. `n_passes` is the number of passes over the trials."""

    n_passes: eqx.AbstractVar[int]

    @abc.abstractmethod
    def init(self, network: RateNetwork, trials: Trials, *, key: PRNGKeyArray) -> State:
        """State before the first pass.

        Raises:
            ValueError: if the network and the trials do not fit together.
        """

    @abc.abstractmethod
    def step(self, state: State, trials: Trials, *, key: PRNGKeyArray) -> tuple[State, dict[str, float]]:
        """State after one pass, and what to log; it must log `output_nmse`.

        A numerical failure is logged as `bad_trial` and `bad_step`, the first place where the network's output was not
        finite, and `fit` stops there.
        """


class Fit(eqx.Module):
    """What a training came to.

    Args:
        network: the trained network; after a divergence, the network of the last good pass.
        outcome: how it ended.
        message: the same as a sentence with numbers and advice.
        history: one entry per pass.
        embedder: activity of the target-generating network, if there was one; its similarity to the recorded circuit
            is the most that the trained network can be expected to reach.
        seconds: wall time.
    """

    network: RateNetwork
    outcome: Outcome = eqx.field(static=True)
    message: str = eqx.field(static=True)
    history: list[dict[str, float]] = eqx.field(static=True)
    embedder: Activity | None
    seconds: float = eqx.field(static=True)


def fit(
    trainer: AbstractTrainer,
    network: RateNetwork,
    trials: Trials,
    *,
    key: PRNGKeyArray,
    progress: Callable[[int, dict[str, float]], object] | None = None,
    throw: bool = False,
) -> Fit:
    """Train a network; the only training loop of the package.

    Args:
        trainer: the algorithm.
        network: where to start; it is not changed.
        trials: inputs, targets and, for trainers that use them, hints.
        key: for everything random.
        progress: called after every pass with its index and its log entry.
        throw: raise on divergence instead of returning it.

    Returns:
        The trained network with its history. A divergence is an outcome, not an error.

    Raises:
        RuntimeError: if 64-bit floats are off.
        ValueError: if the network and the trials do not fit together, a weight has the wrong shape or is not finite,
            or the targets are zero everywhere (then no relative error exists).
        TrainingDiverged: on divergence, if `throw`.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=50, key=jax.random.key(1))
        >>> fit = recirc.fit(recirc.train.FullForce(n_passes=2), network, trials, key=jax.random.key(2))
        >>> len(fit.history)
        2
    """
    require_x64("training")
    check_weights(network)
    check_sizes(network, trials)
    network, trials = _in_double((network, trials))
    began = time.perf_counter()
    init_key, pass_key = jax.random.split(key)
    state = trainer.init(network, trials, key=init_key)
    history: list[dict[str, float]] = []
    outcome, message = Outcome.FINISHED, ""
    for index in range(trainer.n_passes):
        after, entry = trainer.step(state, trials, key=jax.random.fold_in(pass_key, index))
        history.append({"pass": index, **entry})
        if progress is not None:
            progress(index, history[-1])
        if "bad_trial" in entry:
            outcome, message = Outcome.DIVERGED, _divergence(trainer, entry, index)
            break
        state = after
    if throw and outcome is Outcome.DIVERGED:
        raise TrainingDiverged(message)
    if not message:
        message = (
            f"{outcome.value}; output nMSE {history[-1]['output_nmse']:.2g} in the last of {len(history)}."
        )
    return Fit(state.network, outcome, message, history, state.embedder, time.perf_counter() - began)


def _divergence(trainer: AbstractTrainer, entry: dict[str, float], index: int) -> str:
    return (
        f"{type(trainer).__name__} diverged in pass {index}, trial {int(entry['bad_trial'])}, "
        f"step {int(entry['bad_step'])}: an output or a weight was no longer finite. The network of the pass "
        "before is kept. Try a larger penalty, weaker drive or hints, or a longer update interval."
    )


def _in_double(tree):
    """Arrays made before 64-bit floats were switched on would make recursive least squares stall in silence."""
    return jax.tree.map(lambda a: a.astype(float) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree)


def check_weights(network: RateNetwork) -> None:
    """Raise ValueError, naming the entry, unless every weight has its shape and is finite."""
    n, n_inputs, n_outputs = network.n_units, network.input_weights.shape[-1], network.readout.shape[0]
    shapes = {"recurrent": (n, n), "input_weights": (n, n_inputs), "readout": (n_outputs, n), "bias": (n,)}
    shapes |= {"start": (n,), "feedback": (n, n_outputs), "connections": (n, n)}
    for name, shape in shapes.items():
        value = getattr(network, name)
        if value is None:
            continue
        if value.shape != shape:
            raise ValueError(f"the network's {name} has shape {value.shape}; {n} units need {shape}.")
        bad = np.argwhere(~np.isfinite(value))
        if len(bad):
            raise ValueError(
                f"the network's {name} has {len(bad)} entries that are not finite, the first at "
                f"{tuple(bad[0].tolist())}; load or draw the network again."
            )


def check_sizes(network: RateNetwork, trials: Trials) -> None:
    """Raise ValueError unless the network's channels and clock fit the trials."""
    for name, has, needs in (
        ("inputs", network.input_weights.shape[1], trials.inputs.shape[2]),
        ("outputs", network.readout.shape[0], trials.targets.shape[2]),
    ):
        if has != needs:
            raise ValueError(
                f"the network has {has} {name} but the trials have {needs}; build the network with n_{name}={needs}."
            )
    if not trials.dt < network.time_constant / 2:
        raise ValueError(
            f"dt is {trials.dt} s, which is not below half the network's time constant ({network.time_constant} s); "
            "resample the trials or use a slower network."
        )
    if not np.any(np.asarray(trials.targets) * np.asarray(trials.mask)[:, :, None]):
        raise ValueError(
            "the targets are zero wherever the mask counts, so there is nothing to learn; give targets."
        )
