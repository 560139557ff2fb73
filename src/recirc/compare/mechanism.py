"""By what mechanism a circuit makes its movements: out of its state at go, or out of the input after it."""

import dataclasses

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.compare.go_probes import NoTarget, StateResetAtGo, TargetOffAtGo
from recirc.compare.states import AtGo, at_go, movement_r2
from recirc.types import Score, Trials

VERDICTS = ("initial-condition driven", "input driven", "mixed", "undetermined")


@dataclasses.dataclass(frozen=True)
class MechanismSummary:
    r"""What crossing states with inputs says about a circuit.

    Every movement is made again from the state at go of every condition a, under the input after go of every
    condition b. The velocities made, z_ab(t), split into parts that add up to 1:

    $$\sum \|z_{ab} - \bar z\|^2 = \sum \|\bar z_{a\cdot} - \bar z\|^2 + \sum \|\bar z_{\cdot b} - \bar z\|^2
      + \sum \|z_{ab} - \bar z_{a\cdot} - \bar z_{\cdot b} + \bar z\|^2$$

    where $\bar z$ is the mean over a and b at each time, so that what all movements share counts for neither.
    For other thresholds use `dataclasses.replace(summary, least_share=0.9)`.

    Args:
        intact_r2: R² of the movements as they are.
        state_share: part of the state (second term over the first).
        input_share: part of the input (third term).
        interaction_share: part of neither alone (last term).
        follows_state_r2: R² of the movements with a and b different against the reach that belongs to a.
        follows_input_r2: the same against the reach that belongs to b.
        target_off_at_go_r2: as `TargetOffAtGo`.
        state_reset_r2: as `StateResetAtGo`.
        movement_without_target: as `NoTarget`.
        input_tells: whether the inputs after go differ between conditions at all. If not, the input share is 0
            because of the task, whatever the circuit could do with an input.
        n_conditions: number of conditions crossed.
        least_r2: `intact_r2` under which there is no verdict.
        least_share: share that state or input needs to be the mechanism.
        least_follows: R² against its own reach that the swapped movement needs besides.
    """

    intact_r2: float
    state_share: float
    input_share: float
    interaction_share: float
    follows_state_r2: float
    follows_input_r2: float
    target_off_at_go_r2: float
    state_reset_r2: float
    movement_without_target: float
    input_tells: bool
    n_conditions: int
    least_r2: float = 0.8
    least_share: float = 0.75
    least_follows: float = 0.5

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`.

        "undetermined" if the circuit does not make the movements. "initial-condition driven" if the state has
        `least_share` and swapped movements, and those without target input, still are the reach of the state
        with R² of `least_follows`; "input driven" if the input has that share and swapped movements, and those
        from the mean state, are the reach of the input; else "mixed".
        """
        if not self.intact_r2 >= self.least_r2:
            return "undetermined"
        by_state = min(self.follows_state_r2, self.target_off_at_go_r2)
        by_input = min(self.follows_input_r2, self.state_reset_r2)
        if self.state_share >= self.least_share and by_state >= self.least_follows:
            return "initial-condition driven"
        if self.input_share >= self.least_share and by_input >= self.least_follows:
            return "input driven"
        return "mixed"

    @property
    def sentence(self) -> str:
        """The verdict and the numbers behind it, for a report."""
        if self.verdict == "undetermined":
            return (
                f"Undetermined: the movements have R² {self.intact_r2:.2f}, under the {self.least_r2:g} that "
                "makes their mechanism worth asking for."
            )
        necessity = "" if self.input_tells else " (the inputs after go are the same in all conditions)"
        return (
            f"{self.verdict.capitalize()}: of what differs between movements, {self.state_share:.0%} comes from "
            f"the state at go, {self.input_share:.0%} from the input after it{necessity} and "
            f"{self.interaction_share:.0%} from both together; with the two swapped, movements follow the state "
            f"with R² {self.follows_state_r2:.2f} and the input with {self.follows_input_r2:.2f}; without the "
            f"target's input after go R² is {self.target_off_at_go_r2:.2f}, from the mean state "
            f"{self.state_reset_r2:.2f} (intact {self.intact_r2:.2f}); without any target the cue releases "
            f"{self.movement_without_target:.0%} of a movement."
        )

    def scores(self) -> list[Score]:
        """One score per number, with the verdict in its settings."""
        settings: dict[str, object] = {"set": "crossed_at_go", "verdict": self.verdict}
        names = [f.name for f in dataclasses.fields(self) if f.type is float and not f.name.startswith("least")]
        return [
            Score(
                name if name != "intact_r2" else "movement_r2",
                float(getattr(self, name)),
                "mechanism",
                "lower" if name == "movement_without_target" else "higher",
                settings=settings,
            )
            for name in names
        ]


def mechanism_of(
    circuit: AbstractCircuit,
    trials: Trials,
    *,
    key: PRNGKeyArray,
    epoch: str = "movement",
    target_channels: tuple[int, ...] = (0, 1),
    velocity: tuple[int, ...] = (0, 1),
) -> MechanismSummary:
    """Cross the states at go with the inputs after it and run the tests of `go_probes`, without noise.

    The first trial of each condition takes part.

    Args:
        circuit: any circuit with a readout.
        trials: a delayed reach, one or more trials of two or more conditions.
        key: handed to the tests; nothing in them is random.
        epoch: the epoch that begins with the go cue.
        target_channels: inputs that show the target.
        velocity: outputs that are judged.

    Raises:
        ValueError: if there is only one condition, or as `AbstractGoProbe`.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(8, key=jax.random.key(0))
        >>> network = recirc.circuits.RateNetwork.random(
        ...     n_units=20, n_inputs=3, n_outputs=4, key=jax.random.key(1)
        ... )
        >>> mechanism_of(network, trials, key=jax.random.key(2)).verdict
        'undetermined'
    """
    fields = {"epoch": epoch, "target_channels": target_channels, "velocity": velocity}
    off, reset, unseen = (
        probe(**fields)(circuit, trials, key=key) for probe in (TargetOffAtGo, StateResetAtGo, NoTarget)
    )
    cut = at_go(circuit, trials, epoch=epoch).first_of_each()
    if len(cut.conditions) < 2:
        raise ValueError("there is one condition and nothing to cross; give trials of two or more.")
    made = crossed(cut)
    state, given, both = shares(made[..., list(velocity)])
    apart = ~np.eye(len(made), dtype=bool)
    of_state, of_input = (np.broadcast_to(np.expand_dims(cut.targets, axis), made.shape) for axis in (1, 0))
    return MechanismSummary(
        intact_r2=movement_r2(made[~apart], cut.targets, velocity),
        state_share=state,
        input_share=given,
        interaction_share=both,
        follows_state_r2=movement_r2(made[apart], of_state[apart], velocity),
        follows_input_r2=movement_r2(made[apart], of_input[apart], velocity),
        target_off_at_go_r2=off.value,
        state_reset_r2=reset.value,
        movement_without_target=unseen.value,
        input_tells=bool(np.ptp(cut.inputs, axis=0).any()),
        n_conditions=len(made),
    )


def crossed(cut: AtGo) -> np.ndarray:
    """Outputs from the state of every trial under the inputs of every trial, `(state, input, time, output)`."""
    n = len(cut.states)
    outputs = cut.outputs(states=np.repeat(cut.states, n, axis=0), inputs=np.tile(cut.inputs, (n, 1, 1)))
    return outputs.reshape(n, n, *outputs.shape[1:])


def shares(made: np.ndarray) -> tuple[float, float, float]:
    """Parts of state, input and both together in the variance of crossed movements; nan if nothing differs."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        centered = made - made.mean((0, 1))
        of_state, of_input = centered.mean(1, keepdims=True), centered.mean(0, keepdims=True)
        total, n = (centered**2).sum(), len(made)
        state, given = (float(n * (effect**2).sum() / total) for effect in (of_state, of_input))
        return state, given, float(((centered - of_state - of_input) ** 2).sum() / total)
