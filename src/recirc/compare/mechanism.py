"""By what mechanism a circuit makes its movements: out of its state at go, or out of the input after it."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import AbstractCircuit
from recirc.circuits.base import numpy_generator
from recirc.compare.go_probes import NoTarget, StateResetAtGo, TargetOffAtGo
from recirc.compare.states import AtGo, epoch_steps
from recirc.types import Score, Trials

INITIAL, INPUT, MIXED = "initial-condition driven", "input driven", "mixed"
SUFFICES = "state suffices, input dominates"
UNDETERMINED = "undetermined"
VERDICTS = (INITIAL, INPUT, MIXED, SUFFICES, UNDETERMINED)
FEWEST = 4  # conditions; of fewer, resampling says nothing of spread


@dataclasses.dataclass(frozen=True)
class MechanismSummary:
    r"""Two answers about a circuit: which wins in conflict, state or input, and whether the state is enough alone.

    **Dominance in conflict.** Every movement is made again from the state at go of every condition a, under the input
    after go of every condition b. The velocities made, z_ab(t), split into parts that add up to 1:

    $$\sum \|z_{ab} - \bar z\|^2 = \sum \|\bar z_{a\cdot} - \bar z\|^2 + \sum \|\bar z_{\cdot b} - \bar z\|^2
      + \sum \|z_{ab} - \bar z_{a\cdot} - \bar z_{\cdot b} + \bar z\|^2$$

    where $\bar z$ is the mean over a and b at each time, so that what all movements share counts for neither. The state
    dominates if it has `least_share` of this and movements with a and b different are the reach of a with R² of
    `least_follows`; the input likewise with b. **Sufficiency of the state.** The target's input goes off at go: the
    state suffices if the reach is made with R² of `least_follows`.

    | | state suffices | it does not |
    | --- | --- | --- |
    | state dominates | initial-condition driven | mixed: the state says where, and the movement needs the input |
    | input dominates | state suffices, input dominates | input driven |
    | neither | mixed | mixed |

    A number counts as over or under its threshold if its whole interval is. One whose interval holds the threshold is
    no evidence of either side, "mixed" included, and where the name hangs on it the verdict is "undetermined". So it is
    where the circuit does not make the movements (`intact_r2`), and where inputs after go hardly differ between
    conditions: with the target off at go the state share is 1 in any circuit, since the task leaves nothing to cross.

    Args:
        intact_r2: R² of the movements as they are.
        state_share: part of the state (second term over the first); nan, as the next four, if inputs do not differ.
        input_share: part of the input (third term).
        interaction_share: part of neither alone (last term).
        follows_state_r2: R² of the movements with a and b different against the reach that belongs to a.
        follows_input_r2: the same against the reach that belongs to b.
        target_off_at_go_r2: as `TargetOffAtGo`.
        state_reset_r2: as `StateResetAtGo`.
        movement_without_target: as `NoTarget`.
        conflict: share of the time after go in which the target's input differs between conditions, by at least half of
            what it differs by at any time.
        n_conditions: number of conditions crossed.
        intervals: of 95 %, over conditions, of the numbers that decide.
        trained: the target's input after go in training: "on", "off", "both" or "unknown".
        least_r2: `intact_r2` under which there is no verdict.
        least_share: share that state or input needs to dominate.
        least_follows: R² from which on a movement is the reach that it is compared with.
        least_conflict: `conflict` under which there is no verdict.

    Example:
        >>> high = dict.fromkeys(("intact_r2", "state_share", "follows_state_r2", "target_off_at_go_r2"), (0.8, 0.9))
        >>> summary = MechanismSummary(1, 0.85, 0.05, 0.1, 0.9, 0, 0.9, 1, 1, 1, 8, high | {"input_share": (0, 0.1)})
        >>> summary.verdict, dataclasses.replace(summary, least_share=0.95).verdict  # with another threshold
        ('initial-condition driven', 'mixed')
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
    conflict: float
    n_conditions: int
    intervals: Mapping[str, tuple[float, float]]
    trained: str = "unknown"
    least_r2: float = 0.8
    least_share: float = 0.75
    least_follows: float = 0.5
    least_conflict: float = 0.5

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return self._judged[0]

    @property
    def _judged(self) -> tuple[str, str]:
        """The verdict, and why there is none."""
        if self.conflict < self.least_conflict:
            return UNDETERMINED, (
                f"inputs after go differ between conditions in {self.conflict:.0%} of the movement, so that the task "
                "decides and not the circuit; give trials with the target on after go (DelayedReach with "
                "target_off=None)"
            )
        if self.n_conditions < FEWEST:
            return UNDETERMINED, f"{self.n_conditions} conditions leave no interval; give trials of {FEWEST} or more"
        if self._side("intact_r2", self.least_r2) < 1:
            return UNDETERMINED, (
                f"with the target on after go{self._strange('off')} the movements have R² {self._number('intact_r2')}; "
                f"from {self.least_r2:g} on it is worth asking how they are made"
            )
        state, given = (
            min(self._side(f"{name}_share", self.least_share), self._side(f"follows_{name}_r2", self.least_follows))
            for name in ("state", "input")
        )
        enough = self._side("target_off_at_go_r2", self.least_follows)
        if state == 1 or given == 1:
            verdict = {1: INITIAL, -1: MIXED} if state == 1 else {1: SUFFICES, -1: INPUT}
            return verdict.get(enough, UNDETERMINED), "the interval leaves open whether the state is enough"
        is_mixed = state == given == -1
        return MIXED if is_mixed else UNDETERMINED, "the interval leaves open whether one of the two dominates"

    def _side(self, name: str, threshold: float) -> int:
        """1 if the interval of a number lies over a threshold, -1 if under it, else 0."""
        low, high = self.intervals.get(name, (np.nan, np.nan))
        return int(low >= threshold) - int(high < threshold)

    def _number(self, name: str) -> str:
        low, high = self.intervals.get(name, (np.nan, np.nan))
        return f"{getattr(self, name):.2f}" + (f" ({low:.2f} to {high:.2f})" if np.isfinite([low, high]).all() else "")

    @property
    def sentence(self) -> str:
        """The verdict and the numbers behind it, for a report."""
        verdict, reason = self._judged
        begin = f"Undetermined: {reason}. " if verdict == UNDETERMINED else f"{verdict.capitalize()}. "
        say, state, given = self._number, self._number("state_share"), self._number("input_share")
        conflict = (
            f"With the state of one condition and the input of another{self._strange('off')}, the state has a share of "
            f"{state} in what differs between movements and the input {given}; movements follow the state with R² "
            f"{say('follows_state_r2')}, the input with {say('follows_input_r2')}, with both of one condition "
            f"{say('intact_r2')}. "
        )
        return (
            f"{begin}{conflict if self.conflict >= self.least_conflict else ''}Without the target's input after go"
            f"{self._strange('on')} R² is {say('target_off_at_go_r2')}, from the mean state "
            f"{self.state_reset_r2:.2f}; without any target the cue releases {self.movement_without_target:.0%} of a "
            "movement."
        )

    def _strange(self, trained: str) -> str:
        """What to say of a test that is new to circuits that were trained so."""
        return " (outside of what it was trained on)" if self.trained == trained else ""

    def scores(self) -> list[Score]:
        """One score per number; its settings have the verdict and what was measured, its parts the interval."""
        is_crossed = self.conflict >= self.least_conflict
        about = {"set": "crossed_at_go", "verdict": self.verdict, "target_after_go": "on" if is_crossed else "equal"}
        own = [field.name for field in dataclasses.fields(self) if field.type is float]
        found = []
        for name in own[: own.index("conflict")]:
            value, settings = float(getattr(self, name)), dict[str, object](about)
            if self.trained != "unknown":
                strange = "on" if name == "target_off_at_go_r2" else "off"
                settings["outside_training"] = self.trained == strange
            if np.isnan(value):
                settings["outcome"] = self._judged[1]
            metric = "movement_r2" if name == "intact_r2" else name
            direction = "lower" if name == "movement_without_target" else "higher"
            parts = {"interval": np.array(self.intervals[name])} if name in self.intervals else {}
            found.append(Score(metric, value, "mechanism", direction, parts=parts, settings=settings))
        return found


def mechanism_of(
    circuit: AbstractCircuit,
    trials: Trials,
    *,
    key: PRNGKeyArray,
    trained_on: Trials | None = None,
    epoch: str = "movement",
    target_channels: tuple[int, ...] = (0, 1),
    velocity: tuple[int, ...] = (0, 1),
    n_resamples: int = 500,
) -> MechanismSummary:
    """Cross the states at go with the inputs after it, and take the target away at go, without noise.

    The first trial of each condition takes part. Intervals are percentiles over conditions drawn with replacement, one
    draw for the states and the inputs of the crossing; a condition crossed with itself is no conflict.

    Args:
        circuit: any circuit with a readout.
        trials: a delayed reach with the target on after go, one or more trials of four or more conditions.
        key: of the resampling.
        trained_on: the trials that it was trained on, to say which of the two tests is outside of these.
        epoch: the epoch that begins with the go cue.
        target_channels: inputs that show the target.
        velocity: outputs that are judged.
        n_resamples: resamples of the conditions.

    Raises:
        ValueError: if there is only one condition, or as `AbstractGoProbe`.

    Source: the crossing and its names are ours. Resampling rows and columns of a crossed table: Owen 2007
    (doi 10.1214/07-AOAS122), here with one draw for both, as both are the same conditions.

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
    off = TargetOffAtGo(**fields)
    cut = off.cut(circuit, trials).first_of_each()
    n = len(cut.conditions)
    if n < 2:
        raise ValueError("there is one condition and nothing to cross; give trials of two or more.")
    conflict = _conflict(cut, np.asarray(trials.inputs), list(target_channels))
    reset, unseen = (probe(**fields)(circuit, trials, key=key).value for probe in (StateResetAtGo, NoTarget))
    made, alone, targets = (
        each[..., list(velocity)]
        for each in (crossed(cut), cut.outputs(inputs=off.without_target(cut.inputs)), cut.targets)
    )
    draws = numpy_generator(key).integers(n, size=(n_resamples, n))
    draws = draws[np.ptp(draws, axis=1) > 0]
    numbers, *resampled = (_numbers(made, alone, targets, draw) for draw in (np.arange(n), *draws))
    limits = np.quantile([list(each.values()) for each in resampled], [0.025, 0.975], axis=0, method="nearest")
    intervals = {name: (float(low), float(high)) for name, low, high in zip(numbers, *limits)}
    if conflict < MechanismSummary.least_conflict:
        intervals = {name: intervals[name] for name in ("intact_r2", "target_off_at_go_r2")}
        numbers |= dict.fromkeys(set(numbers) - set(intervals), np.nan)
    return MechanismSummary(
        **numbers, state_reset_r2=reset, movement_without_target=unseen, conflict=conflict, n_conditions=n,
        intervals=intervals if n >= FEWEST else {},
        trained="unknown" if trained_on is None else _target_after_go(trained_on, epoch, list(target_channels)),
    )  # fmt: skip


def _numbers(made: np.ndarray, alone: np.ndarray, targets: np.ndarray, draw: np.ndarray) -> dict[str, float]:
    """What decides, over conditions that may repeat: velocities crossed, without the target, and asked for.

    R² is of the error in units of the targets' variance about the mean over all conditions, whichever are drawn.
    """
    spread = ((targets - targets.mean((0, 1))) ** 2).sum((1, 2))[draw]
    made, alone, targets = made[np.ix_(draw, draw)], alone[draw], targets[draw]
    apart = (draw[:, None] != draw[None, :]).astype(float)
    state, given, both = shares(made)
    return {
        "intact_r2": _r2(made[np.diag_indices(len(draw))], targets, spread),
        "state_share": state,
        "input_share": given,
        "interaction_share": both,
        "follows_state_r2": _r2(made, targets[:, None], spread[:, None] * apart, apart),
        "follows_input_r2": _r2(made, targets[None, :], spread[None, :] * apart, apart),
        "target_off_at_go_r2": _r2(alone, targets, spread),
    }


def _r2(outputs: np.ndarray, targets: np.ndarray, spread: np.ndarray, weights: np.ndarray | float = 1.0) -> float:
    """R² of movements against what is asked of each; -inf if one is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = (weights * ((outputs - targets) ** 2).sum((-1, -2))).sum()
    return float(1 - error / spread.sum()) if np.isfinite(error) else -np.inf


def _conflict(cut: AtGo, inputs: np.ndarray, channels: list[int]) -> float:
    """Share of the steps after go in which the target differs between conditions as it does at other times."""
    spread, largest = (np.linalg.norm(each[..., channels].std(axis=0), axis=-1) for each in (cut.inputs, inputs))
    return float(np.mean((spread >= 0.5 * largest.max()) & (spread > 0)))


def _target_after_go(trials: Trials, epoch: str, channels: list[int]) -> str:
    """Whether trials show their target in half or more of the movement: "on", "off", or "both" for some of them."""
    inputs = np.asarray(trials.inputs)[..., channels]
    going, steps = epoch_steps(trials, epoch)
    shown = {bool(inputs[i, first:last].any(axis=1).mean() >= 0.5) for i, (first, last) in zip(going, steps)}
    return "both" if len(shown) == 2 else "on" if True in shown else "off"


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
