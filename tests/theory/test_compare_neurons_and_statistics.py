"""The map to unrecorded neurons, intervals and tests against planted answers."""

import jax
import numpy as np
import pytest

import recirc
from recirc import compare


def pair(seed=0, n_conditions=6, n_steps=30, sigma=0.5):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n_conditions, n_steps, 12)) * np.linspace(0.1, 2, 12) + 3
    y = x @ random.normal(size=(12, 5)) + sigma * random.normal(size=(n_conditions, n_steps, 5)) - 2
    labels = [str(i) for i in range(n_conditions)]
    return recirc.Activity(x, dt=0.01, conditions=labels), recirc.Activity(y, dt=0.01, conditions=labels)


def test_score_is_r2_about_the_training_mean():
    network, neurons = pair()
    train, test = [0, 1, 2, 3], [4, 5]
    fitted = compare.NeuronMap.fit(network.select(train), neurons.select(train))
    score = fitted.score(network.select(test), neurons.select(test))
    truth = np.asarray(neurons.rates)
    error = (np.asarray(fitted.predict(network.select(test)).rates) - truth[test]) ** 2
    spread = (truth[test] - truth[train].mean((0, 1))) ** 2
    assert score.value == pytest.approx(1 - error.sum() / spread.sum())
    np.testing.assert_allclose(score.parts["per_unit"], 1 - error.sum((0, 1)) / spread.sum((0, 1)))
    assert score.settings == {"penalty": fitted.penalty}
    assert score.value > 0.9


def test_a_linear_map_is_found_and_noise_predicts_nothing():
    network, neurons = pair(sigma=0.0)
    fitted = compare.NeuronMap.fit(network.select(range(5)), neurons.select(range(5)))
    assert fitted.score(network.select([5]), neurons.select([5])).value > 0.999
    unrelated = neurons.replace(rates=np.random.default_rng(1).normal(size=neurons.rates.shape))
    fitted = compare.NeuronMap.fit(network.select(range(5)), unrelated.select(range(5)))
    assert abs(fitted.score(network.select([5]), unrelated.select([5])).value) < 0.2


def test_thinned_samples_give_nearly_the_same_map():
    network, neurons = pair(n_steps=100, sigma=0.1)
    maps = [compare.NeuronMap.fit(network, neurons, penalties=(1e-3,), every=every) for every in (1, 4)]
    np.testing.assert_allclose(maps[1].weights, maps[0].weights, atol=0.2)


def test_bootstrap_covers_the_median_of_many_samples():
    random = np.random.default_rng(0)
    covered = []
    for i in range(60):
        low, high = compare.bootstrap_interval(random.normal(size=40), key=jax.random.key(i), n_resamples=500)
        covered.append(low <= 0 <= high)
    assert np.mean(covered) >= 0.85


def test_bootstrap_is_fixed_by_its_key_and_takes_other_statistics():
    values = [1.0, 2.0, 5.0, 9.0, 3.0]
    once, again, other = (compare.bootstrap_interval(values, key=jax.random.key(i)) for i in (0, 0, 1))
    assert once == again
    low, high = compare.bootstrap_interval(values, key=jax.random.key(0), statistic=np.mean, level=0.5)
    assert 1 < low < 4 < high < 9
    assert len(other) == 2


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_bootstrap_of_too_little_is_nan(values):
    assert np.isnan(compare.bootstrap_interval(values, key=jax.random.key(0))).all()
