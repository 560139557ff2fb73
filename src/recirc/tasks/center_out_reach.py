"""Reaches from a center to targets on a circle."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from recirc.ranges import check_within
from recirc.tasks.angles import COMPASS, angle_label, check_angles, halfway_angles, unit_vectors, wrap_angles
from recirc.tasks.base import AbstractTask
from recirc.tasks.steps import whole_steps
from recirc.types import Trials

ENCODINGS = ("cosine", "one_hot", "von_mises")


class CenterOutReach(AbstractTask):
    r"""Center-out reach: a direction is shown, the hand then moves that way with a bell-shaped speed.

    $$v(t) = v_{peak}\, 16 s^2 (1-s)^2 (\cos\theta, \sin\theta), \qquad s = (t - t_{go}) / T_{move}$$

    This is the velocity of the straight minimum-jerk movement, scaled to its peak; it is zero in preparation. Trial i
    has direction i modulo the number of directions, and the condition label is the angle, "45" or "22.5".

    Args:
        angles: directions theta in degrees, counterclockwise from the right; stored in [0, 360).
        encoding: how the input shows theta: "cosine" gives (cos theta, sin theta), which carries over to
            directions never trained; "one_hot" gives one channel per angle, which does not; "von_mises" gives
            `n_bumps` bumps exp(concentration (cos(theta - c_k) - 1)) with centers c_k equally spaced.
        pulse: the direction is shown during preparation only; otherwise throughout the trial.
        preparation, movement, dt: seconds before movement onset, T_move in seconds, and seconds per step.
        amplitude, peak_speed: size of the direction input, and v_peak.
        go_cue: adds a last channel that is 1 during movement.
        n_bumps, concentration: channels of the "von_mises" encoding, and sharpness of the bumps; 1 is broad, 10 narrow.

    Raises:
        ValueError: if `encoding` is unknown, `angles` is empty or repeats one, a duration is not a positive
            multiple of dt, or `n_bumps` or `concentration` is not positive.

    Source: profile from Flash & Hogan 1985 (doi 10.1523/JNEUROSCI.05-07-01688.1985); durations are ours.

    Example:
        >>> import jax, recirc
        >>> task = recirc.tasks.CenterOutReach()
        >>> trials = task.trials(8, key=jax.random.key(0))
        >>> trials.conditions[:3], trials.inputs.shape, trials.targets.shape
        (('0', '45', '90'), (8, 550, 2), (8, 550, 2))
        >>> task.between().angles[0]
        22.5
    """

    is_random = False
    angles: tuple[float, ...] = eqx.field(static=True, converter=wrap_angles, default=COMPASS)
    encoding: str = eqx.field(static=True, default="cosine")
    pulse: bool = eqx.field(static=True, default=True)
    preparation: float = eqx.field(static=True, default=0.05)
    movement: float = eqx.field(static=True, default=0.5)
    dt: float = eqx.field(static=True, default=0.001)
    amplitude: float = eqx.field(static=True, default=1.0)
    peak_speed: float = eqx.field(static=True, default=1.0)
    go_cue: bool = eqx.field(static=True, default=False)
    n_bumps: int = eqx.field(static=True, default=8)
    concentration: float = eqx.field(static=True, default=2.0)

    def __check_init__(self):
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding {self.encoding!r} is unknown; choose one of {', '.join(ENCODINGS)}.")
        check_angles(self.angles)
        check_within("[1, inf]", n_bumps=self.n_bumps)
        check_within("(0, inf]", concentration=self.concentration)
        self._n_steps()

    def _n_steps(self) -> tuple[int, int]:
        return whole_steps(self.preparation, self.dt, "preparation"), whole_steps(self.movement, self.dt, "movement")

    def between(self) -> "CenterOutReach":
        """The same task at the directions halfway between neighboring ones.

        Raises:
            ValueError: if there are fewer than two angles, or the encoding is "one_hot".
        """
        halfway = halfway_angles(self.angles)
        self.encode(halfway)
        return self.replace(angles=halfway)

    def encode(self, angles) -> Float[np.ndarray, "angle input"]:
        """The direction input for `angles` (degrees), before `amplitude` and without the go cue.

        Raises:
            ValueError: if the encoding is "one_hot" and an angle is not among the task's own.
        """
        if self.encoding == "cosine":
            return unit_vectors(angles)
        if self.encoding == "von_mises":
            theta = np.deg2rad(np.asarray(angles, float))
            centers = 2 * np.pi * np.arange(self.n_bumps) / self.n_bumps
            return np.exp(self.concentration * (np.cos(theta[:, None] - centers[None, :]) - 1))
        asked = wrap_angles(angles)
        if unlisted := [angle for angle in asked if angle not in self.angles]:
            found = (
                f"no channel for {unlisted[0]:g} degrees, only for {', '.join(f'{angle:g}' for angle in self.angles)}"
            )
            mend = 'use encoding="cosine" or "von_mises" for directions that are not in the list'
            raise ValueError(f"one_hot has {found}; {mend}.")
        return np.eye(len(self.angles))[[self.angles.index(angle) for angle in asked]]

    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        check_within("[1, inf]", n_trials=n_trials)
        n_preparation, n_movement = self._n_steps()
        angles = [self.angles[i % len(self.angles)] for i in range(n_trials)]
        step = np.arange(n_preparation + n_movement)
        moving = (step >= n_preparation).astype(float)
        shown = 1 - moving if self.pulse else np.ones(step.size)
        inputs = self.amplitude * self.encode(angles)[:, None, :] * shown[None, :, None]
        if self.go_cue:
            inputs = np.concatenate([inputs, np.broadcast_to(moving[None, :, None], (n_trials, step.size, 1))], axis=2)
        elapsed = np.clip((step + 1 - n_preparation) / n_movement, 0.0, 1.0)
        speed, go = self.peak_speed * 16 * elapsed**2 * (1 - elapsed) ** 2, self.preparation
        targets = unit_vectors(angles)[:, None, :] * speed[None, :, None]
        labels, epochs = (
            list(map(angle_label, angles)),
            {"preparation": (0.0, go), "movement": (go, go + self.movement)},
        )
        return Trials(inputs, targets, dt=self.dt, conditions=labels, epochs=epochs)
