"""Students with hidden units: what they recover, what hidden units are needed for, and what teacher forcing does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import circuits, compare
from recirc.circuits.altered import Forced
from recirc.train import BpttStudent

DT, TAU = 0.01, 0.1
LEARNS = ("readout",)
PATIENT = BpttStudent(n_passes=6, n_updates=150, learning_rate=0.02, final_learning_rate=1e-3, learns=LEARNS)


def turning(n_trials: int, *, key, hertz: float = 1.0):
    """Two units that turn around each other and never decay, in trials of 2 s; the first is recorded."""
    pull = 2 * np.pi * hertz * TAU
    recurrent = jnp.array([[1.0, -pull], [pull, 1.0]])
    network = circuits.RateNetwork(
        recurrent=recurrent, input_weights=jnp.zeros((2, 0)), readout=jnp.zeros((0, 2)), bias=jnp.zeros(2),
        start=jnp.zeros(2), time_constant=TAU, nonlinearity=circuits.linear,
    )  # fmt: skip
    names = [str(i) for i in range(n_trials)]
    still = recirc.Trials(np.zeros((n_trials, 200, 0)), np.zeros((n_trials, 200, 0)), dt=DT, conditions=names)
    starts = jax.random.normal(key, (2, n_trials))
    rates = circuits.simulate(circuits.Restarted(network, starts), still, key=key).rates
    return network, still.replace(hints=rates[:, :, :1], hint_units=["0"]), rates


def student_of_one(network, n_hidden: int, key):
    alone = dataclasses.replace(
        network, recurrent=jnp.zeros((1, 1)), input_weights=network.input_weights[:1], bias=jnp.zeros(1),
        start=jnp.zeros(1), readout=jnp.zeros((0, 1)),
    )  # fmt: skip
    return circuits.with_hidden(alone, n_hidden, key=key)


def test_a_circuit_that_is_seen_whole_is_recovered(key):
    """Without hidden units, with the inputs known, one-step predictions have one best J."""
    network = circuits.teacher("random", n_units=8, key=key).network
    driven = circuits.noise_trials(8, n_steps=100, n_trials=16, dt=DT, key=key, noise=5.0)
    student, seen = circuits.recorded(network, driven, range(8), inputs_known=True, key=key)
    trainer = BpttStudent(n_passes=5, n_updates=200, learning_rate=0.02, final_learning_rate=1e-4, learns=LEARNS)
    fit = recirc.fit(trainer, circuits.with_hidden(student, 0, key=key), seen, key=key)
    assert fit.history[-1]["one_step_r2"] > 1 - 1e-4
    assert fit.history[-1]["free_run_r2"] > 1 - 1e-4
    assert np.abs(fit.network.recurrent - network.recurrent).max() < 0.02


def test_one_unit_of_two_that_turn_needs_a_hidden_one(key):
    """One leaky unit alone only decays; with a hidden one it turns, at the circuit's frequency."""
    network, seen, _ = turning(1, key=key)
    trainer = dataclasses.replace(PATIENT, forcing=None)
    alone, helped = (recirc.fit(trainer, student_of_one(network, n, key), seen, key=key) for n in (0, 1))
    assert alone.history[-1]["free_run_r2"] < 0.3
    assert helped.history[-1]["free_run_r2"] > 0.95
    modes = compare.linear_modes(helped.network, state=np.zeros(2))
    assert modes.frequencies[0] == pytest.approx(1.0, abs=0.05)


def test_forcing_tells_hidden_units_where_a_trial_is(key):
    """Trials start at other phases, which no learned start can know; after a second the next step is right."""
    network, seen, _ = turning(32, key=key)
    late = seen.replace(mask=seen.mask.at[:, :100].set(0.0))
    alone, helped = (recirc.fit(PATIENT, student_of_one(network, n, key), late, key=key) for n in (0, 2))
    assert alone.history[-1]["one_step_r2"] < 0.8, "the current that the unit itself makes"
    assert helped.history[-1]["one_step_r2"] > 0.98


def test_a_forced_circuit_starts_every_step_that_is_forced_from_what_was_recorded(key):
    network = circuits.teacher("random", n_units=5, key=key).network
    driven = circuits.noise_trials(5, n_steps=20, n_trials=3, dt=DT, key=key, noise=5.0)
    rates = np.asarray(circuits.simulate(network, driven, key=key).rates)
    given = np.concatenate([np.zeros((3, 1, 2)), rates[:, :-1, :2]], axis=1) + 1.0
    is_set = (np.arange(20) % 4 == 0).astype(float)[None, :, None] * np.ones((3, 1, 1))
    forced = driven.replace(inputs=jnp.concatenate([driven.inputs, given, is_set], axis=2))
    found = np.asarray(circuits.simulate(Forced(network, 2), forced, key=key).rates)
    state = np.zeros((5, 3))
    for step in range(20):
        if step % 4 == 0:
            state = np.concatenate([given[:, step].T, state[2:]])
        state = np.asarray(network.step(jnp.asarray(state), jnp.asarray(driven.inputs[:, step].T), 0.0, DT))
        np.testing.assert_allclose(found[:, step].T, state, atol=1e-9)


def test_without_weight_the_task_changes_nothing_but_the_readout(key):
    network, seen, rates = turning(4, key=key)
    asked = seen.replace(targets=rates[:, :, 1:])
    student = student_of_one(network, 2, key)
    with_readout = dataclasses.replace(student, readout=jnp.zeros((1, 3)))
    trainer = BpttStudent(n_passes=2, n_updates=20, task_weight=0.0, learns=LEARNS)
    plain, tasked = (recirc.fit(trainer, *each, key=key) for each in ((student, seen), (with_readout, asked)))
    np.testing.assert_allclose(plain.network.recurrent, tasked.network.recurrent, atol=1e-5)
    assert np.abs(tasked.network.readout).max() > 0
    assert np.isfinite(tasked.history[-1]["output_nmse"])
    taught = recirc.fit(dataclasses.replace(trainer, task_weight=1.0), with_readout, asked, key=key)
    assert np.abs(taught.network.recurrent - plain.network.recurrent).max() > 1e-3


def test_hidden_units_begin_without_inputs_bias_and_readout(key):
    network = circuits.teacher("random", n_units=5, key=key).network
    more = circuits.with_hidden(network, 3, key=key)
    assert more.n_units == 8
    assert not np.asarray(more.input_weights)[5:].any()
    assert np.array_equal(more.input_weights[:5], network.input_weights)
    assert np.asarray(more.recurrent).std() == pytest.approx(0.8 / np.sqrt(8), rel=0.3)
    with pytest.raises(ValueError, match="n_hidden"):
        circuits.with_hidden(network, -1, key=key)


@pytest.mark.parametrize("change", [{"forcing": 0.0}, {"task_weight": -1.0}, {"batch_size": 0}, {"clip": 0.0}])
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        BpttStudent(**change)


def test_fewer_units_than_were_recorded_are_refused(key):
    network = circuits.teacher("random", n_units=5, key=key).network
    driven = circuits.noise_trials(5, n_steps=99, key=key)
    (_, seen), (smaller, _) = (circuits.recorded(network, driven, range(n), key=key) for n in (5, 4))
    with pytest.raises(ValueError, match="n_units=5 or more"):
        recirc.fit(BpttStudent(), smaller, seen, key=key)
