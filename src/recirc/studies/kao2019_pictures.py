"""What the study's pictures of a mechanism need: flow fields and fixed points in a plane, epoch by epoch."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.circuits import RateNetwork
from recirc.compare import fixed_points_in_epoch, flow_field, principal_plane, states_along
from recirc.types import Trials

EPOCHS = ("hold", "delay", "movement")
N_GRID = 15
N_POINTS = 12  # fixed points kept per epoch; rows that are not used are nan


def flows(network: RateNetwork, trials: Trials, *, key: PRNGKeyArray) -> dict[str, np.ndarray]:
    """Flow of the rates in the plane of their two leading components, under the input of the first condition.

    One field per epoch, around the mean state over conditions in its middle, with trajectories of all conditions and
    the fixed points that were found.

    Returns:
        `flow` (epoch, x|y|u|v, grid, grid), `flow_points` (epoch, point, x|y|stable), `flow_path` (condition, time,
        x|y), `flow_steps` (epoch, first|last step).
    """
    states = states_along(network, trials)
    rates = np.asarray(network.rates(jnp.asarray(states)))
    state_plane, plane = principal_plane(states), principal_plane(rates)
    extent = 1.2 * float(np.abs(state_plane.project(states)).max())
    spans = trials.epochs
    fields, points, steps = [], np.full((len(EPOCHS), N_POINTS, 3), np.nan), []
    for index, epoch in enumerate(EPOCHS):
        first, last = np.round(spans[epoch][0] / trials.dt).astype(int)
        middle = (first + last) // 2
        held = np.asarray(trials.inputs)[0, middle]
        center = states[:, middle].mean(axis=0)
        field = flow_field(network, held, center, state_plane.axes, plane, extent=extent, n_grid=N_GRID)
        fields.append(np.stack([field.x, field.y, field.u, field.v]))
        found = fixed_points_in_epoch(network, trials, epoch, key=key)[trials.conditions[0]]
        place = plane.project(np.asarray(network.rates(jnp.asarray(found.points))))[:N_POINTS]
        points[index, : len(place), :2] = place
        points[index, : len(place), 2] = found.stable[:N_POINTS]
        steps.append((first, last))
    return {
        "flow": np.stack(fields),
        "flow_points": points,
        "flow_path": plane.project(rates),
        "flow_steps": np.array(steps),
    }
