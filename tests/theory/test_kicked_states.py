"""A kick of the state is followed by what the flow makes of it, in whatever coordinates, and by nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import recirc
from recirc.circuits import AbstractCircuit, RateNetwork, Restarted, Transformed, simulate
from recirc.compare import KickedStates, NeuronMap
from recirc.studies.salatiello2020.kicks import Linear, linear_system

N_UNITS, DT = 12, 0.005


class Follower(AbstractCircuit):
    """A circuit whose state is its input, so that it has every trajectory and forgets every kick at once."""

    n_units: int

    def initial_state(self, n_trials):
        return jnp.zeros((self.n_units, n_trials))

    def step(self, state, inputs, noise, dt):
        return inputs + 0 * state

    def velocity(self, state, inputs):
        return 0 * state

    def rates(self, state):
        return state

    def outputs(self, rates):
        return rates[:2]


@pytest.fixture(scope="module")
def sides():
    """Trained and held-out directions."""
    task = recirc.tasks.CenterOutReach(dt=DT)
    return [each.trials(8, key=jax.random.key(0)) for each in (task, task.between())]


@pytest.fixture(scope="module")
def circuit():
    """Rates that go on changing for 0.3 s after the input is gone."""
    random = RateNetwork.random(n_units=N_UNITS, gain=1.1, input_scale=3.0, time_constant=0.06, key=jax.random.key(1))
    return dataclasses.replace(random, start=jnp.zeros(N_UNITS))


def mapped(network, circuit, trials, own=None):
    """The map from a network's trials (those of the circuit, if no others are given) to the circuit's."""
    return NeuronMap.fit(
        *(simulate(a, b, key=jax.random.key(0)) for a, b in ((network, own or trials), (circuit, trials)))
    )


def disguised(circuit, seed):
    maps = np.random.default_rng(seed).normal(size=(2, N_UNITS, N_UNITS))
    return Transformed(circuit, *map(jnp.asarray, maps))


def linear(circuit):
    return dataclasses.replace(circuit, nonlinearity=lambda x: x, recurrent=0.8 * circuit.recurrent)


def test_a_circuit_behind_a_random_invertible_map_is_right(circuit, sides, key):
    """In other units and other coordinates of the state, which change nothing."""
    trained, new = sides
    values = []
    for seed in range(3):
        network = disguised(circuit, seed)
        score = KickedStates(circuit, new, mapped(network, circuit, trained))(network, new, key=key)
        assert score.parts["component_r2"].min() > 0.99
        assert score.parts["correlation"] > 0.97
        values.append(score.value)
    assert min(values) > 0.95
    assert np.ptp(values) < 1e-3


def test_a_linear_circuit_is_right_exactly_whatever_the_kick(circuit, sides, key):
    trained, new = sides
    circuit = linear(circuit)
    network = disguised(circuit, 3)
    mapping = NeuronMap.fit(*(simulate(each, trained, key=key) for each in (network, circuit)), penalties=[1e-14])
    for size in (0.01, 0.3, 3.0):
        score = KickedStates(circuit, new, mapping, n_components=3, size=size)(network, new, key=key)
        assert score.value == pytest.approx(1.0, abs=1e-3)


def test_trajectories_alone_are_worth_nothing(circuit, sides, key):
    """A circuit that is led along the right rates and forgets kicks scores 0, and one with other dynamics less."""
    trained, new = sides
    led = [each.replace(inputs=simulate(circuit, each, key=key).rates) for each in sides]
    follower = Follower(N_UNITS)
    mapping = mapped(follower, circuit, trained, led[0])
    score = KickedStates(circuit, new, mapping, n_components=3)(follower, led[1], key=key)
    assert score.parts["component_r2"].min() > 0.999
    assert score.value == 0.0


def test_kicks_of_units_without_connections_decay(circuit, sides, key):
    """With the time constant of the units, from the size that was asked for."""
    trained, new = sides
    alone = dataclasses.replace(linear(circuit), recurrent=jnp.zeros((N_UNITS, N_UNITS)))
    probe = KickedStates(alone, new, mapped(alone, alone, trained), n_components=2)
    score = probe(alone, new, key=key)
    assert score.parts["decay"] > 0.999
    assert score.value > 0.999
    true, _ = probe._cuts(alone, new)
    kicks = probe._kicks(true, np.eye(N_UNITS)[:, :2])
    assert kicks.shape == (4, 8, N_UNITS)
    distances = np.linalg.norm(true.states, axis=1)
    assert np.allclose(np.linalg.norm(kicks, axis=2), 0.3 * distances)
    assert np.allclose(kicks[0, :, 0], 0.3 * distances)
    assert np.allclose(kicks[0], -kicks[1])


def test_a_linear_system_fitted_to_the_recording_of_a_linear_circuit_has_its_flow(key):
    """From all units, and from some of them with outputs and their past."""
    rotation, decay = np.kron(np.diag([3.0, 6.0, 9.0]), [[0, -1], [1, 0]]), np.diag([0.5, 0.5, 1, 1, 2, 2])
    mix = np.random.default_rng(0).normal(size=(6, 6))
    step = mix @ expm(DT * (rotation - decay)) @ np.linalg.inv(mix)
    trials = recirc.Trials(
        np.zeros((8, 110, 1)), np.zeros((8, 110, 0)), dt=DT, conditions=[str(i) for i in range(8)],
        epochs={"movement": (0.05, 0.55)},
    )  # fmt: skip
    circuit = Linear(jnp.asarray(step), DT)
    trained, heldout = (
        Restarted(circuit, jnp.asarray(np.random.default_rng(seed).normal(size=(6, 8)))) for seed in (1, 2)
    )
    seen = [simulate(each, trials, key=key, units="abcdef") for each in (trained, heldout)]
    seen = [each.replace(outputs=each.rates[..., 4:]) for each in seen]

    def r2(units):
        system, still, mapping = linear_system(*seen, units)
        return KickedStates(heldout, trials, mapping)(system, still, key=key).value

    assert r2("abcdef") > 0.999
    assert r2("ab") > 0.99


def test_only_components_that_the_map_predicts_count(circuit, sides, key):
    trained, new = sides
    network = RateNetwork.random(n_units=20, gain=1.5, input_scale=1.0, time_constant=0.02, key=jax.random.key(5))
    mapping = mapped(network, circuit, trained)
    whole = KickedStates(circuit, new, mapping, least_r2=-1e9)(network, new, key=key)
    r2 = whole.parts["component_r2"]
    between = float(np.sort(r2)[[2, 3]].mean())
    some = KickedStates(circuit, new, mapping, least_r2=between)(network, new, key=key)
    assert len(whole.parts["per_component"]) == 6
    assert len(some.parts["per_component"]) == 3
    assert np.array_equal(some.parts["component_r2"], r2)
    assert some.parts["per_condition"].shape == (8,)
    assert tuple(some.parts["condition"]) == new.conditions
    assert (some.metric, some.level, some.direction) == ("kicked_states_r2", "mechanism", "higher")
    assert some.settings == {"set": "kicked_states", "size": 0.3, "time_s": 0.08}
    none = KickedStates(circuit, new, mapping, least_r2=1.0)(network, new, key=key)
    assert np.isnan(none.value)


def test_refuses_what_does_not_fit_together(circuit, sides, key):
    trained, new = sides
    mapping = mapped(circuit, circuit, trained)
    probe = KickedStates(circuit, new, mapping)
    with pytest.raises(ValueError, match="give the same ones"):
        probe(circuit, trained, key=key)
    with pytest.raises(ValueError, match="stop earlier"):
        KickedStates(circuit, new, mapping, time_s=0.4)(circuit, new, key=key)
    with pytest.raises(ValueError, match="fit it to all of them"):
        probe(RateNetwork.random(n_units=5, key=key), new, key=key)
    wrongs: tuple[dict, ...] = ({"size": 0.0}, {"n_components": 0}, {"least_r2": 1.1}, {"start": 0.3}, {"stop": -1.0})
    for wrong in wrongs:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            KickedStates(circuit, new, mapping, **wrong)


def test_a_network_that_blows_up_has_no_value(circuit, sides, key):
    explosive = dataclasses.replace(circuit, recurrent=300 * circuit.recurrent, nonlinearity=lambda x: x)
    mapping = mapped(circuit, circuit, sides[0])
    assert not KickedStates(circuit, sides[1], mapping)(explosive, sides[1], key=key).value > -1e9
