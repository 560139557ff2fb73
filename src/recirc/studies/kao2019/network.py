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
from recirc.analyses.reference import Reference, active_units, rows_beside
from recirc.analyses.verdict import mechanism_rows, on_the_reference_clock
from recirc.circuits import RateNetwork, simulate
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
    """One network of the study: its weights, activity, history and rows.

    Networks of one seed share their random numbers over arms, so that arms can be compared in pairs.

    Args:
        reference: what it is compared with.
        specification: an entry of `design.specifications`.
    """
    seed = {name: specification[name] for name in ("study_seed", "seed", "n_units")}
    network_key, task_key, fit_key, probe_key = jax.random.split(specification_key(seed), 4)
    arm, line = specification["arm"], specification["target_line"]
    network = design.untrained(arm, n_units=specification["n_units"], key=network_key)
    angles = angles_of(reference)
    trained_on = design.task(angles, line).trials(design.N_TRIALS, key=task_key)
    trainer = design.trainer(specification["rate_penalty"], **specification["training"])
    trained = fit(trainer, network, trained_on, key=fit_key)
    if trained.outcome is Outcome.DIVERGED:
        return Result({}, {"outcome": trained.message, "rows": [], "history": trained.history})
    twin, network = dataclasses.replace(trained.network, recurrent=network.recurrent), trained.network
    task = design.measured_task(angles, line)
    trials = task.trials(len(angles), key=task_key)
    made = simulate(network, trials, key=probe_key)
    config = design.comparison(design.onset(task), specification["n_draws"])
    on_clock = lambda made: on_the_reference_clock(made, reference.activity, design.onset(task))  # noqa: E731
    seen, untrained = on_clock(made), on_clock(simulate(twin, trials, key=probe_key))
    is_finite, theirs = bool(np.isfinite(untrained.rates).all()), []
    twins = [untrained] if is_finite and active_units(untrained).sum() >= config.least_units else []
    rows = rows_beside(seen, reference, config, key=probe_key, arm=arm, twins=twins)
    if is_finite:
        theirs = rows_beside(untrained, reference, config, key=probe_key, arm=f"untrained_{arm}")
    rows = _performance(network, trials, made, trained, arm, probe_key) + with_twin(rows, theirs) + theirs
    rows += _robustness(network, trials, arm, probe_key)
    arrays = {"rates": np.asarray(seen.rates, np.float32), "outputs": np.asarray(made.outputs, np.float32)}
    arrays |= weights_of(network)
    rows += _generalization(network, task, arm, probe_key, arrays)
    conflict = design.measured_task(angles, "on").trials(len(angles), key=task_key)  # of every arm alike
    summary = compare.mechanism_of(network, conflict, trained_on=trained_on, key=probe_key)
    rows += mechanism_rows(network, trials, summary, config.epochs, key=probe_key, arm=arm)
    if specification["seed"] == 0 and active_units(made).sum() >= config.least_units:
        arrays |= flows(network, trials, key=probe_key)
    return Result(arrays, {"rows": [dataclasses.asdict(row) for row in rows], "history": trained.history})


def _performance(network, trials: Trials, made: Activity, trained: Fit, arm: str, key) -> list[Row]:
    asked = made.replace(rates=made.rates[:, :, :1], units=None, outputs=trials.targets)
    rate = Score("mean_squared_rate", float(np.mean(np.asarray(made.rates) ** 2)), "performance", "lower")
    scores = [R2(made, asked), rate, compare.NewTrials("train")(network, trials, key=key)]
    scores.append(Score("goal_reached", float(trained.outcome is Outcome.REACHED), "performance"))
    scores.append(Score("n_passes", float(len(trained.history)), "performance", "lower"))
    return [Row.of(score, arm, {"set": "train"}) for score in scores]


def _robustness(network: RateNetwork, trials: Trials, arm: str, key) -> list[Row]:
    """Errors under noise; every trial has its own draw."""
    repeated = trials.select(np.tile(np.arange(trials.n_trials), N_REPEATS))
    probes = [compare.InputNoise(sigma, network.time_constant) for sigma in design.INPUT_NOISES]
    probes += [compare.PrivateNoise(sigma) for sigma in (0.5, 1.0, 2.0)]
    return [Row.of(probe(network, repeated, key=key), arm) for probe in probes]


def _generalization(network: RateNetwork, task: DelayedReach, arm: str, key, arrays: dict) -> list[Row]:
    """R² where training never went: new angles, radii and delays, and targets that jump, with positions for figures."""
    tests: list[tuple[str, dict[str, float], DelayedReach]] = [("heldout_direction", {}, task.between())]
    tests += [("radius", {"scale": scale}, task.replace(radius=scale)) for scale in design.RADII]
    tests += [("delay", {"delay_s": delay}, task.replace(delay=delay)) for delay in design.DELAYS]
    for time in design.SWITCHES:
        shown = {"target_off": None} if time >= 0 else {}  # a target that jumps after go has to be seen in every arm
        tests.append(("target_switch", {"time_s": time}, task.replace(switch=(time, 90.0), **shown)))
    rows = []
    for name, settings, changed in tests:
        trials = changed.trials(len(task.angles), key=key)
        score = compare.NewTrials(name, settings, measure=R2)(network, trials, key=key)
        rows.append(Row.of(score, arm, {"set": name} | settings))
        if name == "target_switch":
            outputs = simulate(network, trials, key=key).outputs
            arrays[f"switch_{settings['time_s']}"] = np.asarray(outputs, np.float32)[:, :, 2:4]
    return rows


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
