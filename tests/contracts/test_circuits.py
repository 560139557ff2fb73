"""What every circuit must do, found by looking at what the package exports; and the rate network's step."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import recirc
from recirc import circuits, compare
from recirc.circuits import (
    Perturbed,
    RateNetwork,
    Restarted,
    StabilityOptimized,
    StepCircuit,
    Transformed,
    from_arrays,
    from_step,
    simulate,
)
from recirc.compare.fixed_points import jacobian

N_UNITS, N_TRIALS, N_STEPS = 6, 4, 30

KINDS = [
    kind
    for kind in vars(circuits).values()
    if inspect.isclass(kind) and issubclass(kind, circuits.AbstractCircuit) and not inspect.isabstract(kind)
]


def rate_network(n_inputs=N_UNITS, **changes):
    made = RateNetwork.random(n_units=N_UNITS, n_inputs=n_inputs, bias_scale=0.5, key=jax.random.key(0), **changes)
    return dataclasses.replace(made, readout=jnp.asarray(np.random.default_rng(0).normal(size=(2, N_UNITS))))


RANDOM = np.random.default_rng(1)
W, W_OUT, START = (
    RANDOM.normal(size=(N_UNITS, N_UNITS)) / 4,
    RANDOM.normal(size=(2, N_UNITS)),
    RANDOM.normal(size=N_UNITS),
)
MAPS, W_IN = RANDOM.normal(size=(2, N_UNITS, N_UNITS)), RANDOM.normal(size=(N_UNITS, N_UNITS)) / 2
BIAS, DT = RANDOM.normal(size=N_UNITS) / 4, 0.002
PYTORCH = {"rnn.weight_hh_l0": W, "rnn.weight_ih_l0": W_IN, "rnn.bias_hh_l0": BIAS, "rnn.bias_ih_l0": BIAS,
           "out.weight": W_OUT, "out.bias": BIAS[:2]}  # fmt: skip
GRU = {
    name: value if name.startswith("out") else np.concatenate([value, -value, value]) for name, value in PYTORCH.items()
}
LINEAR = {"h2h.weight": W, "h2h.bias": BIAS, "input2h.weight": W_IN, "input2h.bias": BIAS, "fc.weight": W_OUT}
PYCOG = {"Win": W_IN, "Wrec": W, "Wout": W_OUT, "brec": BIAS, "bout": BIAS[:2], "x0": START}
PSYCHRNN = {"W_rec": W, "W_in": W_IN, "W_out": W_OUT, "b_rec": BIAS, "b_out": BIAS[:2], "init_state": START[None],
            "Dale_rec": np.eye(N_UNITS), "dale_ratio": None}  # fmt: skip


def cell_of_two_states(state, inputs):
    """A unit's state is a current and how it adapts; only the first is seen."""
    current, adaptation = jnp.split(state, 2)
    current = 0.9 * current + 0.1 * (jnp.asarray(W) @ jnp.tanh(current - adaptation) + inputs)
    return jnp.concatenate([current, 0.98 * adaptation + 0.02 * current])


# What has no other step than its own makes steps of DT, as the trials do. A new kind of circuit adds its own line.
MEMBERS = {
    "RateNetwork": lambda: rate_network(),
    "StabilityOptimized": lambda: StabilityOptimized(
        W, n_excitatory=3, readout=W_OUT, start=START, time_constant=0.02
    ),
    # The kick is far below the state's own power, but its machinery runs.
    "Perturbed": lambda: Perturbed(rate_network(), jnp.asarray(400.0), jnp.array(3, int), jax.random.key(2)),
    "Restarted": lambda: Restarted(rate_network(), jnp.asarray(START[:, None])),
    "Transformed": lambda: Transformed(rate_network(), *jnp.asarray(MAPS)),
    "from_step": lambda: from_step(
        cell_of_two_states, lambda x: jnp.tanh(x[:N_UNITS]), np.tile(START, 2), dt=DT, n_inputs=N_UNITS,
        outputs=lambda r: jnp.asarray(W_OUT) @ r,
    ),
    "plain": lambda: from_arrays(W=W, W_in=W_IN, W_out=W_OUT, bias=BIAS, tau=0.01, dt=DT, nonlinearity="tanh"),
    "exact": lambda: from_arrays(W=W, W_in=W_IN, W_out=W_OUT, tau=0.01, form="rate_network", nonlinearity="sigmoid"),
    "nn.RNN": lambda: from_arrays(PYTORCH, dt=DT, start=START / 9),
    "nn.GRU": lambda: from_arrays(GRU, dt=DT),
    "rate": lambda: from_arrays(LINEAR, dt=DT, tau=0.01, form="rate", nonlinearity="tanh"),
    "outside": lambda: from_arrays(LINEAR, dt=DT, tau=0.01, form="outside", nonlinearity="softplus"),
    "pycog": lambda: from_arrays(PYCOG, dt=DT, tau=np.linspace(0.01, 0.02, N_UNITS), nonlinearity="softplus"),
    "PsychRNN": lambda: from_arrays(PSYCHRNN, dt=DT, tau=0.01, nonlinearity="sigmoid"),
}  # fmt: skip


def make_trials(n_inputs=N_UNITS, n_trials=N_TRIALS, n_steps=N_STEPS, dt=DT):
    inputs = np.random.default_rng(2).normal(size=(n_trials, n_steps, n_inputs))
    return recirc.Trials(inputs, np.zeros((n_trials, n_steps, 2)), dt=dt, conditions=[f"c{i}" for i in range(n_trials)])


def test_every_circuit_there_is_has_a_member():
    assert {RateNetwork, StabilityOptimized, StepCircuit, Perturbed} <= set(KINDS)
    assert {type(make()) for make in MEMBERS.values()} == set(KINDS)


@pytest.mark.parametrize("member", MEMBERS)
class TestCircuit:
    def test_shapes_and_labels(self, member, key):
        circuit, trials = MEMBERS[member](), make_trials()
        activity = simulate(circuit, trials, key=key, units=[f"u{i}" for i in range(N_UNITS)])
        assert activity.rates.shape == (N_TRIALS, N_STEPS, N_UNITS)
        assert activity.outputs.shape == (N_TRIALS, N_STEPS, 2)
        assert activity.rates.dtype == activity.outputs.dtype == jnp.float64
        assert (activity.dt, activity.conditions) == (trials.dt, trials.conditions)
        assert activity.units[0] == "u0"
        assert np.isfinite(activity.rates).all()

    def test_without_noise_the_key_changes_nothing(self, member):
        circuit, trials = MEMBERS[member](), make_trials()
        first, second = (simulate(circuit, trials, key=jax.random.key(seed)) for seed in (0, 1))
        assert not circuit.is_noisy
        assert np.array_equal(first.rates, second.rates)

    def test_a_trial_does_not_feel_the_others(self, member, key):
        circuit, trials = MEMBERS[member](), make_trials()
        together = simulate(circuit, trials, key=key)
        for i in (0, N_TRIALS - 1):
            alone = simulate(circuit, trials.select([i]), key=key)
            np.testing.assert_allclose(alone.rates[0], together.rates[i], atol=1e-12)
            np.testing.assert_allclose(alone.outputs[0], together.outputs[i], atol=1e-12)

    def test_time_goes_one_way(self, member, key):
        """Sample t depends on inputs 0 to t: the state is what follows step t."""
        circuit, trials = MEMBERS[member](), make_trials()
        later = trials.replace(inputs=trials.inputs.at[:, 10].add(1.0))
        changed = simulate(circuit, later, key=key).rates != simulate(circuit, trials, key=key).rates
        assert not changed[:, :10].any()
        assert changed[:, 10:].any(axis=(0, 2)).all()

    def test_a_short_step_follows_the_velocity(self, member):
        """What `step` does beyond x + dt v falls with the square of dt (seen through the rates); a map has nothing."""
        circuit, inputs = MEMBERS[member](), jnp.asarray(make_trials().inputs[:, 0].T)
        state = circuit.initial_state(N_TRIALS) + 0.0
        if circuit.time_step is not None:
            stepped = circuit.step(state, inputs, jnp.zeros(()), DT)
            np.testing.assert_allclose(stepped, state + DT * circuit.velocity(state, inputs), atol=1e-14)
            return
        errors = []
        for dt in (4e-5, 2e-5, 1e-5):
            stepped = circuit.step(state, inputs, jnp.zeros(()), dt)
            straight = state + dt * circuit.velocity(state, inputs)
            errors.append(np.abs(circuit.rates(stepped) - circuit.rates(straight)).max())
        orders = np.log2(np.divide(errors[:-1], errors[1:]))
        assert np.all(np.abs(orders - 2) < 0.05)

    def test_outputs_are_a_function_of_the_rates_shown(self, member, key):
        circuit = MEMBERS[member]()
        activity = simulate(circuit, make_trials(), key=key)
        shown = jnp.reshape(activity.rates, (-1, N_UNITS)).T
        np.testing.assert_allclose(circuit.outputs(shown).T, np.reshape(activity.outputs, (-1, 2)), atol=1e-12)


def test_trials_of_another_number_of_inputs_are_refused(key):
    trials = recirc.tasks.CenterOutReach().trials(4, key=key)
    network = recirc.circuits.RateNetwork.random(n_units=9, n_inputs=trials.inputs.shape[2] + 1, key=key)
    with pytest.raises(ValueError, match=rf"has {trials.inputs.shape[2] + 1} inputs but the trials give"):
        recirc.simulate(network, trials, key=key)


def test_restarted_circuit_goes_on_where_it_was_left(key):
    """Running to step 10 and restarting there is running through; each trial needs its state."""
    network, trials = rate_network(), make_trials()
    through = simulate(network, trials, key=key).rates
    rest = trials.replace(inputs=trials.inputs[:, 10:], targets=trials.targets[:, 10:], mask=None)
    left = Restarted(network, jnp.arctanh(through[:, 9].T))
    np.testing.assert_allclose(simulate(left, rest, key=key).rates, through[:, 10:], atol=1e-12)
    with pytest.raises(ValueError, match="one per trial"):
        simulate(left, rest.select([0, 1]), key=key)


class TestRateNetwork:
    def test_one_step_is_exact_for_held_drive(self, key):
        """With J = 0 any dt gives the same state at the same time."""
        network = dataclasses.replace(rate_network(n_inputs=1), recurrent=jnp.zeros((N_UNITS, N_UNITS)))
        ends = []
        for dt, n_steps in ((0.004, 10), (0.001, 40)):
            trials = make_trials(1, 1, n_steps, dt).replace(inputs=np.ones((1, n_steps, 1)))
            ends.append(np.arctanh(simulate(network, trials, key=key).rates[0, -1]))
        rest = np.asarray(network.input_weights[:, 0] + network.bias)
        np.testing.assert_allclose(ends[0], ends[1], atol=1e-12)
        np.testing.assert_allclose(ends[0], rest + (network.start - rest) * np.exp(-0.04 / 0.01), atol=1e-12)

    def test_error_falls_with_the_first_power_of_dt(self, key):
        network = rate_network(n_inputs=1, gain=1.5)
        ends = []
        for dt in (0.004, 0.002, 0.001, 0.00001):
            n_steps = round(0.04 / dt)
            trials = make_trials(1, 1, n_steps, dt).replace(inputs=np.ones((1, n_steps, 1)))
            ends.append(np.asarray(simulate(network, trials, key=key).rates[0, -1]))
        errors = [np.abs(end - ends[-1]).max() for end in ends[:-1]]
        orders = np.log2(np.divide(errors[:-1], errors[1:]))
        assert np.all(np.abs(orders - 1) < 0.3)

    @pytest.mark.parametrize("dt", [0.001, 0.004])
    def test_noise_has_the_stated_size_whatever_dt(self, dt, key):
        network = dataclasses.replace(
            rate_network(n_inputs=1, noise=0.3), recurrent=jnp.zeros((N_UNITS, N_UNITS)), bias=jnp.zeros(N_UNITS)
        )
        trials = make_trials(1, 500, 100, dt).replace(inputs=np.zeros((500, 100, 1)))
        states = np.arctanh(np.asarray(simulate(network, trials, key=key).rates)[:, -1])
        assert abs(states.std() / (0.3 * np.sqrt(0.001 / (2 * 0.01))) - 1) < 0.05

    def test_noise_is_private_to_units_and_trials_and_follows_the_key(self, key):
        network = rate_network(noise=0.3)
        trials = make_trials().replace(inputs=np.zeros((N_TRIALS, N_STEPS, N_UNITS)))
        first, again = (simulate(network, trials, key=key).rates for _ in range(2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, simulate(network, trials, key=jax.random.key(1)).rates)
        assert len(np.unique(first[:, 0])) == N_TRIALS * N_UNITS

    def test_feedback_is_the_same_as_a_recurrent_loop_through_the_readout(self, key):
        network, trials = rate_network(), make_trials()
        weights = jax.random.normal(key, (N_UNITS, 2))
        fed = dataclasses.replace(network, feedback=weights)
        looped = dataclasses.replace(network, recurrent=network.recurrent + weights @ network.readout)
        rates = simulate(fed, trials, key=key).rates
        np.testing.assert_allclose(rates, simulate(looped, trials, key=key).rates, atol=1e-11)

    def test_random_weights_have_their_gain_and_density(self, key):
        network = RateNetwork.random(n_units=400, gain=1.3, density=0.2, key=key)
        connected = np.asarray(network.connections)
        assert abs(connected.mean() - 0.2) < 0.01
        assert not np.asarray(network.recurrent)[~connected].any()
        assert abs(np.abs(np.linalg.eigvals(network.recurrent)).max() / 1.3 - 1) < 0.1

    @pytest.mark.parametrize("wrong", [{"n_units": 0}, {"n_outputs": 0}, {"density": 0.0}, {"density": 1.1}])
    def test_impossible_sizes_are_refused(self, wrong, key):
        with pytest.raises(ValueError, match="must be"):
            RateNetwork.random(key=key, **wrong)


def test_a_twin_keeps_all_but_which_unit_drives_which(key):
    made = RateNetwork.random(n_units=30, excitatory_fraction=0.8, density=0.5, autapses=False, gain=1.3, key=key)
    twin = made.twin(key=jax.random.key(1))
    assert not np.allclose(twin.recurrent, made.recurrent)
    np.testing.assert_allclose(np.sort(twin.recurrent, axis=0), np.sort(made.recurrent, axis=0))  # outgoing weights
    np.testing.assert_array_equal(twin.constrained().recurrent, twin.recurrent)
    np.testing.assert_array_equal(twin.input_weights, made.input_weights)


@pytest.fixture(scope="module")
def reach():
    """A delayed reach for circuits of as many inputs as units and two outputs."""
    task = recirc.tasks.DelayedReach(hold=0.02, delay=0.05, dt=DT)
    trials = task.trials(4, key=jax.random.key(0))
    inputs = np.pad(trials.inputs, ((0, 0), (0, 0), (0, N_UNITS - 3)))
    return trials.replace(inputs=inputs, targets=trials.targets[..., :2])


@pytest.mark.parametrize("member", [name for name in MEMBERS if name not in ("Perturbed", "Restarted", "Transformed")])
class TestAnyCircuitIsAnalysed:
    """What takes a circuit takes each of them."""

    def test_fixed_points_stay_where_they_are_and_their_modes_are_the_flows(self, member):
        circuit = MEMBERS[member]()
        n_states = circuit.initial_state(1).shape[0]
        starts = np.random.default_rng(0).normal(size=(20, n_states))
        held = np.linspace(-1, 1, N_UNITS)
        found = compare.find_fixed_points(circuit, held, starts)
        assert len(found.points)
        points, inputs = jnp.asarray(found.points.T), jnp.tile(held[:, None], len(found.points))
        np.testing.assert_allclose(circuit.step(points, inputs, jnp.zeros(()), DT), points, atol=1e-7)
        # A small step away along anything comes back, or goes on, as the modes say.
        away = 1e-6 * starts[0][:, None]
        later = points + away
        for _ in range(10):
            later = circuit.step(later, inputs, jnp.zeros(()), DT)
        moves = np.asarray(later - points)
        for i, point in enumerate(found.points):
            derivative = np.asarray(jacobian(circuit, jnp.asarray(held), jnp.asarray(point)))
            once = (
                scipy.linalg.expm(derivative * DT) if circuit.time_step is None else np.eye(n_states) + DT * derivative
            )
            expected = np.linalg.matrix_power(once, 10) @ away[:, 0]
            tolerance = 0.2 if circuit.time_step is None else 1e-3  # a step of a flow follows its linear part roughly
            assert np.linalg.norm(moves[:, i] - expected) < tolerance * np.linalg.norm(away)
            np.testing.assert_allclose(
                np.sort(np.abs(np.exp(found.eigenvalues[i] * DT))), np.sort(np.abs(np.linalg.eigvals(once))), atol=1e-9
            )

    def test_arrows_of_a_flow_are_how_rates_change(self, member):
        circuit = MEMBERS[member]()
        n_states, n_rates = circuit.initial_state(1).shape[0], N_UNITS
        plane = compare.ProjectionPlane(np.zeros(n_rates), np.eye(n_rates)[:, :2])
        field = compare.flow_field(
            circuit, np.zeros(N_UNITS), np.zeros(n_states), np.eye(n_states)[:, :2], plane, n_grid=2
        )
        states = jnp.asarray([[-5.0, 5, -5, 5], [-5, -5, 5, 5]] + [[0.0] * 4] * (n_states - 2))
        speed = circuit.velocity(states, jnp.zeros((N_UNITS, 4)))
        quotient = (circuit.rates(states + 1e-7 * speed) - circuit.rates(states - 1e-7 * speed)) / 2e-7
        np.testing.assert_allclose(np.stack([field.u, field.v]).reshape(2, 4), quotient[:2], rtol=1e-4, atol=1e-4)

    def test_probes_give_a_number_and_nothing_changed_changes_nothing(self, member, reach, key):
        circuit = MEMBERS[member]()
        as_it_is = compare.NewTrials()(circuit, reach, key=key).value
        assert np.isfinite(as_it_is)
        for nothing in (compare.InputScale(1.0), compare.InputNoise(0.0), compare.PerturbedState(400.0)):
            assert nothing(circuit, reach, key=key).value == pytest.approx(as_it_is, rel=1e-9)
        for something in (compare.InputScale(2.0), compare.InputNoise(1.0), compare.PerturbedState(0.0)):
            assert something(circuit, reach, key=key).value != pytest.approx(as_it_is, rel=1e-9)

    def test_a_verdict_is_reached_on_all_levels(self, member, reach, key):
        circuit = MEMBERS[member]()
        rates = np.random.default_rng(4).normal(size=(4, reach.n_steps, 20)).cumsum(axis=1)
        other = recirc.Activity(rates, dt=DT, conditions=reach.conditions)
        config = recirc.analyses.VerdictConfig(soft=None, n_draws=3, n_resamples=3, n_splits=9, n_twins=1, onset=0.0)
        found = recirc.analyses.verdict(circuit, other, reach, key=key, config=config)
        assert list(found.sentences) == ["units", "population", "mechanism"]
        assert "not judged" not in found.sentences["mechanism"]
        arms = set(found.table["arm"])
        assert ("twin 0" in arms) == (circuit.twin(key=key) is not None)
        assert (circuit.twin(key=key) is None) == (member in ("StabilityOptimized", "from_step"))
