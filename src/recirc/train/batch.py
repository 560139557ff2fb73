"""Many networks of one shape, trained at once as one program."""

import abc
import dataclasses
import time
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.train.base import AbstractTrainer, Fit, State, as_dtype, checked, ended
from recirc.types import Trials

COPIES = 3  # of what a pass reads: as it was, as it becomes, and in the making
CPU_BYTES, SHARE = 1e9, 0.75  # of a batch where the device does not say what it has; of what it has


class AbstractBatchable(AbstractTrainer):
    """A trainer whose pass is a function that can be mapped over networks, so that `fit_batch` can train many at once.

    `first_only` lists the fields that have done their part before the first pass, or say how many passes there are:
    networks which differ in these share a program.
    """

    first_only: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def prepare(self, trials: Trials) -> Any:
        """What passes read of the trials, as arrays."""

    @abc.abstractmethod
    def advance(self, state: State, data: Any, dt: float, *, key: PRNGKeyArray) -> tuple[State, Any]:
        """State after one pass, and what `entry` is made of; JAX must be able to trace it."""

    @abc.abstractmethod
    def entry(self, seen: Any, data: Any) -> dict[str, float]:
        """What to log of a pass, as `step` does."""

    @abc.abstractmethod
    def working_bytes(self, network: RateNetwork, trials: Trials) -> int:
        """Memory that a pass needs beside three copies of state and data."""

    def step(self, state: State, trials: Trials, *, key):
        data = self.prepare(trials)
        after, seen = self.advance(state, data, trials.dt, key=key)
        return after, self.entry(seen, data)


class _One(NamedTuple):
    """What one network of a batch is trained with, and its place in the answer."""

    place: int
    trainer: AbstractBatchable
    network: RateNetwork
    trials: Trials
    key: PRNGKeyArray


def fit_batch(
    trainer: AbstractTrainer | Sequence[AbstractTrainer],
    networks: Sequence[RateNetwork],
    trials: Trials | Sequence[Trials],
    *,
    keys: Sequence[PRNGKeyArray] | Key[Array, " network"],
    memory: float | None = None,
) -> list[Fit]:
    """Train many networks at once: for each what `fit` gives, to rounding, each with an end of its own.

    Networks of the same shape, with trials of the same shape and conditions, share a program if their trainers differ
    in nothing but `n_passes`, penalty, gain and drives of FullForce and Force; others are trained one program after the
    other. A network that has ended is computed along until half of its batch have. On a CPU this gains nothing: give
    every core a process of its own there. It is meant for accelerators.

    Args:
        trainer: one for all networks, or one for each: `FullForce`, `Force` or `Bptt`. The others are not batched,
            since what they solve in one pass is a single system of equations.
        networks: where to start.
        trials: for all networks, or for each.
        keys: for everything random, one for each network.
        memory: bytes that a batch may take; None for three quarters of what the device has, 1 GB on a CPU.

    Returns:
        The trained networks in the order given. `seconds` is a network's share of the time of its batch. No
        checkpoints are kept.

    Raises:
        RuntimeError, ValueError: as `fit`; also if a trainer is of another kind, or numbers do not match.

    Example:
        >>> import jax, recirc
        >>> recirc.enable_x64()
        >>> trials = recirc.tasks.CenterOutReach(dt=0.01).trials(4, key=jax.random.key(0))
        >>> keys = jax.random.split(jax.random.key(1), 3)
        >>> networks = [recirc.circuits.RateNetwork.random(n_units=20, time_constant=0.05, key=key) for key in keys]
        >>> fits = recirc.train.fit_batch(recirc.train.FullForce(n_passes=2), networks, trials, keys=keys)
        >>> [len(fit.history) for fit in fits]
        [2, 2, 2]
    """
    trainers = [trainer] * len(networks) if isinstance(trainer, AbstractTrainer) else list(trainer)
    every = [trials] * len(networks) if isinstance(trials, Trials) else list(trials)
    if not len(trainers) == len(every) == len(keys) == len(networks):
        numbers = f"{len(networks)} networks, {len(trainers)} trainers, {len(every)} trials and {len(keys)} keys"
        raise ValueError(f"{numbers}; give as many of each, or one trainer or one set of trials for all.")
    groups: dict[str, list[_One]] = {}
    for i, (kind, network, given) in enumerate(zip(trainers, networks, every)):
        if not isinstance(kind, AbstractBatchable):
            raise ValueError(f"{type(kind).__name__} trains one network at a time; use `fit`, in one process per core.")
        one = _One(i, kind, *checked(kind, network, given), keys[i])
        groups.setdefault(_program(one), []).append(one)
    limit, found = _device_bytes() if memory is None else memory, {}
    for members in groups.values():
        most = max(1, int(limit // bytes_of_one(members[0].trainer, members[0].network, members[0].trials)))
        for batch in np.array_split(np.arange(len(members)), -(-len(members) // most)):
            chosen = [members[i] for i in batch]
            found |= dict(zip([one.place for one in chosen], _fit_together(chosen)))
    return [found[i] for i in range(len(networks))]


def bytes_of_one(trainer: AbstractBatchable, network: RateNetwork, trials: Trials) -> int:
    """Memory that one network of a batch takes while it is trained, from shapes alone."""
    state = bare(trainer.init(network, trials, key=jax.random.key(0)))
    arrays = jax.tree.leaves(eqx.filter((state, trainer.prepare(trials)), eqx.is_array))
    return COPIES * sum(array.nbytes for array in arrays) + trainer.working_bytes(network, trials)


def bare(state: State) -> State:
    """The state without what passes do not read."""
    return State(state.network, None, state.learner)


def _program(one: _One) -> str:
    """The same for networks that one program trains."""
    defaults = type(one.trainer)()  # pyright: ignore[reportCallIssue]
    alike = dataclasses.replace(one.trainer, **{name: getattr(defaults, name) for name in one.trainer.first_only})
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves((one.network, one.trials))]
    connections = one.network.connections
    most = None if connections is None else int(jnp.sum(connections, axis=1).max())  # sparse rows are padded to these
    return repr((alike, jax.tree.structure(one.network), shapes, most, one.trials.dt, one.trials.conditions))


def _device_bytes() -> float:
    stats = jax.devices()[0].memory_stats()
    return SHARE * (stats["bytes_limit"] - stats["bytes_in_use"]) if stats else CPU_BYTES


def _fit_together(many: Sequence[_One]) -> list[Fit]:
    """The fits of networks of one program; `fit` says what a pass is."""
    began, first = time.perf_counter(), many[0]
    split = [jax.random.split(one.key) for one in many]
    begun = [one.trainer.init(one.network, one.trials, key=keys[0]) for one, keys in zip(many, split)]
    embedders = [state.embedder for state in begun]
    each_data = [jax.tree.map(np.asarray, first.trainer.prepare(one.trials)) for one in many]
    state, data = _stacked(list(map(bare, begun))), _stacked(each_data)
    pass_keys = jnp.stack([keys[1] for keys in split])
    advance = eqx.filter_vmap(lambda state, data, key: first.trainer.advance(state, data, first.trials.dt, key=key))
    histories: list[list] = [[] for _ in many]
    last: dict[int, RateNetwork] = {}
    left = list(range(len(many)))  # the network at each place of the stack
    for index in range(max(one.trainer.n_passes for one in many)):
        after, seen = advance(state, data, jax.vmap(jax.random.fold_in, (0, None))(pass_keys, index))
        seen = jax.tree.map(lambda leaf: np.asarray(leaf) if eqx.is_array(leaf) else leaf, seen)
        for place, i in enumerate(left):
            if i in last:
                continue
            entry = {"pass": index, **first.trainer.entry(_at(seen, place), each_data[i])}
            histories[i].append(entry)
            if "bad_trial" in entry or entry.get("reached") or index + 1 == many[i].trainer.n_passes:
                last[i] = _at((state if "bad_trial" in entry else after).network, place)
        state, going = after, [place for place, i in enumerate(left) if i not in last]
        if not going:
            break
        if len(going) <= len(left) / 2:
            left = [left[place] for place in going]
            state, data, pass_keys = _at((state, data, pass_keys), np.array(going))
    seconds = (time.perf_counter() - began) / len(many)
    return [
        Fit(as_dtype(last[i], float), *ended(one.trainer, histories[i]), histories[i], embedders[i], seconds)
        for i, one in enumerate(many)
    ]


def _stacked(trees: Sequence[Any]):
    """Arrays of several trees on a new first axis, put together in the computer's memory; the rest is the first's."""
    return jax.tree.map(lambda *a: jnp.asarray(np.stack(a)) if hasattr(a[0], "ndim") else a[0], *trees)


def _at(tree, place):
    return jax.tree.map(lambda leaf: leaf[place] if getattr(leaf, "ndim", 0) else leaf, tree)
