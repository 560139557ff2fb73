"""Reaches that are planned during a delay and released by a go cue."""

from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.ranges import check_within
from recirc.tasks.angles import COMPASS, angle_label, check_angles, halfway_angles, unit_vectors, wrap_angles
from recirc.tasks.base import AbstractTask
from recirc.tasks.steps import duration_range, step_range, whole_steps
from recirc.types import Trials


class DelayedReach(AbstractTask):
    r"""Delayed reach: hold, see the target, wait, and at the go cue move there and stay.

    $$v(t) = a\, e^{-(t - T_{reaction} - T_{reach}/2)^2 / 2\sigma^2} (\cos\theta, \sin\theta), \qquad
      \sigma = T_{reach} / 7, \qquad p(t) = a\, s(t) (\cos\theta, \sin\theta)$$

    t is the time since go; v is zero except for T_reach seconds after T_reaction, and s is the cumulative sum
    of v divided by its total, so that s goes from 0 to 1 and the hand stays at the target. The speed passes 5 %
    of its peak, which is movement onset in a recording too (`data.movement_onset`), $2.45\sigma$ before the peak: 75 ms
    after the reaction time, .225 s after go, as the fields are by default. A trial has the
    epochs "hold" (nothing but the hold line), "delay" (target shown, hold line on), "movement" (from go on,
    hold line off, target still shown unless `target_off` says otherwise) and "after" (inputs off).

    Inputs are target x, target y (both a times a unit vector, 0 while there is no target) and the hold line, 1 until go
    and 0 from then on. Outputs are velocity x and y (peak a) and position x and y. Trial i has direction i modulo the
    number of directions; its condition label is the angle, "45", the first one if the target jumps. Trials are padded
    (inputs off, mask 0) to the longest that `hold` and `delay` allow, so that all draws have one shape.

    A catch trial has the time course of one whose go is left out: the hold line stays on to the end, the outputs stay
    zero, and the label is "catch". Every second catch trial shows its target; the others show none. What never happens
    has an empty epoch at the trial's end: "movement", "after", and without a target "delay".

    Where the target jumps by `switch`, movements superpose: with s_0 the profile without its reaction time,
    $p(t) = a\, [u_{old} s(t) + (u_{new} - u_{old}) s(t - \max(0, t_{switch}))]$, and v likewise.

    Args:
        angles: directions theta in degrees, counterclockwise from the right; stored in [0, 360).
        radius: a, of the target input, the target position and the velocity's peak.
        hold: seconds before the target, (shortest, longest), uniform in whole steps; one number is fixed.
        delay: seconds from target to go, likewise; may be 0.
        reaction, reach: T_reaction from go to the reach, and T_reach, seconds.
        movement: seconds from go to the end of the movement epoch, at least `reaction` + `reach`.
        after: seconds at the end with inputs off and the hand at the target; may be 0.
        target_off: seconds from go at which the target's input goes off, but no earlier than its onset, so that a delay
            not longer than -target_off never shows the target; None for the end of the movement epoch.
        target_off_share: share of trials, drawn by the key, in which it does so; in the others the target's input stays
            on until the end of the movement epoch. No input tells before which trial is which.
        switch: (seconds from go, degrees added to theta) of the target's jump; at its onset at the earliest.
        catch: share of catch trials, drawn by the key.
        back: the after epoch becomes a return as long as the movement epoch, with the velocity negated and
            the position going back to 0; `after` is not used. Nothing but the inputs' end announces it.
        dt: seconds per step.

    Raises:
        ValueError: if `angles` is empty or repeats one, `radius` is not positive, a duration is not a
            multiple of dt or out of order, `movement` is too short for the reach, `target_off` is after the movement
            epoch, the target is off when it jumps or jumps too late to be reached, or a share is not in [0, 1].

    Source: Kao 2019 (doi 10.1152/jn.00467.2018) for the task; channels, reaction time and profile as in the author's
    code; ranges of hold and delay, movement and after epochs and catch trials are ours. Superposition: Henis & Flash
    1995 (doi 10.1007/s004220050143), with the old target as first goal and the same reaction time to jump and go.

    Example:
        >>> import jax, recirc
        >>> task = recirc.tasks.DelayedReach(delay=0.5, target_off=0.0)
        >>> trials = task.trials(8, key=jax.random.key(0))
        >>> trials.inputs.shape, trials.targets.shape, trials.conditions[1]
        ((8, 175, 3), (8, 175, 4), '45')
        >>> [round(float(time), 2) for time in trials.epochs["movement"][0] - trials.epochs["delay"][0, 0]]
        [0.5, 1.3]
    """

    angles: tuple[float, ...] = eqx.field(static=True, converter=wrap_angles, default=COMPASS)
    radius: float = eqx.field(static=True, default=1.0)
    hold: tuple[float, float] = eqx.field(static=True, converter=duration_range, default=(0.15, 0.25))
    delay: tuple[float, float] = eqx.field(static=True, converter=duration_range, default=(0.2, 0.8))
    reaction: float = eqx.field(static=True, default=0.15)
    reach: float = eqx.field(static=True, default=0.5)
    movement: float = eqx.field(static=True, default=0.8)
    after: float = eqx.field(static=True, default=0.2)
    target_off: float | None = eqx.field(static=True, default=None)
    target_off_share: float = eqx.field(static=True, default=1.0)
    switch: tuple[float, float] | None = eqx.field(static=True, default=None)
    catch: float = eqx.field(static=True, default=0.0)
    back: bool = eqx.field(static=True, default=False)
    dt: float = eqx.field(static=True, default=0.01)

    def __check_init__(self):
        check_angles(self.angles)
        check_within("(0, inf)", radius=self.radius)
        check_within("[0, 1]", catch=self.catch, target_off_share=self.target_off_share)
        _, _, n_movement, n_after = self._durations()
        needed = sum(self._profile_steps())
        if n_movement < needed:
            least = f"reaction plus reach ({self.reaction} + {self.reach} s)"
            raise ValueError(f"movement ({self.movement} s) must be at least {least}; make it longer.")
        off = self._target_off_steps()
        if off > n_movement:
            epoch = f"the movement epoch ({self.movement} s)"
            raise ValueError(f"target_off ({self.target_off} s) must not be after {epoch}; give None for its end.")
        if self.switch is not None:
            off = off if self.target_off_share else n_movement
            self._check_switch(self.switch, off, n_movement + (0 if self.back else n_after) - needed)

    def _check_switch(self, switch: tuple[float, float], off: int, latest: int) -> None:
        if len(switch) != 2 or not np.isfinite(switch[1]):
            raise ValueError(f"switch must be (seconds from go, degrees added), got {switch}.")
        jump = whole_steps(switch[0], self.dt, "the time of switch", least=-np.inf)
        jumps = f"the target jumps {switch[0]} s from go"
        if jump >= off:
            mend = "switch earlier, or leave it on for longer"
            raise ValueError(f"{jumps} but is off from {off * self.dt:g} s on; {mend}.")
        if jump > latest:
            mend = f"switch no later than {latest * self.dt:g} s, or make movement or after longer"
            raise ValueError(f"{jumps}, too late to be reached in time; {mend}.")

    def between(self) -> "DelayedReach":
        """The same task at the directions halfway between neighboring ones.

        Raises:
            ValueError: if there are fewer than two angles.
        """
        return self.replace(angles=halfway_angles(self.angles))

    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        check_within("[1, inf]", n_trials=n_trials)
        hold_key, delay_key, catch_key, off_key = jax.random.split(key, 4)
        holds, delays, n_movement, n_after = self._durations()
        onset = np.asarray(jax.random.randint(hold_key, (n_trials,), holds[0], holds[1] + 1))
        go = onset + np.asarray(jax.random.randint(delay_key, (n_trials,), delays[0], delays[1] + 1))
        end = go + n_movement + n_after
        step = np.arange(holds[1] + delays[1] + n_movement + n_after)[None, :]
        is_catch, is_second = _drawn(self.catch, n_trials, catch_key)
        is_shown = ~is_catch | is_second
        angles = np.array([self.angles[i % len(self.angles)] for i in range(n_trials)])
        goes_off, _ = _drawn(self.target_off_share, n_trials, off_key)
        off = np.maximum(go + np.where(goes_off, self._target_off_steps(), n_movement), onset)
        seconds, turn = self.switch or (0.0, 0.0)  # without a switch a jump at go, to where the target is
        jump = np.maximum(go + whole_steps(seconds, self.dt, "the time of switch", least=-np.inf), onset)
        old, new = self.radius * unit_vectors(angles), self.radius * unit_vectors(angles + turn)
        target = np.where((step < jump[:, None])[:, :, None], old[:, None, :], new[:, None, :])
        shown = (onset[:, None] <= step) & (step < off[:, None]) & is_shown[:, None]
        held = step < np.where(is_catch, end, go)[:, None]
        movements = [(go, old), (np.maximum(jump, go), new - old)]
        if self.back:
            movements.append((go + n_movement, -new))
        inputs = np.concatenate([target * shown[:, :, None], held[:, :, None]], axis=2)
        outputs = self._superposed(movements, step) * ~is_catch[:, None, None]
        labels = ["catch" if caught else angle_label(angle) for caught, angle in zip(is_catch, angles)]
        mask, epochs = (step < end[:, None]).astype(float), self._epochs(onset, go, end, is_catch, is_shown)
        return Trials(inputs, outputs, dt=self.dt, conditions=labels, mask=mask, epochs=epochs)

    def _durations(self) -> tuple[tuple[int, int], tuple[int, int], int, int]:
        """Ranges of hold and delay, length of movement and of what comes after, all in steps."""
        holds, delays = (step_range(getattr(self, name), self.dt, name) for name in ("hold", "delay"))
        n_movement = whole_steps(self.movement, self.dt, "movement")
        n_after = n_movement if self.back else whole_steps(self.after, self.dt, "after", least=0)
        return holds, delays, n_movement, n_after

    def _profile_steps(self) -> tuple[int, int]:
        return whole_steps(self.reaction, self.dt, "reaction", least=0), whole_steps(self.reach, self.dt, "reach")

    def _target_off_steps(self) -> int:
        off = self.movement if self.target_off is None else self.target_off
        return whole_steps(off, self.dt, "target_off", least=-np.inf)

    def _superposed(
        self, movements: Sequence[tuple[np.ndarray, np.ndarray]], step: np.ndarray
    ) -> Float[np.ndarray, "trial time 4"]:
        """Velocity and position of movements that each have a first step and a displacement per trial."""
        n_reaction, n_reach = self._profile_steps()
        since = np.arange(n_reaction + n_reach + 1) - n_reaction  # at the ends of steps, from the cue on
        bell = np.exp(-0.5 * ((since / n_reach - 0.5) * 7) ** 2) * (since > 0)
        table = np.stack([np.append(bell, 0.0), np.append(np.cumsum(bell) / bell.sum(), 1.0)])
        made = np.zeros((len(movements[0][0]), step.size, 2, 2))
        for start, displacement in movements:
            profile = table[:, np.clip(step + 1 - start[:, None], 0, len(bell))]
            made += np.moveaxis(profile, 0, 2)[:, :, :, None] * displacement[:, None, None, :]
        return made.reshape(*made.shape[:2], 4)

    def _epochs(self, onset, go, end, is_catch, is_shown) -> dict[str, np.ndarray]:
        over = go + whole_steps(self.movement, self.dt, "movement")
        cued = [np.where(is_catch, end, moment) for moment in (go, over)]
        starts = [np.zeros_like(onset), np.where(is_shown, onset, end), *cued, end]
        names = ("hold", "delay", "movement", "after")
        return {name: self.dt * np.stack(starts[i : i + 2], axis=1) for i, name in enumerate(names)}


def _drawn(share: float, n_trials: int, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
    """Which trials belong to a share of them, and which of these are every second one.

    Their number is the share of `n_trials`, rounded up or down by chance so that it is right on average.
    """
    order_key, offset_key = jax.random.split(key)
    rank = np.asarray(jax.random.permutation(order_key, n_trials))
    offset, first = np.asarray(jax.random.uniform(offset_key, (2,)))
    before, count = (np.floor(share * each + offset) for each in (rank, rank + 1))
    return count > before, (count + (first < 0.5)) % 2 == 0
