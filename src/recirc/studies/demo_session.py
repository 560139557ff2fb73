"""A simulated reach session: what a recording of the stability-optimized circuit would look like in a file."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from recirc import circuits
from recirc.circuits import simulate
from recirc.data.session import Series, Session
from recirc.data.write_nwb import check_new, write_nwb
from recirc.types import Trials

HZ = 100.0  # of behavior
DT = 1 / HZ
LEAD = 0.1  # seconds by which activity leads the hand
BEFORE, AFTER = 1.6, 0.9  # seconds around the release of the circuit that are simulated
DISTANCE, REACH = 0.08, 0.35  # of a reach: meters, seconds
RISE = 0.0594  # of a reach, until its speed is 5 % of its peak and counts as movement (`data.movement_onset`)
GATE = 0.15  # seconds after the target's onset until activity follows it
SPIKE_CLOCK = 2**15  # ticks per second; a power of two, since exact times compress well
N_MUSCLES = 4
_DESCRIPTION = (
    "Simulated, not recorded: delayed reaches made by a stability-optimized circuit of excitatory and inhibitory "
    "units, with Poisson spikes of some of its units, four muscles and the hand."
)


@dataclasses.dataclass(frozen=True)
class DemoSession:
    """A session of delayed reaches to targets around a circle, made by a circuit that is known.

    The circuit's state is prepared during the delay and let go of before the hand moves, as in
    `circuits.preparation_currents`. Its states lie on a closed curve, cosine and sine of the direction and, weaker, of
    its double, along four preferred states. The rate of each recorded unit is a baseline and a share of the circuit's
    deviation from its own, and its spikes are a Poisson process. Trials differ in delay, reaction time and vigor.

    Args:
        n_units: recorded, at most as many as the circuit has.
        n_directions: targets, at equal steps from the right.
        n_repeats: trials per target.
        circuit_units: size of the circuit.
        second_harmonic: amplitude of the doubled direction; 0 for cosine tuning of the prepared states.

    Raises:
        ValueError: if a number is out of range.
    """

    n_units: int = 72
    n_directions: int = 8
    n_repeats: int = 25
    circuit_units: int = 100
    second_harmonic: float = 0.5

    def __post_init__(self):
        if not (1 <= self.n_units <= self.circuit_units and self.n_directions > 0 and self.n_repeats > 0):
            got = f"got {self.n_units}, {self.n_directions} and {self.n_repeats}."
            raise ValueError(f"n_units must be 1 to {self.circuit_units}, n_directions and n_repeats positive; {got}")

    def make(self, seed: int = 0) -> Session:
        """The session of a seed; needs 64-bit floats.

        Example:
            >>> import recirc
            >>> recirc.enable_x64()
            >>> session = DemoSession(n_units=5, n_repeats=1, circuit_units=40).make()
            >>> session.n_units, session.n_trials, list(session.series)
            (5, 8, ['hand_position', 'hand_velocity', 'emg'])
        """
        random = np.random.default_rng(seed)
        rates, muscles = self._moving_circuit(seed)
        trials, directions = self._trials(random)
        release, vigor = trials["move_onset_time"] - LEAD, random.normal(1, 0.1, len(directions))
        n_steps = int(np.ceil(trials["stop_time"][-1] * HZ)) + 1
        deviation, emg = np.zeros((n_steps, rates.shape[2])), np.zeros((n_steps, muscles.shape[2]))
        time = np.arange(n_steps) * DT
        for i, direction in enumerate(directions):
            first = round((release[i] - BEFORE) * HZ)
            span = slice(max(first, 0), min(first + rates.shape[1], n_steps))
            part = slice(span.start - first, span.stop - first)
            follows = (time >= trials["target_on_time"][i] + GATE) & (time < trials["stop_time"][i])
            own = (follows[span] * vigor[i])[:, None]
            deviation[span] += own * rates[direction, part]
            emg[span] += own * muscles[direction, part]
        return Session(
            spikes=_spikes(self._unit_rates(deviation, random), trials, random),
            units=tuple(f"unit{i + 1:03d}" for i in range(self.n_units)),
            trials=trials,
            series=_behavior(trials, directions, self.n_directions, emg, random),
            observed=(np.stack([trials["start_time"], trials["stop_time"]], axis=1),) * self.n_units,
            source="simulated",
            about={"session_description": _DESCRIPTION, "seed": str(seed)},
        )

    def _moving_circuit(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rates (direction, time, unit), deviations from baseline, and muscles; time from `BEFORE` the release on."""
        keys = jax.random.split(jax.random.key(seed), 3)
        cortex = circuits.stability_optimized(key=keys[0], n_units=self.circuit_units)
        angles, weak = 2 * np.pi * np.arange(self.n_directions) / self.n_directions, self.second_harmonic
        curve = [np.cos(angles), np.sin(angles), weak * np.cos(2 * angles), weak * np.sin(2 * angles)]
        states = circuits.preferred_states(cortex, 4) @ jnp.asarray(np.stack(curve))
        n_steps = round((BEFORE + AFTER) * HZ)
        currents = circuits.preparation_currents(cortex, states, n_steps=n_steps, dt=DT, go=BEFORE)
        labels, no_targets = [f"{angle:g}" for angle in angles], jnp.zeros((*currents.shape[:2], 0))
        driven = Trials(currents, no_targets, dt=DT, conditions=labels)
        moved = simulate(cortex, driven, key=keys[1])
        targets = circuits.direction_targets(angles, driven.time - BEFORE, N_MUSCLES, key=keys[2])
        cortex, _ = circuits.fit_muscles(cortex, moved, targets, penalty=10.0)
        muscles = np.asarray(moved.rates) @ np.asarray(cortex.readout).T + np.asarray(cortex.readout_bias)
        return np.asarray(moved.rates), muscles

    def _trials(self, random: np.random.Generator) -> tuple[dict[str, np.ndarray], Int[np.ndarray, " trial"]]:
        """The table of trials, with times on a clock of a millisecond, and the direction of each."""
        directions = np.concatenate([random.permutation(self.n_directions) for _ in range(self.n_repeats)])
        n = len(directions)
        hold, delay = random.uniform(0.3, 0.5, n), random.uniform(0.5, 0.9, n)
        reaction = np.clip(random.gamma(36, 0.25 / 36, n), 0.15, 0.4)
        after, pause = 0.65 + random.uniform(0, 0.1, n), random.uniform(0.4, 0.6, n)
        edges = np.cumsum(np.round(np.stack([pause, hold, delay, reaction, after], axis=1), 3).ravel())
        start, target, go, move, stop = np.round(edges.reshape(n, 5), 3).T
        angles = 360 * directions / self.n_directions
        x, y = (np.round(DISTANCE * side(np.deg2rad(angles)), 6) + 0.0 for side in (np.cos, np.sin))
        times = {"start_time": start, "stop_time": stop, "target_on_time": target, "go_cue_time": go}
        places = {"move_onset_time": move, "target_direction": angles, "target_x": x, "target_y": y}
        return times | places, directions

    def _unit_rates(self, deviation: np.ndarray, random: np.random.Generator) -> Float[np.ndarray, "time unit"]:
        own = deviation[:, np.sort(random.choice(deviation.shape[1], self.n_units, replace=False))]
        baseline = np.clip(random.lognormal(np.log(8), 0.5, self.n_units), 3, 25)
        depth = random.uniform(1.0, 2.0, self.n_units) * baseline + 4
        largest = np.quantile(np.abs(own), 0.995, axis=0)
        return np.maximum(baseline + depth * own / np.where(largest > 0, largest, 1), 0.2)


def write_demo(path: Path, *, seed: int = 0) -> None:
    """Write the session of a seed as a new NWB file.

    Raises:
        ValueError: as `write_nwb`, before anything is simulated.
    """
    check_new(path)
    write_nwb(DemoSession().make(seed), path)


def _spikes(rates: np.ndarray, trials: dict[str, np.ndarray], random) -> tuple[np.ndarray, ...]:
    """Poisson spikes within the trials, on the clock of the recording."""
    time = np.arange(len(rates)) * DT
    place = np.searchsorted(trials["start_time"], time, side="right") - 1
    seen, found = (place >= 0) & (time + DT <= trials["stop_time"][np.maximum(place, 0)]), []
    for rate in rates.T:
        counts = random.poisson(np.where(seen, rate, 0.0) * DT)
        times = np.repeat(time, counts) + random.uniform(0, DT, counts.sum())
        found.append(np.unique(np.round(times * SPIKE_CLOCK)) / SPIKE_CLOCK)
    return tuple(found)


def _behavior(trials: dict, directions: np.ndarray, n_directions: int, emg: np.ndarray, random) -> dict[str, Series]:
    """The hand's way to the target and back, and the muscles, as they are recorded."""
    time = np.arange(len(emg)) * DT
    position, velocity = np.zeros((2, len(time), 2))
    for i, angle in enumerate(2 * np.pi * directions / n_directions):
        turned, length = angle + random.normal(0, 0.04), DISTANCE * random.normal(1, 0.03)
        way = length * np.array([np.cos(turned), np.sin(turned)])
        for start, sign in ((trials["move_onset_time"][i] - RISE * REACH, 1), (trials["stop_time"][i], -1)):
            u = np.clip((time - start) / REACH, 0, 1)
            position += sign * (10 * u**3 - 15 * u**4 + 6 * u**5)[:, None] * way
            velocity += sign * (30 * u**2 * (1 - u) ** 2 / REACH)[:, None] * way
    position += random.normal(0, 1e-4, position.shape)
    velocity += random.normal(0, 2e-3, velocity.shape)
    envelope = np.log1p(np.exp(2 * emg / max(emg.std(), 1e-9))) * 0.1 + random.gamma(4, 0.005, emg.shape)
    names = tuple(f"muscle{i + 1}" for i in range(emg.shape[1]))
    return {
        "hand_position": Series(_rounded(position, 1e-5), ("x", "y"), "meters", rate=HZ),
        "hand_velocity": Series(_rounded(velocity, 1e-4), ("x", "y"), "meters/second", rate=HZ),
        "emg": Series(_rounded(envelope, 1e-3), names, "volts", rate=HZ),
    }


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    return (np.round(values / step) * step).astype(np.float32)
