"""Causal transport between single trials: closed forms, what it is blind to, and what averages do not show."""

import itertools

import jax
import numpy as np
import pytest
from scipy.stats import ortho_group

import recirc
from recirc import compare
from recirc.compare.causal_transport import _squared_distance

MEASURE = compare.CausalTransport(n_components=3, every=5)
TUNING = np.random.default_rng(7).normal(size=(4, 1, 3))


def activity(rates, n_trials):
    return recirc.Activity(rates, dt=0.01, conditions=[str(c) for c in range(4)] * n_trials)


def trials(persistence, seed, *, n_trials=40, tuning=TUNING, noise=1.0, is_exact=False):
    """Four conditions of ramps whose noise, of unit variance at every time, is AR(1) from one kept step to the next.

    Where it `is_exact`, averages over trials have no noise.
    """
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, 6)[:, None]
    values = random.normal(size=(n_trials, 4, 6, 3))
    for t in range(1, 6):
        values[:, :, t] = persistence * values[:, :, t - 1] + np.sqrt(1 - persistence**2) * values[:, :, t]
    values -= is_exact * values.mean(axis=0)
    rates = (tuning * ramp + noise * values).reshape(-1, 6, 3) * [2.0, 1.0, 0.5]
    return activity(np.repeat(rates, 5, axis=1), n_trials)


def autoregressive(persistence, scale, n_steps=4):
    """Cholesky factor of a scalar AR(1) process from 0."""
    back = np.subtract.outer(np.arange(n_steps), np.arange(n_steps))
    return scale * np.tril(persistence ** np.maximum(back, 0))


@pytest.mark.parametrize(("other", "scale"), [(0.9, 1.0), (0.2, 2.0), (-0.7, 1.5)])
def test_the_distance_of_autoregressive_processes_is_the_best_bicausal_coupling_of_their_innovations(other, scale):
    one, two = autoregressive(0.8, 1.0), autoregressive(other, scale)
    grid = [np.diag(signs) for signs in itertools.product(np.linspace(-1, 1, 5), repeat=4)]
    costs = [np.trace(one @ one.T + two @ two.T - 2 * one @ coupling @ two.T) for coupling in grid]
    powers = np.array([np.sum((0.8 * other) ** np.arange(4 - t)) for t in range(4)])
    closed = np.sum(one**2) + np.sum(two**2) - 2 * scale * np.sum(np.abs(powers))
    x, y = ((np.zeros((1, 4, 1)), factor[None, :, :, None, None]) for factor in (one, two))
    means, covariances = _squared_distance(x, y)
    assert means == 0
    assert covariances == pytest.approx(min(costs), rel=1e-12)
    assert covariances == pytest.approx(closed, rel=1e-12)


def test_without_noise_it_is_the_chord_of_the_procrustes_angle():
    random = np.random.default_rng(0)
    a, b = (np.tile(random.normal(size=(4, 30, 3)), (2, 1, 1)) for _ in range(2))
    with pytest.warns(UserWarning, match="4 residuals of trials for covariances of 90 dimensions"):
        found = compare.CausalTransport(every=1)(activity(a, 2), activity(b, 2))
    angle = compare.Procrustes()(activity(a, 2), activity(b, 2)).value
    assert found.value == pytest.approx(np.sqrt(2 - 2 * np.cos(angle)), abs=1e-6)


def test_rotations_offsets_scale_and_the_order_of_trials_do_not_matter():
    a, b = trials(0.9, 0), trials(0.0, 1, n_trials=60)
    turned = a.replace(rates=3 * np.asarray(a.rates) @ ortho_group.rvs(3, random_state=0) + [1.0, 5.0, -2.0])
    turned = turned.select(np.random.default_rng(0).permutation(a.n_trials).tolist())
    assert MEASURE(a, turned).value < 1e-3
    assert MEASURE(turned, b).value == pytest.approx(MEASURE(a, b).value, abs=1e-5)
    assert MEASURE(b, a).value == pytest.approx(MEASURE(a, b).value, abs=1e-5)


def test_how_noise_goes_on_is_seen_by_it_and_not_by_averages():
    same, other = [], []
    for seed in range(5):
        a, again, b = (trials(each, 3 * seed + i, is_exact=True) for i, each in enumerate((0.9, 0.9, 0.0)))
        assert compare.Procrustes()(averages(a), averages(b)).value < 1e-3
        same.append(MEASURE(a, again).value)
        other.append(MEASURE(a, b).value)
    assert min(other) > 2.5 * max(same)
    found = MEASURE(a, b)
    assert found.value**2 == pytest.approx((found.parts["means"] + found.parts["covariances"]).item())
    assert found.parts["covariances"] > 5 * found.parts["means"]


def averages(a):
    return a.replace(rates=np.asarray(a.rates).reshape(-1, 4, 30, 3).mean(axis=0), conditions="0123")


def test_conditions_that_mean_the_same_are_beyond_rotated_conditions():
    a, b = trials(0.5, 0), trials(0.5, 1)
    elsewhere = trials(0.5, 2, tuning=np.random.default_rng(8).normal(size=(4, 1, 3)), noise=0.5)
    null = compare.RotatedConditions()
    found = compare.null_distribution(MEASURE, a, b, null, n_draws=39, key=jax.random.key(0))
    assert not found.is_certified
    assert found.p <= 0.05
    assert compare.null_distribution(MEASURE, a, elsewhere, null, n_draws=39, key=jax.random.key(0)).p > 0.05


def test_what_cannot_be_compared_is_refused():
    a = trials(0.5, 0)
    with pytest.raises(ValueError, match="two single trials of every condition; there is one of"):
        MEASURE(a, averages(a))
    with pytest.raises(ValueError, match="only the first has"):
        MEASURE(a, a.replace(conditions=["0", "1", "2", "4"] * 40))
    with pytest.raises(ValueError, match="constant"):
        MEASURE(a, a.replace(rates=np.ones(a.rates.shape)))
    with pytest.raises(ValueError, match=r"pooling from 0 to 1; got .*1\.5"):
        compare.CausalTransport(3, 5, 1.5)
