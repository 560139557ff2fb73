"""What makes the movement, the state at go or the input after it: each test changes one of the two."""

import abc
import dataclasses
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.compare.base import AbstractProbe
from recirc.compare.samples import condition_groups
from recirc.compare.states import AtGo, at_go, movement_r2
from recirc.types import Score, Trials


class AbstractGoProbe(AbstractProbe):
    """A test of what makes the movement, without noise, scored from go to the end of the epoch.

    Args:
        epoch: the epoch that begins with the go cue.
        time_s: when the change comes, seconds from go; scored from then on.
        target_channels: inputs that show the target.
        velocity: outputs that are scored.
        position: outputs that stand beside them in `parts["position"]`; () for none.

    Returns (when called): level mechanism; settings `{"set": name}`, and `time_s` if it is not 0; parts
    `per_condition` (a number for each in `condition`), `intact` (R² of the circuit as it is) and `position`.

    Raises:
        ValueError: when called, if the trials have no such epoch, input or output, or as `at_go`.
    """

    name: eqx.AbstractClassVar[str]

    epoch: str = eqx.field(static=True, default="movement")
    time_s: float = eqx.field(static=True, default=0.0)
    target_channels: tuple[int, ...] = eqx.field(static=True, default=(0, 1))
    velocity: tuple[int, ...] = eqx.field(static=True, default=(0, 1))
    position: tuple[int, ...] = eqx.field(static=True, default=(2, 3))

    def cut(self, circuit: AbstractCircuit, trials: Trials) -> AtGo:
        """The trials, cut where the change comes."""
        channels = {"input": (self.target_channels, trials.inputs), "output": (self.velocity, trials.targets)}
        for what, (asked, series) in channels.items():
            n = series.shape[2]
            if not asked or min(asked) < 0 or max(asked) >= n:
                raise ValueError(f"{what}s {asked} are asked for and the trials have {n}; count from 0.")
        return at_go(circuit, trials, epoch=self.epoch, time_s=self.time_s)

    def without_target(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs with the channels that show the target at 0."""
        off = np.array(inputs)
        off[..., list(self.target_channels)] = 0.0
        return off

    @abc.abstractmethod
    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        """The score; nothing is random, so `key` changes nothing."""

    def scored(self, metric: str, cut: AtGo, outputs: np.ndarray, targets: np.ndarray, **parts) -> Score:
        """R² of the velocity, for `outputs` made in place of those of `cut`."""
        groups = condition_groups(cut.conditions)
        settings: dict[str, object] = {"set": self.name, **({"time_s": self.time_s} if self.time_s else {})}
        has_position = self.position and max(self.position) < targets.shape[2]
        about = {
            "per_condition": [movement_r2(outputs[i], targets[i], self.velocity) for i in groups.values()],
            "condition": list(groups),
            "intact": movement_r2(cut.outputs(), cut.targets, self.velocity),
            "position": movement_r2(outputs, targets, self.position) if has_position else np.nan,
        }
        parts = {name: np.array(part) for name, part in (about | parts).items()}
        return Score(metric, movement_r2(outputs, targets, self.velocity), "mechanism", parts=parts, settings=settings)


class TargetOffAtGo(AbstractGoProbe):
    """R² of the movement when the target's input goes off at go.

    A circuit that reads its movement from the state that preparation left does not notice (about
    `parts["intact"]`); one that the input drives makes no movement (0 or less). A network never trained so may
    also fail because 0 is strange to it: read it beside `StateResetAtGo`.

    Returns (when called): metric `target_off_at_go_r2`, and as `AbstractGoProbe`.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(
        ...     n_units=20, n_inputs=3, n_outputs=4, key=jax.random.key(1)
        ... )
        >>> recirc.compare.TargetOffAtGo()(network, trials, key=jax.random.key(2)).settings
        {'set': 'target_off_at_go'}
    """

    name: ClassVar[str] = "target_off_at_go"

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        cut = self.cut(circuit, trials)
        outputs = cut.outputs(inputs=self.without_target(cut.inputs))
        return self.scored("target_off_at_go_r2", cut, outputs, cut.targets)


class TargetSwappedAtGo(AbstractGoProbe):
    """R² against the reach to the new target, when the input changes to the opposite target at go.

    "Opposite" is the condition half way round in the order of the trials. 1 for a circuit that its input
    drives; one that its state drives keeps to the old target, `parts["old_target"]`. The runs are those of a
    state taken from the opposite condition, with the input kept.

    Returns (when called): metric `target_swapped_r2`, and as `AbstractGoProbe`.

    Example:
        >>> trials = recirc.tasks.DelayedReach(hold=0.1, delay=0.2).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=3, n_outputs=4, key=jax.random.key(1))
        >>> TargetSwappedAtGo()(network, trials, key=jax.random.key(2)).value < 0.5  # untrained
        True
    """

    name: ClassVar[str] = "target_swapped_at_go"

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        cut = self.cut(circuit, trials)
        new = cut.opposite()
        outputs = cut.outputs(inputs=cut.inputs[new])
        old = movement_r2(outputs, cut.targets, self.velocity)
        return self.scored("target_swapped_r2", cut, outputs, cut.targets[new], old_target=old)


class StateResetAtGo(AbstractGoProbe):
    """R² of the movement when every trial's state at go is replaced by the mean over conditions.

    About `parts["intact"]` for a circuit that its input drives, 0 or less for one that its state drives.

    Returns (when called): metric `state_reset_r2`, and as `AbstractGoProbe`.

    Example:
        >>> trials = recirc.tasks.DelayedReach(hold=0.1, delay=0.2).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=3, n_outputs=4, key=jax.random.key(1))
        >>> StateResetAtGo()(network, trials, key=jax.random.key(2)).value < 0.5  # untrained
        True
    """

    name: ClassVar[str] = "state_reset_at_go"

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        cut = self.cut(circuit, trials)
        mean = cut.first_of_each().states.mean(axis=0)
        outputs = cut.outputs(states=np.tile(mean, (len(cut.states), 1)))
        return self.scored("state_reset_r2", cut, outputs, cut.targets)


class NoTarget(AbstractGoProbe):
    r"""How large a movement the go cue releases when no target was ever shown.

    $$\sqrt{\langle z^2 \rangle / \langle f^2 \rangle}$$

    z are the velocities made from go on, f those asked for when targets are shown. 0 is right: the cue says
    when, not where.

    Returns (when called): metric `movement_without_target`, and as `AbstractGoProbe`; lower is better.

    Example:
        >>> trials = recirc.tasks.DelayedReach(hold=0.1, delay=0.2).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(n_units=5, n_inputs=3, n_outputs=4, key=jax.random.key(1))
        >>> NoTarget()(network, trials, key=jax.random.key(2)).value >= 0
        True
    """

    name: ClassVar[str] = "no_target"

    def __call__(self, circuit: AbstractCircuit, trials: Trials, *, key: PRNGKeyArray) -> Score:
        unseen = self.cut(circuit, trials.replace(inputs=self.without_target(np.asarray(trials.inputs))))
        index, outputs = list(self.velocity), unseen.outputs()
        with np.errstate(over="ignore", invalid="ignore"):
            made, asked = ((each[..., index] ** 2).sum((1, 2)) for each in (outputs, unseen.targets))
        intact = self.cut(circuit, trials)
        score = self.scored("movement_without_target", intact, outputs, unseen.targets)
        ratio = np.array(
            [np.sqrt(made[i].sum() / asked[i].sum()) for i in condition_groups(unseen.conditions).values()]
        )
        parts = score.parts | {"per_condition": ratio, "position": np.array(np.nan)}
        value = float(np.nan_to_num(np.sqrt(made.sum() / asked.sum()), nan=np.inf, posinf=np.inf))
        return dataclasses.replace(score, value=value, direction="lower", parts=parts)
