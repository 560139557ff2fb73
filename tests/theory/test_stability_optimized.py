"""The reference circuit against its claims: stability, signs, gradients, energies, order of its solver."""

import dataclasses

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import brentq

import recirc
from recirc.circuits.stability_optimization import (
    initial_weights,
    project_inhibition,
    schur_lyapunov,
    smoothed_abscissa_gradient,
)


@pytest.fixture(scope="module")
def cortex():
    return recirc.circuits.stability_optimized(key=jax.random.key(0), cache=False)


@pytest.fixture(scope="module")
def small():
    return recirc.circuits.stability_optimized(n_units=60, key=jax.random.key(1), cache=False)


def run(circuit, currents, dt=0.001):
    targets = np.zeros((*currents.shape[:2], 1))
    labels = [str(i) for i in range(len(currents))]
    trials = recirc.Trials(currents, targets, dt=dt, conditions=labels)
    return recirc.simulate(circuit, trials, key=jax.random.key(0))


@pytest.mark.parametrize("name", ["cortex", "small"])
def test_weights_have_the_stated_structure(name, request):
    circuit = request.getfixturevalue(name)
    weights, n_units = np.asarray(circuit.recurrent), circuit.n_units
    half = circuit.n_excitatory
    pairs = half * (n_units - 1)
    assert half == n_units // 2
    assert np.linalg.eigvals(weights).real.max() <= 0.15 + 1e-9
    assert np.all(np.diag(weights) == 0)
    assert np.all(weights[:, :half] >= 0)
    assert np.all(weights[:, half:] <= 0)
    assert np.count_nonzero(weights[:, :half]) / pairs == pytest.approx(0.1, abs=0.02)
    assert np.count_nonzero(weights[:, half:]) / pairs == pytest.approx(0.4, abs=1e-3)
    for rows in (slice(None, half), slice(half, None)):
        ratio = weights[rows, half:].mean() / weights[rows, :half].mean()
        assert ratio == pytest.approx(-3, rel=1e-10)


def test_descent_leaves_excitation_alone(small):
    seed = np.asarray(jax.random.key_data(jax.random.key(1))).tolist()
    first = initial_weights(60, 0.1, 3.0, 10.0, np.random.default_rng(seed))
    assert np.array_equal(first[:, :30], np.asarray(small.recurrent)[:, :30])


def test_initial_weights_have_the_stated_count_and_radius():
    weights = initial_weights(400, 0.1, 3.0, 10.0, np.random.default_rng(0))
    assert np.count_nonzero(weights) == round(0.1 * 400 * 399)
    assert np.all(np.diag(weights) == 0)
    moduli = np.sort(np.abs(np.linalg.eigvals(weights)))
    assert moduli[-5] == pytest.approx(10, rel=0.1)


def test_projection_is_idempotent():
    weights = initial_weights(40, 0.2, 3.0, 10.0, np.random.default_rng(0))
    weights[:, 20:] += np.random.default_rng(1).normal(size=(40, 20))
    once = project_inhibition(weights, 3.0, 0.4)
    assert np.allclose(project_inhibition(once, 3.0, 0.4), once, rtol=1e-12, atol=0)


def test_gradient_of_the_smoothed_abscissa_matches_finite_differences():
    """The smoothed abscissa is the shift s at which the energy tr P(W, s) has a given value."""
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(24, 24))
    abscissa, gradient = smoothed_abscissa_gradient(weights)
    assert abscissa == pytest.approx(np.linalg.eigvals(weights).real.max(), rel=1e-10)
    shift = max(1.5 * abscissa, abscissa + 0.2)

    def energy(matrix, s):
        return np.trace(scipy.linalg.solve_continuous_lyapunov(matrix - s * np.eye(24), -2 * np.eye(24)))

    level = energy(weights, shift)

    def smoothed(matrix):
        return brentq(lambda s: energy(matrix, s) - level, shift - 0.05, shift + 0.05, xtol=1e-13)

    direction = generator.normal(size=(24, 24))
    difference = (smoothed(weights + 1e-5 * direction) - smoothed(weights - 1e-5 * direction)) / 2e-5
    assert np.sum(gradient * direction) == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("n_units", [7, 48, 49, 131])
def test_lyapunov_by_halving_solves_its_equation(n_units):
    generator = np.random.default_rng(n_units)
    schur = scipy.linalg.schur(generator.normal(size=(n_units, n_units)))[0] - 2 * n_units**0.5 * np.eye(n_units)
    constant = generator.normal(size=(n_units, n_units))
    constant = constant + constant.T
    solution = schur_lyapunov(schur, constant)
    assert np.allclose(solution, solution.T)
    assert np.allclose(schur @ solution + solution @ schur.T, constant, atol=1e-10 * n_units)


def test_preferred_state_is_amplified_about_three_times_and_decays(cortex):
    """The published circuit goes from 21 to 63 spikes/s in 88 ms and is at 6 after 500 ms."""
    states = recirc.circuits.preferred_states(cortex, 2)
    currents = recirc.circuits.preparation_currents(cortex, states, n_steps=2500, dt=0.001, go=2.0, rise=np.inf)
    size = np.linalg.norm(run(cortex, currents).rates, axis=2)
    held = np.linalg.norm(cortex.rates(states), axis=0)
    assert np.allclose(size[:, 1999], held, rtol=1e-3)
    peak = size[:, 2000:].argmax(axis=1)
    assert np.all((peak > 60) & (peak < 130))
    assert np.all((size.max(axis=1) / held > 2.2) & (size.max(axis=1) / held < 3.5))
    assert np.all(size[:, -1] < 0.4 * held)


def test_gramian_is_the_integrated_energy_of_the_linear_circuit(small):
    gramian = recirc.circuits.observability_gramian(small)
    jacobian = np.asarray(small.recurrent) - np.eye(60)
    step = scipy.linalg.expm(jacobian * 0.005)
    state = np.asarray(recirc.circuits.preferred_states(small, 3, norm=1.0))
    predicted = np.einsum("ns,nm,ms->s", state, gramian, state)
    energy, weight = np.zeros(3), 1 / 3
    for i in range(12000):
        energy += weight * np.sum(state**2, axis=0)
        weight = (4 if i % 2 == 0 else 2) / 3
        state = step @ state
    assert np.allclose(2 * 0.005 * energy, predicted, rtol=1e-6)
    assert np.allclose(predicted, np.linalg.eigvalsh(gramian)[::-1][:3])


def test_gramian_without_connections_is_the_identity():
    circuit = recirc.circuits.StabilityOptimized(np.zeros((6, 6)), n_excitatory=3)
    assert np.allclose(recirc.circuits.observability_gramian(circuit), np.eye(6))


def test_preferred_states_are_orthogonal_and_of_the_stated_norm(small):
    states = np.asarray(recirc.circuits.preferred_states(small, 5))
    assert np.allclose(states.T @ states, 1.5**2 * 60 * np.eye(5), atol=1e-9)


def test_holding_current_holds(small):
    states = recirc.circuits.preferred_states(small, 3)
    current = recirc.circuits.holding_current(small, states)
    assert np.allclose(small.velocity(states, current), 0, atol=1e-10)
    start = dataclasses.replace(small, start=states[:, 0])
    rates = run(start, jnp.broadcast_to(current[:, 0], (1, 20, 60)), 0.01).rates
    assert np.allclose(rates, small.rates(states).T[:1, None], atol=1e-9)


def test_preparation_is_an_exponential_with_the_area_of_its_decay(small):
    states = recirc.circuits.preferred_states(small, 2)
    currents = recirc.circuits.preparation_currents(small, states, n_steps=600, dt=0.001, go=[0.4, 0.5])
    current = recirc.circuits.holding_current(small, states)
    drive = np.asarray(currents / current.T[:, None, :])[:, :, 0]
    for trial, go in enumerate((400, 500)):
        middle = (np.arange(600) + 0.5 - go) / 1000
        assert np.allclose(drive[trial, :go], np.exp(middle[:go] / 0.4), rtol=1e-6)
        assert drive[trial, go:].sum() * 0.001 == pytest.approx(0.002, rel=1e-6)


def test_linear_circuit_doubles_with_its_state(small):
    """The saturation is far away for small states, so that the circuit is linear there."""
    states = recirc.circuits.preferred_states(small, 1, norm=1e-3)
    currents = recirc.circuits.preparation_currents(
        small, jnp.concatenate([states, 2 * states], axis=1), n_steps=50, dt=0.01, go=0.3
    )
    rates = run(small, currents, 0.01).rates
    assert np.allclose(2 * rates[0], rates[1], rtol=1e-6)


def test_solver_step_is_of_fifth_order():
    """Held inputs keep every unit's sign: the rate function is smooth there."""
    generator = np.random.default_rng(0)
    start = 20 * generator.choice([-1.0, 1.0], size=6)
    weights = 0.5 * generator.normal(size=(6, 6))
    circuit = recirc.circuits.StabilityOptimized(weights, n_excitatory=3, start=start)

    def end(n_steps):
        rates = run(circuit, np.broadcast_to(2 * start, (1, n_steps, 6)), 0.4 / n_steps).rates
        assert np.all(np.sign(rates) == np.sign(start))
        return np.asarray(rates)[0, -1]

    exact = end(640)
    errors = [np.abs(end(n) - exact).max() for n in (20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all((orders > 4.7) & (orders < 5.5)), orders


def test_steps_agree_with_an_adaptive_solution(small):
    states = recirc.circuits.preferred_states(small, 1)
    released = dataclasses.replace(small, start=states[:, 0])
    stepped = run(released, np.zeros((1, 150, 60)), 0.002).rates[0, -1]
    adaptive = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: small.velocity(y, jnp.zeros_like(y))),
        diffrax.Dopri8(),
        0.0,
        0.3,
        0.001,
        states,
        stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-10),
    )
    assert adaptive.ys is not None
    assert np.allclose(stepped, small.rates(adaptive.ys[0])[:, 0], atol=1e-5)


def test_rates_stay_between_silence_and_the_maximum():
    circuit = recirc.circuits.StabilityOptimized(np.zeros((2, 2)), n_excitatory=1, gains=jnp.array([1.0, 2.0]))
    state = jnp.array([[-1e4, -1e-3, 1e-3, 1e4], [-1e4, -1e-3, 1e-3, 1e4]])
    expected = np.array([[-20, -1e-3, 1e-3, 80], [-20, -2e-3, 2e-3, 80]])
    assert np.allclose(circuit.rates(state), expected, rtol=1e-6)


def test_gain_patterns_change_the_movement_but_not_the_sign_of_gains(small, key):
    patterns = recirc.circuits.random_gains(small, 3, 0.5, key=key)
    assert patterns.shape == (60, 3)
    assert np.all(np.asarray(patterns) >= 0)
    states = recirc.circuits.preferred_states(small, 1)
    currents = recirc.circuits.preparation_currents(small, states, n_steps=60, dt=0.01, go=0.3)
    changed = dataclasses.replace(small, gains=recirc.circuits.random_gains(small, 1, 0.1, key=key)[:, 0])
    assert not np.allclose(run(small, currents, 0.01).rates, run(changed, currents, 0.01).rates, atol=0.1)


def test_same_key_same_bits_from_memory_and_from_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path))

    def build(**changes):
        return recirc.circuits.stability_optimized(n_units=40, radius=5.0, **{"key": jax.random.key(3)} | changes)

    first, again, uncached = build(), build(max_iterations=1), build(cache=False)
    assert np.array_equal(first.recurrent, again.recurrent)
    assert np.array_equal(first.recurrent, uncached.recurrent)
    assert not np.array_equal(first.recurrent, build(key=jax.random.key(4)).recurrent)
    assert len(list(tmp_path.iterdir())) == 2


def test_no_convergence_is_said_with_the_abscissa_reached():
    with pytest.raises(RuntimeError, match=r"spectral abscissa was \d.*raise max_iterations"):
        recirc.circuits.stability_optimized(n_units=60, max_iterations=3, cache=False, key=jax.random.key(0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_units": 61},
        {"n_units": 8},
        {"density": 1.0},
        {"inhibitory_density": 0.0},
        {"radius": float("nan")},
        {"abscissa": 1.0},
        {"momentum": 1.0},
        {"max_iterations": 0},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        recirc.circuits.stability_optimized(key=jax.random.key(0), cache=False, **wrong)


def test_an_unstable_circuit_has_no_preferred_states():
    circuit = recirc.circuits.StabilityOptimized(2 * np.eye(4), n_excitatory=4)
    with pytest.raises(ValueError, match="unstable at rest"):
        recirc.circuits.preferred_states(circuit, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gains": np.ones(3)}, "gains has shape"),
        ({"recurrent": np.ones((4, 3))}, "recurrent has shape"),
        ({"readout": np.ones((2, 3))}, "readout has shape"),
        ({"n_excitatory": 5}, "n_excitatory"),
        ({"baseline": 200.0}, "baseline"),
    ],
)
def test_wrong_fields_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        recirc.circuits.StabilityOptimized(**{"recurrent": np.zeros((4, 4)), "n_excitatory": 2} | changes)


def test_states_of_another_circuit_are_refused(small):
    with pytest.raises(ValueError, match="60 units"):
        recirc.circuits.preparation_currents(small, jnp.ones((3, 1)), n_steps=5, dt=0.01, go=0.0)
    with pytest.raises(ValueError, match="n_states"):
        recirc.circuits.preferred_states(small, 61)


class TestAnticipatoryControl:
    TIMES = {"n_steps": 800, "dt": 0.002, "onset": 0.2, "go": 1.4}  # noqa: RUF012

    def steered(self, circuit, readout, effort=0.01):
        states = recirc.circuits.preferred_states(circuit, 2, norm=1.0)
        currents = recirc.circuits.anticipatory_currents(circuit, states, readout, effort=effort, **self.TIMES)
        trials = recirc.Trials(currents, np.zeros((2, 800, 0)), dt=0.002, conditions=["0", "1"])
        made = np.asarray(recirc.simulate(circuit, trials, key=jax.random.key(0)).rates)
        return np.asarray(states), np.asarray(currents), made

    def test_reaches_the_state_and_lets_go(self, small):
        states, currents, made = self.steered(small, np.eye(small.n_units)[:2])
        wanted = np.asarray(small.rates(jnp.asarray(states))).T
        np.testing.assert_allclose(made[:, 699], wanted, atol=0.02 * np.abs(wanted).max())
        assert not currents[:, :99].any()
        assert not currents[:, 701:].any()

    def test_corrects_what_the_movement_depends_on_first(self, small):
        """Early in preparation the prospective error is gone before the rest of the error is."""
        readout = np.random.default_rng(0).normal(size=(2, small.n_units))
        states, _, made = self.steered(small, readout, effort=1e-3)
        a = np.asarray(small.recurrent) - np.eye(small.n_units)
        cost = scipy.linalg.solve_continuous_lyapunov(a.T, -readout.T @ readout)
        wanted = np.asarray(small.rates(jnp.asarray(states))).T
        left = made[:, 120] - wanted  # 40 ms after the target
        prospective = [np.einsum("ti,ij,tj", each, cost, each) for each in (left, wanted)]
        assert prospective[0] / prospective[1] < 0.2 * (left**2).sum() / (wanted**2).sum()

    def test_effort_keeps_the_feedback_small(self, small):
        readout = np.random.default_rng(0).normal(size=(2, small.n_units))
        sizes = [np.abs(self.steered(small, readout, effort)[1]).max() for effort in (1e-3, 1.0, 1e3)]
        assert sizes[0] > sizes[1] > sizes[2]
