"""Probes change what they say and nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import compare
from recirc.circuits import Perturbed, RateNetwork, simulate


@pytest.fixture(scope="module")
def network():
    keys = jax.random.split(jax.random.key(0))
    random = RateNetwork.random(n_units=20, gain=0.8, key=keys[0])
    return dataclasses.replace(random, readout=jax.random.normal(keys[1], (2, 20)) / 5)


@pytest.fixture(scope="module")
def trials():
    return recirc.tasks.CenterOutReach(dt=0.005).trials(8, key=jax.random.key(0))


@pytest.fixture(scope="module")
def learned(network, trials):
    """Trials whose targets are what the network does: every probe that changes nothing scores 0."""
    return trials.replace(targets=simulate(network, trials, key=jax.random.key(0)).outputs)


@pytest.mark.parametrize(
    "probe", [compare.NewTrials(), compare.PrivateNoise(0.0), compare.PerturbedState(300.0), compare.InputScale(1.0)]
)
def test_no_change_no_error(network, learned, probe, key):
    assert probe(network, learned, key=key).value < 1e-20


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        (compare.PrivateNoise(0.01), compare.PrivateNoise(0.1)),
        (compare.PerturbedState(30.0), compare.PerturbedState(10.0)),
        (compare.InputScale(1.1), compare.InputScale(2.0)),
    ],
)
def test_more_change_more_error(network, learned, weak, strong, key):
    assert 0 < weak(network, learned, key=key).value < strong(network, learned, key=key).value


def test_small_noise_power_is_proportional_to_error_power(network, learned, key):
    """To first order the output error is linear in the noise, so 10 dB are a factor of 10."""
    errors = [compare.PerturbedState(snr)(network, learned, key=key).value for snr in (60.0, 70.0)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.02)
    errors = [compare.PrivateNoise(sigma)(network, learned, key=key).value for sigma in (1e-3, 1e-4)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.02)


def test_kick_has_the_stated_power_at_the_stated_step(network, trials, key):
    plain = simulate(network, trials, key=key).rates
    at_step = np.arange(10, 18)
    kicked = simulate(Perturbed(network, jnp.asarray(30.0), jnp.asarray(at_step), key), trials, key=key).rates
    difference = np.asarray(kicked - plain)
    for trial, step in enumerate(at_step):
        np.testing.assert_allclose(difference[trial, :step], 0, atol=1e-12)  # two programs, which may round apart
        assert (np.abs(difference[trial, step]) > 1e-9).all()
    linear = dataclasses.replace(network, nonlinearity=lambda x: x, recurrent=jnp.zeros((20, 20)))
    plain = simulate(linear, trials, key=key).rates
    kicked = simulate(Perturbed(linear, jnp.asarray(20.0), jnp.asarray(30), key), trials, key=key).rates
    decayed = np.exp(-trials.dt / linear.time_constant)
    power = np.sum((kicked - plain)[:, 30] ** 2) / decayed**2 / np.sum(plain[:, 29] ** 2)
    assert power == pytest.approx(0.01, rel=0.3)


def test_noisy_circuit_can_be_perturbed(network, learned, key):
    noisy = dataclasses.replace(network, noise=0.01)
    assert compare.PerturbedState(30.0)(noisy, learned, key=key).value > 0


def test_settings_name_the_condition(network, learned, key):
    cases = {
        compare.PrivateNoise(0.1): {"set": "private_noise", "sigma": 0.1},
        compare.PerturbedState(): {"set": "perturbed_initial_state", "snr_db": 30.0},
        compare.PerturbedState(20.0, time_s=0.1): {"set": "perturbed_initial_state", "snr_db": 20.0, "time_s": 0.1},
        compare.NewTrials("radius"): {"set": "radius"},
    }
    assert all(probe(network, learned, key=key).settings == settings for probe, settings in cases.items())


def test_masked_samples_do_not_count(network, learned, key):
    mask = jnp.ones(learned.mask.shape).at[:, 50:].set(0.0)
    wrong_later = learned.replace(targets=learned.targets.at[:, 50:].add(5.0), mask=mask)
    assert compare.NewTrials()(network, wrong_later, key=key).value < 1e-20


def test_default_kick_is_where_the_movement_starts(network, learned, key):
    start = learned.epochs["movement"][0, 0]
    default, stated = compare.PerturbedState(20.0), compare.PerturbedState(20.0, time_s=float(start))
    assert default(network, learned, key=key).value == stated(network, learned, key=key).value
