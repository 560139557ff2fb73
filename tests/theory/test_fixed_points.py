"""Fixed points that are known, by construction or by enumeration, are found, and nothing else."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy.optimize import brentq
from scipy.stats import ortho_group

from recirc import compare
from recirc.circuits import AbstractCircuit, RateNetwork, from_arrays
from recirc.compare import find_fixed_points
from recirc.compare.fixed_points import jacobian, search_ends

TIME_CONSTANT = 0.05


def rate_network(recurrent, bias=0.0, nonlinearity=jnp.tanh):
    n_units = len(recurrent)
    return RateNetwork(
        recurrent=jnp.asarray(recurrent, float),
        input_weights=jnp.eye(n_units)[:, :2],
        readout=jnp.zeros((1, n_units)),
        bias=jnp.broadcast_to(jnp.asarray(bias, float), (n_units,)),
        start=jnp.zeros(n_units),
        time_constant=TIME_CONSTANT,
        nonlinearity=nonlinearity,
    )


class Rotated(AbstractCircuit):
    """A circuit seen in other coordinates, y = R x."""

    circuit: AbstractCircuit
    rotation: Float[Array, "unit unit"]

    def initial_state(self, n_trials):
        return self.rotation @ self.circuit.initial_state(n_trials)

    def step(self, state, inputs, noise, dt):
        return self.rotation @ self.circuit.step(self.rotation.T @ state, inputs, noise, dt)

    def velocity(self, state, inputs):
        return self.rotation @ self.circuit.velocity(self.rotation.T @ state, inputs)

    def rates(self, state):
        return self.circuit.rates(self.rotation.T @ state)


class TestThreeBitMemory:
    """Three blocks of four units, each block bistable, all mixed by a rotation: 27 fixed points, 8 stable."""

    gain, size = 1.6, 4
    level = brentq(lambda x: x - 1.6 * np.tanh(x), 0.1, 3)
    rotation = ortho_group.rvs(12, random_state=0)

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls):
        recurrent = np.kron(np.eye(3), np.full((cls.size, cls.size), cls.gain / cls.size))
        circuit = Rotated(rate_network(recurrent), jnp.asarray(cls.rotation))
        starts = np.random.default_rng(0).normal(size=(300, 12)) @ cls.rotation.T
        return circuit, find_fixed_points(circuit, np.zeros(2), starts)

    def planted(self, levels):
        blocks = np.array(list(itertools.product(levels, repeat=3)))
        return np.repeat(blocks, self.size, axis=1) @ self.rotation.T

    def test_all_points_and_no_others(self, found):
        points, planted = found[1].points, self.planted((-self.level, 0, self.level))
        nearest = np.linalg.norm(points[:, None] - planted[None], axis=2).argmin(axis=0)
        assert len(points) == len(planted) == 27
        np.testing.assert_allclose(points[nearest], planted, atol=1e-8)

    def test_the_memories_are_the_stable_ones(self, found):
        stable = found[1].points[found[1].stable]
        distance = np.linalg.norm(stable[:, None] - self.planted((-self.level, self.level))[None], axis=2)
        assert distance.shape == (8, 8)
        assert (distance.min(axis=0) < 1e-8).all()

    def test_unstable_modes_count_the_blocks_at_zero(self, found):
        blocks = (found[1].points @ self.rotation)[:, :: self.size]
        assert np.array_equal(found[1].n_unstable, np.sum(np.abs(blocks) < 1e-6, axis=1))

    def test_time_constants_are_those_of_a_block(self, found):
        slope = self.gain * (1 - np.tanh(self.level) ** 2)
        assert np.allclose(found[1].slowest_mode_s[found[1].stable], TIME_CONSTANT / (1 - slope), rtol=1e-6, atol=0)

    def test_jacobian_is_the_difference_quotient(self, found):
        circuit, inputs, state = found[0], jnp.zeros(2), jnp.asarray(found[1].points[5] + 0.1)
        step = 1e-5 * jnp.eye(12)
        quotient = [
            (
                circuit.velocity((state + e)[:, None], inputs[:, None])
                - circuit.velocity((state - e)[:, None], inputs[:, None])
            )
            / 2e-5
            for e in step
        ]
        np.testing.assert_allclose(jacobian(circuit, inputs, state), np.hstack(quotient), rtol=0, atol=1e-6)

    def test_every_search_is_counted(self, found):
        assert found[1].n_starts == 300
        assert 290 <= found[1].n_converged <= 300


def regions(network, inputs):
    """All fixed points of a ReLU network, by solving every linear region."""
    n_units = network.n_units
    drive = np.asarray(network.bias + network.input_weights @ inputs)
    points = []
    for active in itertools.product((0.0, 1.0), repeat=n_units):
        state = np.linalg.solve(np.eye(n_units) - np.asarray(network.recurrent) * np.array(active), drive)
        if np.array_equal(state > 0, np.array(active) > 0):
            points.append(state)
    return np.reshape(points, (-1, n_units))


@pytest.mark.parametrize("seed", range(4))
def test_relu_network_gives_the_points_of_all_its_regions(seed):
    random = np.random.default_rng(seed)
    recurrent = random.normal(size=(8, 8)) * 1.5 / np.sqrt(8)
    network = rate_network(recurrent, bias=random.normal(size=8), nonlinearity=jax.nn.relu)
    inputs = np.array([0.5, -0.5])
    starts = random.normal(size=(150, 8)) * 3
    spread = np.sqrt(np.sum((starts - starts.mean(axis=0)) ** 2, axis=1).mean())
    everywhere = regions(network, inputs)
    is_near = np.linalg.norm(everywhere - starts.mean(axis=0), axis=1) < 10 * spread
    expected = everywhere[is_near]
    found = find_fixed_points(network, inputs, starts)
    assert (found.n_far > 0) == (not is_near.all())
    assert len(found.points) == len(expected)
    for point in expected:
        assert np.linalg.norm(found.points - point, axis=1).min() < 1e-9 * (1 + np.linalg.norm(point))


def test_oscillation_has_its_frequency_and_a_held_input_moves_the_point():
    turn = 2 * np.pi * 3 * TIME_CONSTANT  # 3 Hz
    network = rate_network([[0.5, -turn], [turn, 0.5]], nonlinearity=lambda x: x)
    found = find_fixed_points(network, [1.0, 0.0], np.array([[0.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(found.frequencies, [[3.0, 3.0]], rtol=1e-9)
    np.testing.assert_allclose(found.slowest_mode_s, [2 * TIME_CONSTANT], rtol=1e-9)
    expected = np.linalg.solve(np.eye(2) - np.asarray(network.recurrent), [1.0, 0.0])
    np.testing.assert_allclose(found.points, [expected], atol=1e-12)


def beyond_the_saddle_node():
    """x' = -x + 1.6 tanh x + b, b just beyond where two points merge, and the tanh of where the speed is least."""
    edge = np.sqrt(1 - 1 / 1.6)
    height = 1.6 * edge - np.arctanh(edge)
    network = rate_network([[1.6]], bias=-height - 1e-3)
    return dataclasses.replace(network, input_weights=jnp.zeros((1, 1))), edge


def test_a_ghost_of_a_saddle_node_is_a_slow_point_and_no_fixed_point():
    """x' = -x + 1.6 tanh x + b has one point beyond |b| = 0.2018; where two merged, the speed has a minimum."""
    network, edge = beyond_the_saddle_node()
    found = find_fixed_points(network, [0.0], np.linspace(0.2, 2.0, 30)[:, None])
    assert found.stable.tolist() == [True]
    assert found.points[0, 0] < 0
    np.testing.assert_allclose(found.slow_points, [[np.arctanh(edge)]], atol=1e-3)
    np.testing.assert_allclose(found.slow_speeds, [1e-3 / TIME_CONSTANT], rtol=1e-3)


def test_points_far_from_all_starts_are_left_out_and_counted():
    """Two points at 0 and 1000: the second is not where the circuit was ever seen."""
    network = rate_network([[2.0]], nonlinearity=lambda x: 1000 * jnp.tanh(x / 1000))
    network = dataclasses.replace(network, input_weights=jnp.zeros((1, 1)))
    near = find_fixed_points(network, [0.0], np.linspace(-5.0, 5.0, 10)[:, None])
    np.testing.assert_allclose(near.points, [[0.0]], atol=1e-6)
    wide = find_fixed_points(network, [0.0], np.linspace(-3000.0, 3000.0, 10)[:, None])
    assert wide.stable.sum() == 2
    starts = np.array([[1500.0], [1510.0], [1520.0]])
    assert find_fixed_points(network, [0.0], starts).n_far >= 1


def test_wrong_use_is_refused():
    network = rate_network(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="starts must be"):
        find_fixed_points(network, [0.0, 0.0], np.zeros(2))
    with pytest.raises(ValueError, match="inputs must be"):
        find_fixed_points(network, [[0.0, 0.0]], np.zeros((1, 2)))
    for given, starts in (([0.0], np.zeros((1, 2))), ([0.0, 0.0], np.zeros((1, 3)))):
        with pytest.raises(ValueError, match=r"the circuit has 2 states and 2 inputs, got starts of \d and \d inputs"):
            find_fixed_points(network, given, starts)
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="64-bit"):
        find_fixed_points(network, [0.0, 0.0], np.zeros((1, 2)))
    assert compare.find_fixed_points is find_fixed_points


class TestManyStarts:
    """From 256 starts on the searches go side by side; what they find is what they find one by one."""

    def test_points_are_those_of_searches_one_by_one(self, monkeypatch):
        random = np.random.default_rng(0)
        signs = np.sign(random.normal(size=(40, 2)))
        weights = 0.5 * random.normal(size=(40, 40)) / np.sqrt(40) + 1.8 * signs @ signs.T / 40
        gru = from_arrays(
            weight_hh=np.concatenate([weights / 2, -weights, 1.5 * weights]), weight_ih=np.ones((120, 1)), dt=0.01
        )
        starts = np.tanh(random.normal(size=(300, 2)) @ signs.T + random.normal(size=(300, 40)) / 2)
        many = find_fixed_points(gru, [0.0], starts)
        monkeypatch.setattr("recirc.compare.fixed_points.MANY", 10**6)
        singly = find_fixed_points(gru, [0.0], starts)
        assert len(singly.points) >= 5
        assert many.n_converged >= 0.99 * singly.n_converged
        apart = np.linalg.norm(many.points[:, None] - singly.points[None], axis=2)
        assert (apart.min(axis=0) < 1e-6).mean() >= 0.8  # each may find one that the other misses
        assert (apart.min(axis=0)[singly.stable] < 1e-6).all()
        assert (many.speeds < 1e-6).all()

    def test_every_start_keeps_its_own_input(self):
        """x' = -x + u has its point at u; two inputs share no end, whatever is near."""
        network = rate_network(np.zeros((2, 2)))
        inputs = np.repeat([[1.0, 0.0], [1.0, 1e-4]], 150, axis=0)
        ends = search_ends(network, inputs, np.random.default_rng(0).normal(size=(300, 2)))
        np.testing.assert_allclose(ends, np.stack([inputs, inputs]), atol=1e-9)

    def test_saddles_are_found_from_the_memories_that_they_part(self):
        """Starts beside the 8 memories of a three-bit memory alone; its other 19 points lie between those."""
        memory, random = TestThreeBitMemory, np.random.default_rng(0)
        recurrent = np.kron(np.eye(3), np.full((memory.size, memory.size), memory.gain / memory.size))
        planted = np.repeat(list(itertools.product((-memory.level, 0, memory.level), repeat=3)), memory.size, axis=1)
        memories = planted[(planted != 0).all(axis=1)]
        starts = np.tile(memories, (32, 1)) + random.normal(size=(256, 12)) / 10
        points = find_fixed_points(rate_network(recurrent), np.zeros(2), starts).points
        assert len(points) == len(planted) == 27
        assert np.linalg.norm(points[:, None] - planted[None], axis=2).min(axis=0).max() < 1e-8

    def test_slow_points_are_still_told(self):
        network, edge = beyond_the_saddle_node()
        found = find_fixed_points(network, [0.0], np.linspace(0.2, 2.0, 256)[:, None])
        assert found.stable.tolist() == [True]
        np.testing.assert_allclose(found.slow_points, [[np.arctanh(edge)]], atol=1e-3)
