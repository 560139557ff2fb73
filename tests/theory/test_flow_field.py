"""A flow field shows the flow: against differences along trajectories, in known planes, at fixed points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ortho_group

from recirc.circuits import RateNetwork
from recirc.compare import ProjectionPlane, find_fixed_points, flow_field, principal_plane

TURN = np.array([[0.9, -0.6], [0.6, 0.9]])


@pytest.fixture(scope="module")
def network(key):
    return RateNetwork.random(n_units=12, bias_scale=0.3, key=key)


def planar(nonlinearity=lambda x: x):
    """Ten units, of which two turn in a rotated plane and the others only decay."""
    rotation = ortho_group.rvs(10, random_state=1)
    recurrent = rotation[:, :2] @ TURN @ rotation[:, :2].T
    made = RateNetwork(
        jnp.asarray(recurrent),
        jnp.zeros((10, 1)),
        jnp.zeros((1, 10)),
        jnp.zeros(10),
        jnp.zeros(10),
        nonlinearity=nonlinearity,
    )
    return made, rotation[:, :2]


def test_arrows_are_where_the_rates_are_a_moment_later(network):
    inputs, center = np.array([0.3, -0.2]), np.linspace(-1, 1, 12)
    axes = ortho_group.rvs(12, random_state=0)[:, :2]
    plane = ProjectionPlane(np.full(12, 0.1), ortho_group.rvs(12, random_state=1)[:, :2])
    field = flow_field(network, inputs, center, axes, plane, extent=2.0, n_grid=4)
    first, second = np.meshgrid(np.linspace(-2, 2, 4), np.linspace(-2, 2, 4))
    for i, j in ((0, 0), (1, 3), (3, 2)):
        state = jnp.asarray(center + first[i, j] * axes[:, 0] + second[i, j] * axes[:, 1])[:, None]
        later = network.step(state, jnp.asarray(inputs)[:, None], jnp.zeros(()), 1e-8)
        now, soon = (plane.project(network.rates(each)[:, 0]) for each in (state, later))
        np.testing.assert_allclose([field.x[i, j], field.y[i, j]], now, atol=1e-12)
        np.testing.assert_allclose([field.u[i, j], field.v[i, j]], (soon - now) / 1e-8, rtol=1e-4, atol=1e-3)


def test_a_plane_that_the_flow_does_not_leave_shows_it_all():
    circuit, axes = planar()
    field = flow_field(circuit, [0.0], np.zeros(10), axes, ProjectionPlane(np.zeros(10), axes))
    assert field.out_of_plane.max() < 1e-12
    expected = np.stack([field.x, field.y], axis=-1) @ (TURN - np.eye(2)).T / circuit.time_constant
    np.testing.assert_allclose(np.stack([field.u, field.v], axis=-1), expected, atol=1e-9)
    other = ortho_group.rvs(10, random_state=2)[:, :2]
    assert flow_field(circuit, [0.0], np.zeros(10), axes, ProjectionPlane(np.zeros(10), other)).out_of_plane.max() > 0.5


def test_nothing_moves_at_a_fixed_point(network):
    found = find_fixed_points(network, [0.5, 0.5], np.random.default_rng(0).normal(size=(20, 12)))
    axes = np.eye(12)[:, :2]
    rates = np.asarray(network.rates(jnp.asarray(found.points[0])))
    field = flow_field(network, [0.5, 0.5], found.points[0], axes, ProjectionPlane(rates, axes), n_grid=3)
    middle = [each[1, 1] for each in (field.x, field.y, field.u, field.v)]
    np.testing.assert_allclose(middle, 0, atol=1e-8)
    assert np.abs(field.u).max() > 1


def test_principal_plane_is_that_of_most_variance_and_projects_without_stretching():
    random = np.random.default_rng(0)
    rotation = ortho_group.rvs(6, random_state=0)
    samples = random.normal(size=(4, 100, 6)) * [5, 3, 0.1, 0.1, 0.1, 0.1] @ rotation + 7
    plane = principal_plane(samples)
    inside = rotation[:2].T @ rotation[:2]
    assert np.linalg.norm(plane.axes - inside @ plane.axes) < 0.02
    assert plane.share > 0.99
    np.testing.assert_allclose(plane.project(plane.center + plane.axes @ [3.0, 4.0]), [3, 4])
    np.testing.assert_allclose(plane.project(samples).mean((0, 1)), 0, atol=1e-9)


def test_wrong_use_is_refused(network):
    axes = np.eye(12)[:, :2]
    plane = ProjectionPlane(np.zeros(12), axes)
    with pytest.raises(ValueError, match="orthonormal"):
        ProjectionPlane(np.zeros(12), 2 * axes)
    with pytest.raises(ValueError, match="state_axes"):
        flow_field(network, np.zeros(2), np.zeros(12), axes[:, :1], plane)
    with pytest.raises(ValueError, match="extent positive"):
        flow_field(network, np.zeros(2), np.zeros(12), axes, plane, extent=0.0)
    with pytest.raises(ValueError, match="span a plane"):
        principal_plane(np.outer(np.arange(5), np.ones(3)))
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="64-bit"):
        flow_field(network, np.zeros(2), np.zeros(12), axes, plane)
