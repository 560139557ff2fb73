"""Train one network of the delayed reach study, and measure it on every level."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc import compare
from recirc.analyses import Result, Row, specification_key, with_twin
from recirc.analyses.arrays import weights_of
from recirc.analyses.reference import active_units, rows_beside
from recirc.analyses.verdict import mechanism_rows, on_the_reference_clock
from recirc.analyses.verdict_config import Reference
from recirc.circuits import RateNetwork, simulate
from recirc.compare.base import AbstractProbe
from recirc.studies.kao2019 import design
from recirc.studies.kao2019.reference import angles_of
from recirc.tasks import DelayedReach
from recirc.train import Fit, fit
from recirc.types import Activity, Outcome, Score, Trials

N_REPEATS = 4  # of every direction, where a test is random
R2 = compare.OutputR2(groups=design.GROUPS)
N_GRID = 15
N_POINTS = 12  # fixed points kept per epoch for the figure; rows that are not used are nan


def train_network(reference: Reference, specification: Mapping[str, Any]) -> Result:
    """One network of the study: its weights, history and rows, and of the first seed what figures show.

    Networks of one seed share their random numbers and left-out directions over arms, so that arms can be compared in
    pairs.

    Args:
        reference: what it is compared with.
        specification: an entry of `design.specifications`.
    """
    seed = {name: specification[name] for name in ("study_seed", "seed", "n_units")}
    network_key, task_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    arm, is_first = specification["arm"], specification["seed"] == 0
    network = design.untrained(arm, n_units=specification["n_units"], key=network_key)
    angles = angles_of(reference)
    unseen = design.left_out(angles, specification["seed"])
    seen_angles = tuple(angle for angle in angles if angle not in unseen)
    trained_on = design.task(seen_angles, specification["target_off_share"]).trials(design.N_TRIALS, key=task_key)
    trainer = design.trainer(specification["rate_penalty"], **specification["training"])
    trained = fit(trainer, network, trained_on, key=fit_key)
    if trained.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": trained.message, "rows": [], "history": trained.history})
    twin, network = dataclasses.replace(trained.network, recurrent=network.recurrent), trained.network
    task = design.measured_task(angles)
    trials = task.trials(len(angles), key=task_key)
    made = simulate(network, trials, key=probe_key)
    draws = {name: specification[name] for name in ("n_draws", "n_pairs")}
    config = design.comparison(design.onset(task), left_out=unseen, **draws)
    on_clock = lambda made: on_the_reference_clock(made, reference.activity, design.onset(task))  # noqa: E731
    seen, untrained = on_clock(made), on_clock(simulate(twin, trials, key=probe_key))
    is_finite, theirs = bool(np.isfinite(untrained.rates).all()), []
    twins = [untrained] if is_finite and active_units(untrained).sum() >= config.least_units else []
    common = {"key": probe_key, "halves_key": specification_key(specification["reference"])}
    rows = rows_beside(seen, reference, config, arm=arm, twins=twins, **common)
    if is_finite:
        theirs = rows_beside(untrained, reference, config, arm=f"untrained_{arm}", brief=True, **common)
    is_seen = np.array([angle not in unseen for angle in angles])
    rows = _performance(made, trials, is_seen, trained, arm) + with_twin(rows, theirs) + theirs
    trained_directions = trials.select(np.flatnonzero(is_seen))
    rows += _robustness(network, trained_directions, arm, probe_key)
    shown = {"rates": np.asarray(seen.rates, np.float32), "outputs": np.asarray(made.outputs, np.float32)}
    rows += _generalization(network, task.replace(angles=seen_angles), arm, probe_key)
    summary = compare.mechanism_of(network, trained_directions, trained_on=trained_on, key=probe_key)
    rows += mechanism_rows(network, trials, summary, config.epochs if is_first else (), key=probe_key, arm=arm)
    arrays = weights_of(network)
    if is_first:
        arrays |= shown | _switched(network, task, probe_key)
        if active_units(made).sum() >= config.least_units:
            arrays |= flows(network, trials, key=probe_key)
    return Result(arrays, {"rows": [dataclasses.asdict(row) for row in rows], "history": trained.history})


def _performance(made: Activity, trials: Trials, is_seen: np.ndarray, trained: Fit, arm: str) -> list[Row]:
    asked = made.replace(rates=made.rates[:, :, :1], units=None, outputs=trials.targets)
    rows = []
    for name, chosen in (("train", is_seen), ("heldout_direction", ~is_seen)):
        index = np.flatnonzero(chosen)
        score = R2(made.select(index), asked.select(index))
        level = "performance" if name == "train" else "generalization"
        rows.append(Row.of(dataclasses.replace(score, level=level), arm, {"set": name}))
    rate = float(np.mean(np.asarray(made.rates) ** 2))
    rows.append(Row.of(Score("mean_squared_rate", rate, "performance", "lower"), arm, {"set": "train"}))
    last = Score("n_passes", float(len(trained.history)), "performance", "lower")
    return [*rows, Row.of(last, arm, {"set": "train"})]


def _robustness(network: RateNetwork, trials: Trials, arm: str, key) -> list[Row]:
    """Errors without noise and under it; every trial has its own draw."""
    repeated, tau = trials.select(np.tile(np.arange(trials.n_trials), N_REPEATS)), network.time_constant
    probes: list[AbstractProbe] = [compare.NewTrials("train")]
    probes += [compare.InputNoise(sigma, tau) for sigma in design.INPUT_NOISES]
    probes += [compare.InputNoise(design.NOISE, tau, name=name, **where) for name, where in design.NOISES.items()]
    return [Row.of(probe(network, repeated, key=key), arm) for probe in probes]


def _generalization(network: RateNetwork, task: DelayedReach, arm: str, key) -> list[Row]:
    """R² where training never went: radii, delays, and targets that jump."""
    tests: list[tuple[str, dict[str, float], DelayedReach]] = []
    tests += [("radius", {"scale": scale}, task.replace(radius=scale)) for scale in design.RADII]
    tests += [("delay", {"delay_s": delay}, task.replace(delay=delay)) for delay in design.DELAYS]
    tests += [("target_switch", {"time_s": time}, task.replace(switch=(time, 90.0))) for time in design.SWITCHES]
    rows = []
    for name, settings, changed in tests:
        trials = changed.trials(len(task.angles), key=key)
        score = compare.NewTrials(name, settings, measure=R2)(network, trials, key=key)
        rows.append(Row.of(score, arm, {"set": name} | settings))
    return rows


def _switched(network: RateNetwork, task: DelayedReach, key) -> dict[str, np.ndarray]:
    """Positions of the hand in every direction when the target jumps."""
    paths = {}
    for time in design.SWITCHES:
        trials = task.replace(switch=(time, 90.0)).trials(len(task.angles), key=key)
        outputs = simulate(network, trials, key=key).outputs
        paths[f"switch_{time}"] = np.asarray(outputs, np.float32)[:, :, 2:4]
    return paths


def flows(network: RateNetwork, trials: Trials, *, key: PRNGKeyArray) -> dict[str, np.ndarray]:
    """Flow of the rates in the plane of their two leading components, under the input of the first condition.

    One field per epoch, around the mean state over conditions in its middle, with trajectories and fixed points.

    Returns:
        `flow` (epoch, x|y|u|v, grid, grid), `flow_points` (epoch, point, x|y|stable), `flow_path` (condition, time,
        x|y), `flow_steps` (epoch, first|last step).
    """
    states = compare.states_along(network, trials)
    rates = np.asarray(network.rates(jnp.asarray(states)))
    state_plane, plane = compare.principal_plane(states), compare.principal_plane(rates)
    extent = 1.2 * float(np.abs(state_plane.project(states)).max())
    fields, points, steps = [], np.full((len(design.EPOCHS), N_POINTS, 3), np.nan), []
    for index, epoch in enumerate(design.EPOCHS):
        first, last = np.round(trials.epochs[epoch][0] / trials.dt).astype(int)
        middle = (first + last) // 2
        held, center = np.asarray(trials.inputs)[0, middle], states[:, middle].mean(axis=0)
        field = compare.flow_field(network, held, center, state_plane.axes, plane, extent=extent, n_grid=N_GRID)
        fields.append(np.stack([field.x, field.y, field.u, field.v]))
        found = compare.fixed_points_in_epoch(network, trials, epoch, key=key)[trials.conditions[0]]
        place = plane.project(np.asarray(network.rates(jnp.asarray(found.points))))[:N_POINTS]
        points[index, : len(place), :2] = place
        points[index, : len(place), 2] = found.stable[:N_POINTS]
        steps.append((first, last))
    found = {"flow": np.stack(fields), "flow_points": points, "flow_path": plane.project(rates)}
    return found | {"flow_steps": np.array(steps, np.float32)}
