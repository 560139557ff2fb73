"""Sessions with known answers: what a network that is known would look like in a file, task by task.

`interpolations.py` says how reliable they are and how far interpolations get.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from scipy.ndimage import gaussian_filter1d

import recirc
from recirc import circuits
from recirc.data.conditions import condition_labels, in_order
from recirc.data.preprocessing import Preprocessing
from recirc.data.session import Series, Session
from recirc.data.spikes import smooth

DT = 0.005  # seconds, of networks and trials
TIME = DT * np.arange(-320, 280)  # seconds from the event that trials are aligned to, first edges of steps
BIN, SMOOTHING, MARGIN = 0.02, 0.035, 0.2  # seconds; trials go on beyond the window by the margin at least
N_NETWORK, N_UNITS, TIME_CONSTANT = 100, 36, 0.05
NETWORK = {"gain": 1.0, "input_scale": 0.7, "bias_scale": 0.3}
FLOOR, PEAK = 1.0, 25.0  # spikes/s: of every unit the lowest, and the median unit's highest
SMOOTH_NOISE, N_LATENTS = 0.07, 8  # seconds, and dimensions, of sessions without an answer
SPIKE_CLOCK, HZ = 2**15, 100.0


class MadeUp(NamedTuple):
    """A session and what is true of it.

    Args:
        session: as it would be recorded.
        preprocessing: that suits it.
        truth: the rates that averages of ever more trials come to, spikes/s, of all conditions and units in the order
            of the averages; binned and smoothed as these are.
        covariates: columns that describe a condition.
        events: columns of times that act on the network.
        inputs: series that acts on it, if there is one.
    """

    session: Session
    preprocessing: Preprocessing
    truth: recirc.Activity
    covariates: tuple[str, ...]
    events: tuple[str, ...]
    inputs: tuple[str, ...]


class Task(NamedTuple):
    """What happens in every condition.

    Args:
        covariates: columns, one value per condition.
        align, window: event at time 0, and s around it.
        events: s from time 0, of every other event, one per condition.
        inputs: of the network.
        behavior: name, unit and channels of the series, and its values on `TIME`; None for none.
        n_trials: per condition.
        network: settings of `RateNetwork.random`.
        held: how strongly activity on a ring around the cued angle excites itself; 0 for not at all.
        driven: name of the series that holds the inputs, if the session has one.
    """

    covariates: dict[str, np.ndarray]
    align: str
    window: tuple[float, float]
    events: dict[str, np.ndarray]
    inputs: np.ndarray  # (condition, time, input)
    behavior: tuple[str, str, tuple[str, ...], np.ndarray] | None
    n_trials: int = 40
    network: Mapping[str, float] = NETWORK
    held: float = 0.0
    driven: str = ""


def center_out(random: np.random.Generator) -> Task:
    """Eight directions, shown with the go cue; hand velocity."""
    angles = np.arange(8) * 45.0
    around = circle(angles)
    inputs = inputs_of((around, step(0.0) - step(0.35)), (2 * np.ones((8, 1)), step(0.0)))
    hand = 0.08 * around[:, None] * bell(0.2, 0.4)[:, :, None]
    behavior = "hand_velocity", "meters/second", ("x", "y"), hand
    return Task({"target_direction": angles}, "go_cue_time", (-0.2, 0.7), {}, inputs, behavior)


def planted(random: np.random.Generator) -> Task:
    """Two pulses of one input, at eight intervals; a series of the session holds them, and nothing moves.

    What follows the second one moves too far between intervals for interpolation; and the network is nonlinear.
    """
    interval = np.round(0.1 + 0.08 * np.arange(8), 3)
    pulses = pulse(np.zeros((8, 1))) + pulse(interval)
    network = NETWORK | {"gain": 1.5, "input_scale": 1.0}
    columns, events, inputs = {"interval": interval}, {"second_pulse_time": interval}, 3 * pulses[:, :, None]
    return Task(columns, "first_pulse_time", (-0.1, 1.0), events, inputs, None, network=network, driven="torque")


def scattered(random: np.random.Generator) -> Task:
    """Fourteen targets all over a disc at two speeds, less one combination that was never run: 27 conditions."""
    turns, radii = np.pi * (3 - np.sqrt(5)) * np.arange(14), np.sqrt((np.arange(14) + 0.5) / 14)
    places = radii[:, None] * circle(np.rad2deg(turns) + random.uniform(0, 360))
    places = np.round(0.1 * (places + random.normal(0, 0.04, places.shape)), 3)
    target, fast = (each.ravel()[:27] for each in np.meshgrid(random.permutation(14), [0, 1], indexing="ij"))
    position, duration = places[target], np.where(fast, 0.3, 0.45)
    encoded = np.column_stack([position / 0.06, np.where(fast, 1.0, -1.0)])
    inputs = inputs_of((encoded, step(0.0) - step(0.35)), (2 * np.ones((27, 1)), step(0.0)))
    hand = np.stack([place * bell(0.2, each)[0, :, None] for place, each in zip(position, duration)])
    columns = {"target_x": position[:, 0], "target_y": position[:, 1], "speed": np.where(fast, 0.4, 0.2)}
    behavior = "hand_velocity", "meters/second", ("x", "y"), hand
    return Task(columns, "go_cue_time", (-0.2, 0.7), {}, inputs, behavior, n_trials=24)


def ready_set_go(random: np.random.Generator) -> Task:
    """Eight intervals from ready to set, to be produced again; force rises through it. Trials are of unequal length."""
    interval = np.round(0.4 + 0.06 * np.arange(8), 3)
    known = standard(interval)
    sets, since_ready = np.zeros((8, 1)), np.clip(TIME + interval[:, None], 0, interval[:, None])
    produced = np.clip(TIME / interval[:, None], 0, 1)
    ones = np.ones((8, 1))
    cues = (ones, pulse(-interval)), (ones, step(sets)), (2 * ones, produced), (2 * ones, since_ready)
    inputs = inputs_of((0.3 * known, step(-interval)), *cues)
    behavior = "finger_force", "newton", ("force",), produced[:, :, None]
    columns = {"interval": interval}
    return Task(columns, "set_time", (-0.3, 0.6), {"ready_time": -interval}, inputs, behavior)


def choice(random: np.random.Generator) -> Task:
    """Evidence of eight signed strengths from the stimulus on; the lever goes its way, the faster the stronger."""
    strength = np.array([-1.0, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0])
    inputs = inputs_of((1.5 * strength[:, None], step(0.0) - step(0.4)), (2 * np.ones((8, 1)), step(0.0)))
    lever = np.tanh(3 * strength)[:, None, None] * bell(0.25, 0.45)[:, :, None] * 0.1
    behavior = "lever_velocity", "meters/second", ("right",), lever
    return Task({"coherence": strength}, "stimulus_on_time", (-0.2, 0.7), {}, inputs, behavior)


def bump(random: np.random.Generator) -> Task:
    """An angle, cued, held through a delay and read out after the go cue; nothing moves."""
    angles = np.arange(12) * 30.0
    ones, cue = np.ones((12, 1)), step(-0.5) - step(-0.3)
    inputs = inputs_of((0.7 * circle(angles), cue), (2 * ones, step(-0.5)), (3 * ones, step(0.0)))
    events, network = {"cue_on_time": np.full(12, -0.5)}, NETWORK | {"gain": 0.8}
    return Task({"cue_angle": angles}, "go_cue_time", (-0.6, 0.4), events, inputs, None, network=network, held=1.1)


KINDS: dict[str, Callable[[np.random.Generator], Task]] = {
    "center_out": center_out, "scattered": scattered, "ready_set_go": ready_set_go, "choice": choice, "bump": bump,
    "planted": planted,
}  # fmt: skip


def make(kind: str, seed: int, *, noise: bool = False) -> MadeUp:
    """The session of a kind (`KINDS`) and a seed; needs 64-bit floats.

    A random network of 100 units gets what the task shows: covariates, encoded, from one event on, and steps and pulses
    at others. Nothing of it is trained, it has no noise, and what lies close together gives activity that is alike. A
    recorded unit fires as a Poisson process, by a linear function of the rate of one unit of the network.

    Where activity is held ("bump"), the weights have a term of rank two more: a ring of attractors.
    Args:
        kind, seed: of the task, and of network, units, trials and spikes.
        noise: in place of the network's, rates of Gaussian processes in time, independent in every condition, of few
            dimensions and of as much power in every unit. No condition tells of another.
    """
    random = np.random.default_rng((seed, *map(ord, kind), noise))
    task = KINDS[kind](random)
    rates = recorded_rates(task, seed, random)
    if noise:
        rates = unrelated(rates, random)
    covariates = {name: np.asarray(values) for name, values in task.covariates.items()}
    events = (task.align, *task.events)
    chain = Preprocessing(
        align=task.align, window=task.window, dt=BIN, smoothing=SMOOTHING, conditions=tuple(covariates),
        radians=False if kind in ("center_out", "bump") else None,
        behavior=() if task.behavior is None else task.behavior[:1], minimum_reliability=-1.0,
        inputs=(task.driven,) if task.driven else (),
    )  # fmt: skip
    session = recorded(task, rates, kind, seed, random)
    return MadeUp(session, chain, true_averages(task, rates, chain), tuple(covariates), events, chain.inputs)


def recorded_rates(task: Task, seed: int, random: np.random.Generator) -> np.ndarray:
    """Rates of the recorded units, spikes/s (condition, time, unit), on `TIME`."""
    key, n_inputs = jax.random.key(seed), task.inputs.shape[2]
    network = circuits.RateNetwork.random(
        key=key, n_units=N_NETWORK, n_inputs=n_inputs, time_constant=TIME_CONSTANT, **task.network
    )
    if task.held:
        preferred = np.sqrt(2) * circle(360 * np.arange(N_NETWORK) / N_NETWORK)
        weights = network.input_weights.at[:, :2].set(preferred)
        held = task.held / N_NETWORK * preferred @ preferred.T
        network = dataclasses.replace(network, recurrent=network.recurrent + held, input_weights=weights)
    trials = recirc.Trials(
        task.inputs, np.zeros((*task.inputs.shape[:2], 0)), dt=DT, conditions=range(len(task.inputs))
    )
    made = np.asarray(circuits.simulate(network, trials, key=key).rates, float)
    made = made[:, :, np.sort(random.choice(N_NETWORK, N_UNITS, replace=False))]
    peak = PEAK * np.clip(random.lognormal(0, 0.4, N_UNITS), 0.4, 3)
    low, span = made.min(axis=(0, 1)), np.ptp(made, axis=(0, 1))
    return FLOOR + (peak - FLOOR) * (made - low) / span


def unrelated(rates: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rates that vary about the mean of every unit as much, in every condition by themselves."""
    n_conditions, n_steps, n_units = rates.shape
    latents = gaussian_filter1d(random.normal(size=(n_conditions, n_steps + 400, N_LATENTS)), SMOOTH_NOISE / DT, axis=1)
    made = latents[:, 200:-200] @ random.normal(size=(N_LATENTS, n_units))
    mean, spread = rates.mean(axis=(0, 1)), rates.std(axis=(0, 1))
    return np.maximum(mean + spread * (made - made.mean(axis=(0, 1))) / made.std(axis=(0, 1)), 0.0)


def recorded(task: Task, rates: np.ndarray, kind: str, seed: int, random: np.random.Generator) -> Session:
    """Trials in random order, with pauses, and the spikes and behavior in them."""
    n = len(rates)
    order = np.concatenate([random.permutation(n) for _ in range(task.n_trials)])
    since = np.stack(list(task.events.values()) or [np.zeros(n)])
    before = np.maximum(-task.window[0], -since.min(axis=0))[order] + MARGIN + DT * random.integers(0, 20, len(order))
    after = task.window[1] + MARGIN + DT * random.integers(0, 20, len(order))
    before, after = (np.round(each / DT).astype(int) for each in (before, after))
    pause = random.integers(40, 80, len(order))
    zero = np.cumsum(pause + before) + np.concatenate([[0], np.cumsum(after)[:-1]])  # steps, as all here
    times = {"start_time": zero - before, "stop_time": zero + after, task.align: zero}
    trials = {name: np.round(steps * DT, 6) for name, steps in times.items()}
    trials |= {name: np.round(zero * DT + values[order], 6) for name, values in task.events.items()}
    trials |= {name: np.asarray(values)[order] for name, values in task.covariates.items()}
    series, origin, n_steps = {}, round(-TIME[0] / DT), (zero + after)[-1] + 40
    values = None if task.behavior is None else np.zeros((n_steps, len(task.behavior[2])))
    drive = np.zeros((n_steps, task.inputs.shape[2]))
    found = [[] for _ in range(rates.shape[2])]
    for condition, at, lead, rest in zip(order, zero, before, after):
        part = slice(origin - lead, origin + rest)
        for times, counts in zip(found, random.poisson(rates[condition, part] * DT).T):
            times.append(
                (at - lead + np.repeat(np.arange(lead + rest), counts) + random.uniform(size=counts.sum())) * DT
            )
        drive[at - lead : at + rest] = task.inputs[condition, part]
        if values is not None:
            values[at - lead : at + rest] = task.behavior[3][condition, part]
    if values is not None:
        name, unit, channels, _ = task.behavior
        values = values[:: round(1 / HZ / DT)]
        values = values + random.normal(0, 0.01 * np.abs(values).max(), values.shape)
        series[name] = Series(values, channels, unit, rate=HZ)
    if task.driven:
        series[task.driven] = Series(drive, tuple(map(str, range(drive.shape[1]))), "newton meter", rate=1 / DT)
    spikes = tuple(np.unique(np.round(np.concatenate(times) * SPIKE_CLOCK)) / SPIKE_CLOCK for times in found)
    about = {"session_description": f"Simulated, not recorded: {kind}, made by a network.", "seed": str(seed)}
    spans = np.stack([trials["start_time"], trials["stop_time"]], axis=1)
    return Session(spikes, tuple(f"unit{i:02d}" for i in range(len(spikes))), trials, series,
                   observed=(spans,) * len(spikes), source="simulated", about=about)  # fmt: skip


def true_averages(task: Task, rates: np.ndarray, chain: Preprocessing) -> recirc.Activity:
    """The rates in bins of the window, smoothed as those of trials are."""
    columns = {name: np.asarray(values) for name, values in task.covariates.items()}
    labels = condition_labels(columns, chain.conditions or (), radians=chain.radians)
    order = [labels.index(label) for label in in_order(labels)]
    per_bin, n_pad = round(BIN / DT), round(MARGIN / BIN)
    first = round((task.window[0] - TIME[0]) / DT) - n_pad * per_bin
    n_bins = chain.n_bins + 2 * n_pad
    binned = rates[order, first : first + n_bins * per_bin].reshape(len(rates), n_bins, per_bin, -1).mean(axis=2)
    smoothed = np.moveaxis(smooth(np.moveaxis(binned, 1, 2), SMOOTHING, BIN), 2, 1)[:, n_pad:-n_pad]
    return recirc.Activity(
        smoothed, dt=BIN, start=task.window[0], conditions=in_order(labels),
        units=[f"unit{i:02d}" for i in range(rates.shape[2])],
        covariates={name: values[order] for name, values in columns.items()},
    )  # fmt: skip


def circle(degrees: np.ndarray) -> np.ndarray:
    """Cosine and sine of every angle."""
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)


def standard(values: np.ndarray) -> np.ndarray:
    """z-scores, one channel."""
    return ((values - values.mean()) / values.std())[:, None]


def step(when) -> np.ndarray:
    """1 from a time on, one row per time."""
    return (np.reshape(when, (-1, 1)) - 1e-9 <= TIME).astype(float)


def pulse(when) -> np.ndarray:
    """1 for 50 ms."""
    return step(when) - step(np.asarray(when) + 0.05)


def bell(start: float, duration: float) -> np.ndarray:
    """Speed of a reach of length 1, per second, one row."""
    u = np.clip((TIME - start) / duration, 0, 1)
    return 30 * (u * (1 - u))[None] ** 2 / duration


def inputs_of(*parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Values (condition, channel) while their course (condition or one, time) lasts, side by side."""
    return np.concatenate([values[:, None, :] * course[:, :, None] for values, course in parts], axis=2)
