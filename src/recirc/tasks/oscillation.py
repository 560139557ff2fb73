"""An oscillation whose frequency rises and falls."""

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.ranges import check_within
from recirc.tasks.base import AbstractTask
from recirc.tasks.steps import whole_steps
from recirc.types import Trials


class Oscillation(AbstractTask):
    r""""Accordion" oscillation: after a pulse, a sine that speeds up threefold and slows down again.

    $$f(t) = \sin 2\pi\varphi(t/T), \qquad \varphi(s) = \begin{cases} 3s + 6s^2 & s \le 1/2 \\
    -3 + 15s - 6s^2 & s > 1/2\end{cases}$$

    The frequency goes linearly 3/T, 9/T, 3/T (1.5, 4.5, 1.5 Hz at T = 2 s): six cycles, so that repetitions join.

    Args:
        duration: T, seconds per repetition.
        pulse: seconds of unit input at the start of every repetition.
        repeats: repetitions in one trial; the network's state carries over from one to the next.
        dt: seconds per step.

    Raises:
        ValueError: if a duration is not a positive multiple of dt, `pulse` is the longer, or `repeats` is not positive.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527) and its published demonstration.
    Departure: target sample i is the value at the end of step i.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.Oscillation(repeats=2).trials(1, key=jax.random.key(0))
        >>> trials.n_steps, trials.epochs["repetition 2"][0].tolist()
        (4000, [2.0, 4.0])
    """

    is_random = False
    duration: float = eqx.field(static=True, default=2.0)
    pulse: float = eqx.field(static=True, default=0.05)
    repeats: int = eqx.field(static=True, default=1)
    dt: float = eqx.field(static=True, default=0.001)

    def __check_init__(self):
        if whole_steps(self.pulse, self.dt, "pulse") > whole_steps(self.duration, self.dt, "duration"):
            raise ValueError(f"pulse ({self.pulse} s) must not be longer than duration ({self.duration} s).")
        check_within("[1, inf]", repeats=self.repeats)

    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        check_within("[1, inf]", n_trials=n_trials)
        n_steps = whole_steps(self.duration, self.dt, "duration")
        s = (np.arange(n_steps) + 1) / n_steps
        phase = np.where(s <= 0.5, 3 * s + 6 * s**2, -3 + 15 * s - 6 * s**2)
        pulse = np.arange(n_steps) < whole_steps(self.pulse, self.dt, "pulse")
        signals = (1.0 * pulse, np.sin(2 * np.pi * phase))
        inputs, targets = (np.tile(signal, (n_trials, self.repeats))[:, :, None] for signal in signals)
        epochs = {f"repetition {i + 1}": (i * self.duration, (i + 1) * self.duration) for i in range(self.repeats)}
        return Trials(inputs, targets, dt=self.dt, conditions=["oscillation"] * n_trials, epochs=epochs)
