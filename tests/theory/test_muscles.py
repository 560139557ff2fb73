"""Muscle targets against their covariance and tuning; the readout against a planted one."""

import jax
import numpy as np
import pytest

import recirc
from recirc.circuits import condition_targets, direction_targets, fit_muscles, muscle_signals

TIME = np.arange(-50, 500) * 0.001


@pytest.fixture(scope="module")
def circuit():
    return recirc.circuits.StabilityOptimized(np.zeros((12, 12)), n_excitatory=6)


def test_signals_start_and_end_at_rest(key):
    signals = muscle_signals(TIME, 20, key=key)
    assert np.all(signals[:, TIME <= 0] == 0)
    assert np.abs(signals[:, -1]).max() < 0.15
    assert np.abs(muscle_signals([1.0], 20, key=key)).max() < 1e-6


def test_signals_have_the_stated_covariance(key):
    time = np.linspace(0.02, 0.4, 8)
    draws = muscle_signals(time, 40000, key=key)
    unit = time / 0.11
    envelope = unit * np.exp(-(unit**2) / 4)
    peak = np.sqrt(2) * np.exp(-0.5)
    expected = np.outer(envelope, envelope) / peak**2
    expected *= np.exp(-(np.subtract.outer(time, time) ** 2) / (2 * 0.05**2))
    assert np.allclose(draws.T @ draws / 40000, expected, atol=0.03)


def test_signals_do_not_depend_on_the_sampling_of_time(key):
    fine, coarse = muscle_signals(TIME, 3, key=key), muscle_signals(TIME[::10], 3, key=key)
    assert np.allclose(fine[:, ::10], coarse, atol=1e-12)


def test_direction_targets_are_cosine_tuned(key):
    angles = np.array([0.0, np.pi / 2, 0.3, np.pi, 0.3])
    targets = direction_targets(angles, TIME, 3, key=key)
    assert targets.shape == (5, TIME.size, 3)
    assert np.allclose(targets[2], np.cos(0.3) * targets[0] + np.sin(0.3) * targets[1])
    assert np.allclose(targets[3], -targets[0])
    assert np.array_equal(targets[2], targets[4])


def test_condition_targets_are_equal_within_and_independent_between(key):
    targets = condition_targets(["a", "b", "a", "c"], TIME, 2, key=key)
    assert targets.shape == (4, TIME.size, 2)
    assert np.array_equal(targets[0], targets[2])
    distinct = targets[[0, 1, 3]].transpose(0, 2, 1).reshape(6, -1)
    assert np.linalg.matrix_rank(distinct) == 6


def test_a_planted_excitatory_readout_is_recovered(circuit):
    generator = np.random.default_rng(0)
    weights, offset = generator.normal(size=(2, 6)), np.array([1.0, -2.0])
    rates = generator.normal(size=(4, 50, 12))
    targets = rates[:, :, :6] @ weights.T + offset
    activity = recirc.Activity(rates, dt=0.01, conditions=list("abcd"))
    fitted, score = fit_muscles(circuit, activity, targets, penalty=1e-9)
    assert np.allclose(fitted.readout[:, :6], weights, atol=1e-6)
    assert np.all(np.asarray(fitted.readout)[:, 6:] == 0)
    assert np.allclose(fitted.readout_bias, offset, atol=1e-6)
    assert score.value == pytest.approx(1)
    assert np.allclose(fitted.outputs(rates[0].T), targets[0].T, atol=1e-6)


def test_inhibitory_rates_cannot_help(circuit):
    generator = np.random.default_rng(1)
    rates = generator.normal(size=(4, 200, 12))
    activity = recirc.Activity(rates, dt=0.01, conditions=list("abcd"))
    assert fit_muscles(circuit, activity, rates[:, :, 6:8])[1].value < 0.1


def test_a_larger_penalty_gives_smaller_weights(circuit):
    generator = np.random.default_rng(2)
    activity = recirc.Activity(generator.normal(size=(2, 50, 12)), dt=0.01, conditions=["a", "b"])
    targets = generator.normal(size=(2, 50, 1))
    sizes = [np.linalg.norm(fit_muscles(circuit, activity, targets, penalty=p)[0].readout) for p in (0, 10, 1000)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_motor_cortex_can_drive_direction_tuned_muscles(key):
    cortex = recirc.circuits.stability_optimized(n_units=60, key=key, cache=False)
    angles = np.arange(8) * np.pi / 4
    states = recirc.circuits.preferred_states(cortex, 2) @ np.stack([np.cos(angles), np.sin(angles)])
    currents = recirc.circuits.preparation_currents(cortex, states, n_steps=200, dt=0.005, go=0.5)
    trials = recirc.Trials(currents, np.zeros((8, 200, 1)), dt=0.005, conditions=[str(a) for a in angles])
    activity = recirc.simulate(cortex, trials, key=key)
    targets = direction_targets(angles, trials.time - 0.5, key=key)
    moved, score = fit_muscles(cortex, activity, targets)
    assert score.value > 0.9
    assert score.parts["muscle"].shape == (2,)
    produced = recirc.simulate(moved, trials, key=key).outputs
    assert 1 - np.sum((produced - targets) ** 2) / np.sum(targets**2) > 0.9


def test_wrong_arguments_are_refused(circuit, key):
    activity = recirc.Activity(np.zeros((2, 5, 12)), dt=0.01, conditions=["a", "b"])
    with pytest.raises(ValueError, match="do not fit"):
        fit_muscles(circuit, activity, np.zeros((2, 6, 1)))
    with pytest.raises(ValueError, match="penalty"):
        fit_muscles(circuit, activity, np.zeros((2, 5, 1)), penalty=-1)
    with pytest.raises(ValueError, match="finite seconds"):
        muscle_signals([np.nan], 1, key=key)
    with pytest.raises(ValueError, match="width"):
        muscle_signals(TIME, 1, key=key, width=0)
    with pytest.raises(ValueError, match="finite angles"):
        direction_targets([np.inf], TIME, key=key)
    assert jax.config.jax_enable_x64
