"""Measuring an interval and producing it again."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.ranges import check_within
from recirc.tasks.base import AbstractTask
from recirc.tasks.steps import whole_steps
from recirc.types import Trials

BASELINE, PEAK = -0.5, 1.0
EVENTS = ("ready", "set", "go")


class ReadySetGo(AbstractTask):
    r"""Ready-set-go: the interval between two pulses must pass once more before the response.

    One repetition is: half a pause, ready pulse on channel 0, gap D, set pulse on channel 1, gap D, response, half a
    pause. The time from ready onset to set onset therefore equals that from set onset to response onset, `pulse` + D.
    The response is $-0.5 + 1.5 \cdot 64 x^3 (1-x)^3$ for x from 0 to 1 (a beta density), the baseline is -0.5. D is
    uniform; the pause is `shortest_pause` plus an exponential time of mean `mean_pause`.

    The hint rises linearly from 0 to D (in seconds) between the end of the ready pulse and the middle of the set pulse,
    and falls to 0 until the response. Trials are padded to the longest one and masked. The label of a trial lists its
    gaps in seconds; epochs "ready 1", "set 1" and "go 1" (and 2, 3, ...) hold the two pulses and the response.

    Args:
        shortest, longest: least and greatest D, seconds.
        pulse, response: seconds of unit input, and of the response.
        shortest_pause, mean_pause: seconds, the mean being that of the exponential part; 0 for a fixed pause.
        repeats: repetitions in one trial; the network's state carries over from one to the next.
        hint: whether trials carry the hint.
        dt: seconds per step.

    Raises:
        ValueError: if `pulse` or `response` is not a positive multiple of dt, not 0 < shortest <= longest, a
            pause is negative, or `repeats` is not positive.

    Source: DePasquale et al. 2018 (doi 10.1371/journal.pone.0191527) and its published demonstration.

    Example:
        >>> import jax, recirc
        >>> trials = recirc.tasks.ReadySetGo(shortest=0.2, longest=0.4).trials(3, key=jax.random.key(0))
        >>> trials.inputs.shape[2], trials.targets.shape[2], trials.hints.shape[2]
        (2, 1, 1)
    """

    shortest: float = eqx.field(static=True, default=0.1)
    longest: float = eqx.field(static=True, default=2.1)
    pulse: float = eqx.field(static=True, default=0.05)
    response: float = eqx.field(static=True, default=0.5)
    shortest_pause: float = eqx.field(static=True, default=0.4)
    mean_pause: float = eqx.field(static=True, default=2.0)
    repeats: int = eqx.field(static=True, default=1)
    hint: bool = eqx.field(static=True, default=True)
    dt: float = eqx.field(static=True, default=0.001)

    def __check_init__(self):
        whole_steps(self.pulse, self.dt, "pulse")
        whole_steps(self.response, self.dt, "response")
        check_within("[1, inf]", repeats=self.repeats)
        if not self.dt <= self.shortest <= self.longest:
            got = f"{self.shortest} s and {self.longest} s"
            raise ValueError(f"give shortest and longest with dt <= shortest <= longest; got {got}.")
        check_within("[0, inf)", shortest_pause=self.shortest_pause, mean_pause=self.mean_pause)

    def trials(self, n_trials: int, *, key: PRNGKeyArray) -> Trials:
        check_within("[1, inf]", n_trials=n_trials)
        gap_key, pause_key = jax.random.split(key)
        size = (n_trials, self.repeats)
        gaps = np.asarray(jax.random.uniform(gap_key, size, minval=self.shortest, maxval=self.longest))
        pauses = self.shortest_pause + self.mean_pause * np.asarray(jax.random.exponential(pause_key, size))
        gaps = np.maximum(1, np.round(gaps / self.dt).astype(int))
        half_pauses = np.round(pauses / 2 / self.dt).astype(int)
        onsets, stops, ends = self._events(gaps, half_pauses)
        n_steps = ends.max()
        inputs = np.zeros((n_trials, n_steps, 2))
        targets = np.full((n_trials, n_steps, 1), BASELINE)
        hints = np.zeros((n_trials, n_steps, 1))
        n_response = whole_steps(self.response, self.dt, "response")
        x = (np.arange(n_response) + 1) / n_response
        response = BASELINE + (PEAK - BASELINE) * 64 * x**3 * (1 - x) ** 3
        for trial, repetition in np.ndindex(size):
            (ready, set_, go), (ready_end, set_end, go_end) = onsets[trial, repetition], stops[trial, repetition]
            inputs[trial, ready:ready_end, 0] = inputs[trial, set_:set_end, 1] = 1.0
            targets[trial, go:go_end, 0] = response
            corners, ramp = [ready_end, (set_ + set_end) / 2, go], [0.0, gaps[trial, repetition] * self.dt, 0.0]
            hints[trial, ready:go, 0] = np.interp(np.arange(ready, go) + 1, corners, ramp)
        labels = [" ".join(f"{gap * self.dt:.9g}" for gap in row) for row in gaps]
        mask = (np.arange(n_steps)[None, :] < ends[:, None]).astype(float)
        hints, spans = hints if self.hint else None, self.dt * np.stack([onsets, stops], axis=3)
        epochs = {f"{name} {i + 1}": spans[:, i, j] for i in range(self.repeats) for j, name in enumerate(EVENTS)}
        return Trials(inputs, targets, dt=self.dt, conditions=labels, mask=mask, epochs=epochs, hints=hints)

    def _events(self, gaps: np.ndarray, half_pauses: np.ndarray):
        """First step of ready, set and go and first step after, (trial, repetition, event); trial lengths."""
        n_pulse = whole_steps(self.pulse, self.dt, "pulse")
        n_response = whole_steps(self.response, self.dt, "response")
        lengths = 2 * half_pauses + 2 * n_pulse + 2 * gaps + n_response
        ready = np.cumsum(lengths, axis=1) - lengths + half_pauses
        onsets = ready[:, :, None] + (n_pulse + gaps)[:, :, None] * np.arange(3)[None, None, :]
        return onsets, onsets + np.array([n_pulse, n_pulse, n_response])[None, None, :], lengths.sum(axis=1)
