"""What a trainer is, the only training loop, and its state in a file, so that an interrupted one can go on."""

import abc
import dataclasses
import hashlib
import io
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.circuits.base import check_shapes
from recirc.notebook import fields_table
from recirc.storage import read_arrays, write_arrays
from recirc.train.checkpoint_folder import EVERY, Pace, checkpoint_folder
from recirc.types import Activity, Outcome, Trials, require_x64


class TrainingDiverged(ArithmeticError):
    """Raised by `fit(..., throw=True)` when a training diverges; its text is the fit's message.

    Example:
        >>> issubclass(TrainingDiverged, ArithmeticError)
        True
    """


class State(eqx.Module):
    """A training between two passes.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> State(network, None, None).network.n_units
        4
    """

    network: RateNetwork  # with the weights learned so far
    embedder: Activity | None  # what the target-generating network did, if the trainer has one
    learner: Any  # whatever else the trainer needs


class AbstractTrainer(eqx.Module):
    """A way to train; its fields are its configuration.

    `n_passes` is the number of passes over the trials, `dtype` the arithmetic: least squares needs 64 bits, gradients
    do with 32. `mend` is the advice that a divergence comes with. `uses_hints` says whether hints in the trials have a
    part in it, `one_to_one` that unit i is to do what hint i does (then targets may be lacking), and `is_random`
    whether the key changes anything. `tunable` lists what is worth tuning: name of a factor -> the fields that it
    multiplies.
    """

    n_passes: eqx.AbstractVar[int]
    dtype: ClassVar[type] = np.float64
    uses_hints: ClassVar[bool] = False
    one_to_one: ClassVar[bool] = False
    is_random: ClassVar[bool] = True
    tunable: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    mend: ClassVar[str] = "Try a larger penalty, weaker drive or hints, or a longer update interval."

    @abc.abstractmethod
    def init(self, network: RateNetwork, trials: Trials, *, key: PRNGKeyArray) -> State:
        """State before the first pass.

        Raises:
            ValueError: if the network and the trials do not fit together.
        """

    @abc.abstractmethod
    def step(self, state: State, trials: Trials, *, key: PRNGKeyArray) -> tuple[State, dict[str, float]]:
        """State after one pass, and what to log; it must log `output_nmse`.

        A trainer with a goal logs `reached`, 1 or 0; `fit` stops there when it is 1. A numerical failure is logged as
        `bad_trial` and `bad_step`, the first place where the network's output was not finite, and `fit` stops there.
        """

    @property
    def initial_gain(self) -> float:
        """Gain of the random weights that training should start from."""
        return 1.0

    def scaled(self, **factors: float) -> "AbstractTrainer":
        """The same with the fields of some of `tunable` multiplied.

        >>> recirc.train.FullForce(noise=0.1).scaled(noise=2.0).noise
        0.2
        """
        changes = {f: getattr(self, f) * factor for name, factor in factors.items() for f in self.tunable[name]}
        return dataclasses.replace(self, **changes)


class Fit(eqx.Module):
    """What a training came to.

    Args:
        network: the trained network, in the default precision; after a divergence, that of the last good pass.
        outcome, message: how it ended, and the same as a sentence with numbers and advice.
        history, seconds: one entry per pass, and wall time.
        embedder: activity of the target-generating network, if any; its similarity to the recorded circuit is the most
            that the trained network can be expected to reach.

    Example:
        >>> network = recirc.circuits.RateNetwork.random(n_units=4, n_inputs=1, n_outputs=1, key=jax.random.key(0))
        >>> fit = Fit(network, Outcome.FINISHED, "all is well", [{"output_nmse": 0.1}], None, seconds=2.0)
        >>> fit.history[-1]["output_nmse"]
        0.1
    """

    network: RateNetwork
    outcome: Outcome = eqx.field(static=True)
    message: str = eqx.field(static=True)
    history: list[dict[str, float]] = eqx.field(static=True)
    embedder: Activity | None
    seconds: float = eqx.field(static=True)
    _repr_html_ = fields_table


def fit(
    trainer: AbstractTrainer,
    network: RateNetwork,
    trials: Trials,
    *,
    key: PRNGKeyArray,
    progress: Callable[[int, dict[str, float]], object] | None = None,
    throw: bool = False,
    checkpoint: str | Path | None = None,
) -> Fit:
    """Train a network; the only training loop of the package.

    Args:
        trainer, network: the algorithm, and where to start, which is not changed.
        trials: inputs, targets and, for trainers that use them, hints.
        key: for everything random.
        progress: called after every pass with its index and its log entry.
        throw: raise on divergence instead of returning it.
        checkpoint: file to keep the state in after every pass; the same call goes on from it, to the same bits. Pieces
            of work in a run folder keep theirs by themselves.

    Returns:
        The trained network with its history. A divergence, or a goal that was missed, is an outcome, not an error.

    Raises:
        RuntimeError: if the trainer needs 64-bit floats and they are off.
        ValueError: if the network and the trials do not fit together, a weight has the wrong shape or is not finite,
            the targets are zero everywhere (then no relative error exists), or the checkpoint is of another training.
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
    network, trials = checked(trainer, network, trials)
    began = time.perf_counter()
    init_key, pass_key = jax.random.split(key)
    state = trainer.init(network, trials, key=init_key)
    history, identity, folder = [], "", checkpoint_folder() if checkpoint is None else None
    if checkpoint is not None or folder is not None:
        curves = network.rates(jnp.tile(jnp.linspace(-5.0, 5.0, 101)[None], (network.n_units, 1)))
        identity = identify((trainer, network, trials, key, curves))  # nonlinearities may share a name
    if folder is not None:
        checkpoint = folder / f"{identity[:32]}.checkpoint"
    if checkpoint is not None:
        state, history = load_checkpoint(checkpoint, state, identity)
    with Pace(0.0 if folder is None else EVERY, folder is None) as pace:
        while len(history) < trainer.n_passes and not (history and history[-1].get("reached")):
            index = len(history)
            after, entry = trainer.step(state, trials, key=jax.random.fold_in(pass_key, index))
            history.append({"pass": index, **entry})
            if progress is not None:
                progress(index, history[-1])
            if "bad_trial" in entry:
                break
            state = after
            if checkpoint is not None and pace.is_due():
                with pace.keeping():
                    save_checkpoint(checkpoint, state, history, identity)
    outcome, message = ended(trainer, history)
    if throw and outcome is Outcome.DIVERGED:
        raise TrainingDiverged(message)
    return Fit(as_dtype(state.network, float), outcome, message, history, state.embedder, time.perf_counter() - began)


def checked(trainer: AbstractTrainer, network: RateNetwork, trials: Trials) -> tuple[RateNetwork, Trials]:
    """Both in the trainer's precision; what `fit` refuses is refused."""
    if trainer.dtype is np.float64:
        require_x64("training")
    check_weights(network)
    check_sizes(network, trials)
    if not (trainer.one_to_one or np.any(np.asarray(trials.targets) * np.asarray(trials.mask)[:, :, None])):
        raise ValueError("the targets are zero wherever the mask counts, so there is nothing to learn; give targets.")
    return as_dtype((network, trials), trainer.dtype)


def ended(trainer: AbstractTrainer, history: list[dict[str, float]]) -> tuple[Outcome, str]:
    """How a training ended, as a word and as a sentence."""
    last = history[-1]
    if "bad_trial" in last:
        return Outcome.DIVERGED, (
            f"{type(trainer).__name__} diverged in pass {last['pass']:.0f}, trial {last['bad_trial']:.0f}, step "
            f"{last['bad_step']:.0f}: an output or a weight was no longer finite. The network of the pass before is "
            f"kept. {trainer.mend}"
        )
    outcome = {None: Outcome.FINISHED, True: Outcome.REACHED, False: Outcome.MISSED}[last.get("reached")]
    said = {"output_nmse": "output nMSE {:.2g}", "output_r2": "smallest R² of an output {:.3f}"}
    said |= {"one_step_r2": "R² of one step {:.3f}", "free_run_r2": "of a run by itself {:.3f}"}
    numbers = ", ".join(text.format(last[name]) for name, text in said.items() if np.isfinite(last.get(name, np.nan)))
    return outcome, f"{outcome.value}; {numbers}, in the last of {len(history)}."


def as_dtype(tree, dtype):
    """Arrays in one precision: those of another would make recursive least squares stall in silence."""
    return jax.tree.map(lambda a: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a, tree)


def check_weights(network: RateNetwork) -> None:
    """Raise ValueError, naming the entry, unless every weight has its shape and is finite."""
    if not isinstance(network, RateNetwork):
        raise ValueError(f"a {type(network).__name__} cannot be trained here; give a RateNetwork.")
    n, n_inputs, n_outputs = network.n_units, network.input_weights.shape[-1], network.readout.shape[0]
    shapes = {"recurrent": (n, n), "input_weights": (n, n_inputs), "readout": (n_outputs, n), "bias": (n,)}
    shapes |= {"start": (n,), "feedback": (n, n_outputs), "connections": (n, n), "signs": (n,)}
    check_shapes(network, shapes)
    for name in shapes:
        if (value := getattr(network, name)) is not None and len(bad := np.argwhere(~np.isfinite(value))):
            found = f"{len(bad)} entries that are not finite, the first at {tuple(bad[0].tolist())}"
            raise ValueError(f"the network's {name} has {found}; load or draw the network again.")


def check_sizes(network: RateNetwork, trials: Trials) -> None:
    """Raise ValueError unless the network's channels and clock fit the trials."""
    channels = {"inputs": (network.input_weights.T, trials.inputs), "outputs": (network.readout, trials.targets)}
    for name, (weights, signals) in channels.items():
        if (has := len(weights)) != (needs := signals.shape[2]):
            mend = f"build the network with n_{name}={needs}"
            raise ValueError(f"the network has {has} {name} but the trials have {needs}; {mend}.")
    if not trials.dt <= network.time_constant / 2:
        found = f"dt is {trials.dt} s, more than half the network's time constant ({network.time_constant} s)"
        raise ValueError(f"{found}; resample the trials or use a slower network.")


def identify(specification) -> str:
    """sha256 of everything that decides a training: settings and the bits of every array.

    Functions count by name, since another process has them at other addresses.
    """
    arrays, rest = eqx.partition(specification, eqx.is_array)
    settings = re.sub(r" at 0x[0-9a-f]+", "", repr((jax.tree.structure(rest), jax.tree.leaves(rest))))
    digest = hashlib.sha256(settings.encode())
    for leaf in jax.tree.leaves(arrays):
        data = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        digest.update(f"{data.dtype}{data.shape}".encode() + np.asarray(data).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: str | Path, state, history: list[dict[str, float]], identity: str) -> None:
    """Write state and history, whole or not at all; the checkpoint before stays beside it, as "FILE.before".

    Raises:
        StorageError: if the file cannot be written; an earlier checkpoint is then intact.
    """
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, state)
    leaves = np.frombuffer(buffer.getvalue(), np.uint8)
    if Path(path).exists():
        Path(path).replace(_before(path))
    write_arrays(Path(path), {"state": leaves}, {"identity": identity, "history": history})


def load_checkpoint(path: str | Path, first, identity: str):
    """State and history from a file, or from the one before if it is damaged; `first` if there is neither.

    Raises:
        ValueError: if the file is a checkpoint of another training.
    """
    for place in (Path(path), _before(path)):
        kept = read_arrays(place)
        if kept is None:
            continue
        arrays, about = kept
        if about["identity"] != identity:
            found = f"{place} is the checkpoint of another training (other trainer, network, trials or key)"
            raise ValueError(f"{found}; give another file, or delete it.")
        return eqx.tree_deserialise_leaves(io.BytesIO(arrays["state"].tobytes()), first), about["history"]
    return first, []


def _before(path: str | Path) -> Path:
    return Path(path).with_name(f"{Path(path).name}.before")
